"""Regular expressions of a user's matched within a limit of time, as Python's `re` matches them.

A pattern with repeats inside of or beside repeats can take for ever, and nothing within a process
can end it. So one process beside ours matches, one text after the other, and is ended and started
anew where it takes too long. Not aware of what is matched.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final, final

from steelyard.platform import process

# Some milliseconds do for most; two repeats beside each other take seconds over a long answer.
CPU_S: Final = 10.0
_WALL_A_CPU: Final = 10.0  # others want the processor, too
_TRIES: Final = 2  # whatever ended the process need not end the next one
_ENDS_S: Final = 5.0  # from the end of its pipe to its own
_CHUNK: Final = 1 << 12
_MATCHER: Final = Path(__file__).with_name("matcher.py")


class TooSlowError(Exception):
    """The match did not end within its time."""


def find(
    pattern: str, text: str, *, flags: int = 0, whole: bool = False, cpu_s: float = CPU_S
) -> str | None:
    """Return what a pattern matches of a text, None where nothing.

    Raises `TooSlowError` where it takes more processor time than that, and `RuntimeError` where
    the process that matches ended for another reason, twice.
    """
    case = json.dumps([pattern, flags, whole, text, cpu_s]).encode() + b"\n"
    span = _MATCHES.span(case, cpu_s * _WALL_A_CPU)
    return None if span is None else text[span[0] : span[1]]


@final
class _Matches:
    """The process that matches, there from the first match on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: process.Child | None = None

    def span(self, case: bytes, wall_s: float) -> tuple[int, int] | None:
        with self._lock:
            for _ in range(_TRIES):
                said = self._asked(case, wall_s)
                if said is not None:
                    found = json.loads(said)
                    return None if found is None else (found[0], found[1])
            raise RuntimeError("the process that matches patterns ended before it had matched")

    def _asked(self, case: bytes, wall_s: float) -> bytes | None:
        """Return what comes back; None where the process ended, and not for its time."""
        try:
            said = self._said(case, wall_s)
        except BaseException:
            self._stop()  # its answer would be taken for that to the next question
            raise
        if said is None and self._ended() == -signal.SIGPROF:
            raise TooSlowError
        return said

    def stop(self) -> None:
        with self._lock:
            self._stop()

    def _ended(self) -> int | None:
        """Return how the process ended that has closed its pipe."""
        code = None if self._child is None else self._child.wait(_ENDS_S)
        self._stop()
        return code

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.stop(grace_s=0.0)

    def _said(self, case: bytes, wall_s: float) -> bytes | None:
        """Return the line that comes back; None where the process ended."""
        put, out = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            put.write(case)
            put.flush()
        until, said = time.monotonic() + wall_s, b""
        while not said.endswith(b"\n"):
            left = max(0.0, until - time.monotonic())
            ready, _, _ = select.select([out], [], [], left)
            if not ready:
                raise TooSlowError
            more = os.read(out.fileno(), _CHUNK)
            if not more:
                return None
            said += more
        return said

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._child is None:
            argv = [sys.executable, "-I", "-S", str(_MATCHER)]
            self._child = process.start(argv, log=Path(os.devnull), pipes=True)
        put, out = self._child.stdin, self._child.stdout
        if put is None or out is None:
            raise RuntimeError("a process that was started with pipes has none")
        return put, out


_MATCHES: Final = _Matches()
atexit.register(_MATCHES.stop)
