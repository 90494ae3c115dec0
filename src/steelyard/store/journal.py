"""An append-only journal of JSON lines: what is in it happened, in this order.

Each line carries its number and a CRC-32 of its event, and is on the disk before `append` returns.
A torn last line (a crash while writing) is dropped; damage anywhere else is refused, since what
followed it cannot be trusted. One writer at a time: whoever owns the folder holds its lock. Not
aware of what an event means.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, cast, final

from steelyard.domain.errors import StoreError
from steelyard.platform.atomic import sync_folder, unwritable

Event: TypeAlias = dict[str, Any]  # the wire edge: plain JSON


@final
class Journal:
    """An open journal. `events` are those found on opening, a torn tail already cut off."""

    __slots__ = ("_handle", "_lines", "_size", "events", "path")

    def __init__(self, path: Path) -> None:
        """Open `path` for appending, make it where needed; raise `StoreError` when damaged."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            events, size = _read(path)
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            if os.fstat(self._handle).st_size != size:
                os.ftruncate(self._handle, size)
            if not events:
                sync_folder(path.parent)  # the file's name, too, has to survive
        except OSError as error:
            raise unwritable(path, error) from None
        self.events = events
        self._lines = len(events)
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, event: Mapping[str, object]) -> None:
        """Add one event; it is on the disk when this returns, or not in the file at all."""
        line = _line(self._lines + 1, dict(event))
        try:
            written = os.write(self._handle, line)
            if written != len(line):
                os.write(self._handle, line[written:])  # raises where there is no room
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, self._size)
            raise unwritable(self.path, error) from None
        self._size += len(line)
        self._lines += 1

    def close(self) -> None:
        """Let go of the file; closing twice is harmless."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def read_journal(path: Path) -> tuple[Event, ...]:
    """Return the events of a journal, without its torn tail; none when there is no file."""
    return _read(path)[0]


def _read(path: Path) -> tuple[tuple[Event, ...], int]:
    """Return the events and the length in bytes of what is whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return (), 0
    lines = data.splitlines(keepends=True)
    events: list[Event] = []
    size = 0
    for number, line in enumerate(lines, start=1):
        event = _event(number, line)
        if event is None:
            if number == len(lines):
                break
            raise StoreError(
                f"{path}: line {number} of {len(lines)} is damaged",
                hint=f"restore the file from a copy, or keep its first {number - 1} lines only "
                "and resume: what came later is done again",
            )
        events.append(event)
        size += len(line)
    return tuple(events), size


def _line(number: int, event: Event) -> bytes:
    body = _canonical(event)
    return b'{"n":%d,"crc":"%08x","event":%s}\n' % (number, zlib.crc32(body), body)


def _event(number: int, line: bytes) -> Event | None:
    """Return the line's event, or None when the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        raw = json.loads(line)
        body = _canonical(raw["event"])
        whole = raw["n"] == number and raw["crc"] == f"{zlib.crc32(body):08x}"
    except (ValueError, KeyError, TypeError):
        return None
    return cast("Event", raw["event"]) if whole else None


def _canonical(event: Event) -> bytes:
    return json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
