"""Regular expressions of a user's matched within a limit of time, as Python's `re` matches them.

A pattern with repeats inside of repeats can take for ever, and nothing within a process can end it.
So one process beside ours matches, one text after the other, and is ended and started anew where it
takes too long. Not aware of what is matched.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final, final

from steelyard.platform import process

CPU_S: Final = 1.0  # an answer of 100,000 signs takes a sane pattern some milliseconds
_WALL_S: Final = 20.0
_CHUNK: Final = 1 << 12
_MATCHER: Final = Path(__file__).with_name("matcher.py")


class TooSlowError(Exception):
    """The match did not end within its time."""


def find(pattern: str, text: str, *, flags: int = 0, whole: bool = False) -> str | None:
    """Return what a pattern matches of a text, None where nothing; raise `TooSlowError`."""
    span = _MATCHES.span(json.dumps([pattern, flags, whole, text, CPU_S]).encode() + b"\n")
    return None if span is None else text[span[0] : span[1]]


@final
class _Matches:
    """The process that matches, there from the first match on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: process.Child | None = None

    def span(self, case: bytes) -> tuple[int, int] | None:
        with self._lock:
            said = self._said(case)
            if said is None:
                self._stop()
                raise TooSlowError
            found = json.loads(said)
            return None if found is None else (found[0], found[1])

    def stop(self) -> None:
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._child is not None:
            self._child.stop(grace_s=0.0)
            self._child = None

    def _said(self, case: bytes) -> bytes | None:
        """Return the line that comes back; None where the process ended, or fell silent."""
        put, out = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            put.write(case)
            put.flush()
        until, said = time.monotonic() + _WALL_S, b""
        while not said.endswith(b"\n"):
            left = max(0.0, until - time.monotonic())
            ready, _, _ = select.select([out], [], [], left)
            more = os.read(out.fileno(), _CHUNK) if ready else b""
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
