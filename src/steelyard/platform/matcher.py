"""The program in which a regular expression is matched, so that it can be ended.

A line of JSON comes in for each match and the span that was found goes out. A match that uses up
its processor time ends the program: Python's own matching heeds no signal but that. Standard
library only: it runs on its own.
"""

import json
import re
import signal
import sys


def main() -> None:
    """Match until nobody asks any more."""
    for line in sys.stdin.buffer:
        pattern, flags, whole, text, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        rule = re.compile(pattern, flags)
        found = rule.fullmatch(text) if whole else rule.search(text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        said = json.dumps(None if found is None else found.span())
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
