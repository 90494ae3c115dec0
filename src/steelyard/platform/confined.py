"""The first lines that run inside the sandbox; run as a script, never imported.

`confined.py CPU_S MEMORY_BYTES` says `begun`, reads the length of a program in a line and then the
program, gives up what it could still raise, turns its inherited descriptors to nothing, and becomes
that program. What the program writes to the descriptor `RESULTS` is its only way out. Without
`begun` it was the sandbox that failed; without the whole program nobody is there any more, and
nothing is run.

Uses the standard library only: it runs without site-packages.
"""

import os
import resource
import sys

_OPEN_FILES = 24
_MORE_THAN_EVER_INHERITED = 64


def main() -> None:
    """Give up all rights and run the program."""
    cpu_s, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    os.write(1, b"begun\n")
    length = sys.stdin.buffer.readline()
    program = sys.stdin.buffer.read()
    if not length or len(program) != int(length):
        return
    results = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    # bubblewrap leaves the one open from which it read its rules.
    os.closerange(3, results)
    os.closerange(results + 1, _MORE_THAN_EVER_INHERITED)
    os.environ.clear()
    limits = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for which, most in limits.items():
        # Both limits at once: at the softer one a program may catch the signal and go on.
        resource.setrlimit(which, (most, most))
    code = compile(program, "<program>", "exec")
    exec(code, {"__name__": "__main__", "RESULTS": results})  # noqa: S102 - what all this is for


if __name__ == "__main__":
    main()
