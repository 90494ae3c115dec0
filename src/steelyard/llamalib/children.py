"""Native work in a child process: progress and errors come back as JSON lines on its stdout.

Not aware of what the child does. The parent kills the child's whole group however it leaves, and
the child watches its parent (`guardian`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from steelyard.domain import errors
from steelyard.domain.errors import EngineError, SteelyardError

_LAST_WORDS: Final = 3


def run(
    argv: Sequence[str],
    *,
    log: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Run a child to its end; raise the error it reported, or `EngineError` if it just died."""
    with contextlib.ExitStack() as stack:
        words: IO[bytes]
        if log is None:
            words = stack.enter_context(tempfile.TemporaryFile())
        else:
            words = stack.enter_context(log.open("w+b"))
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,
        )
        stack.callback(_end, child)
        failure = _listen(child, progress)
        code = child.wait()
        if failure is not None:
            raise failure
        if code != 0:
            raise EngineError(
                f"{argv[2]} ended with {_ending(code)}: {_tail(words)}",
                hint="the log has the whole story" if log else "run it again with a log",
            )


def reporting(work: Callable[[], None]) -> int:
    """Do the child's work; turn an error into one JSON line and its exit code."""
    try:
        work()
    except SteelyardError as error:
        _say({"error": type(error).__name__, "message": str(error), "hint": error.hint})
        return error.exit_code
    return 0


def show(done: int, total: int) -> None:
    """Report progress to the parent."""
    _say({"done": done, "of": total})


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _listen(
    child: subprocess.Popen[bytes], progress: Callable[[int, int], None] | None
) -> SteelyardError | None:
    failure: SteelyardError | None = None
    for raw in child.stdout or ():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if "error" in line:
            failure = _revived(str(line["error"]), str(line["message"]), str(line["hint"]))
        elif progress is not None:
            progress(int(line["done"]), int(line["of"]))
    return failure


def _revived(name: str, message: str, hint: str) -> SteelyardError:
    kind = getattr(errors, name, EngineError)
    if not (isinstance(kind, type) and issubclass(kind, SteelyardError)):
        kind = EngineError
    return kind(message, hint=hint)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind, whichever way the block is left."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"code {code}"


def _tail(words: IO[bytes]) -> str:
    words.seek(0)
    lines = words.read().decode("utf-8", "replace").strip().splitlines()
    return " / ".join(lines[-_LAST_WORDS:]) or "it said nothing"
