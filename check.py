"""One command for everything that must hold: lint, types, layers, sizes, tests.

`python3 start.py check` runs it; `--full` adds the slower proofs (kills on the real engine, the
quantiser's oracle, a smoke training). Words after `--` go to pytest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
SOURCE_CEILING = 600
TEST_CEILING = 800


def oversized() -> list[str]:
    """Return the Python files that are over their ceiling, with their length."""
    found = []
    for folder, ceiling in (("src", SOURCE_CEILING), ("tests", TEST_CEILING)):
        for path in sorted((ROOT / folder).rglob("*.py")):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > ceiling:
                found.append(f"{path.relative_to(ROOT)} has {lines} lines, over {ceiling}")
    return found


def steps(*, full: bool, pytest_words: list[str]) -> list[tuple[str, list[str]]]:
    """Return the name and the command of every step but the file sizes.

    Words for pytest choose tests themselves, so that nothing is told apart then.
    """
    kept = "" if full else " and not full"
    pytest = [str(BIN / "pytest")]
    beside = [*pytest, "-n", "2", "--dist", "loadfile"]
    tests = [
        ("tests", [*beside, "-m", f"not alone{kept}"]),
        ("tests that want the machine to themselves", [*pytest, "-m", f"alone{kept}"]),
    ]
    if pytest_words:
        chosen = [] if full else ["-m", "not full"]
        tests = [("tests", [*beside, *chosen, *pytest_words])]
    return [
        ("lint", [str(BIN / "ruff"), "check", "."]),
        ("format", [str(BIN / "ruff"), "format", "--check", "."]),
        ("types", [str(BIN / "mypy")]),
        ("layers", [str(BIN / "lint-imports")]),
        *tests,
    ]


def main(words: list[str]) -> int:
    """Run every step, also after a failure; return 1 if any failed."""
    full = "--full" in words
    pytest_words = words[words.index("--") + 1 :] if "--" in words else []
    failed = []
    if too_long := oversized():
        print("\n".join(too_long))
        failed.append("sizes")
    for name, command in steps(full=full, pytest_words=pytest_words):
        print(f"── {name}", flush=True)
        started = time.monotonic()
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
