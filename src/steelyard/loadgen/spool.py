"""The spool: finished exchanges in a file that is only appended to.

A frame is `STYX`, the payload's length, its CRC-32, and the payload; a frame cut off by a kill is
recognised and dropped. Payload: nine fixed numbers, then id, failure, arrivals, ends, body. All
little-endian. Not aware of what the bodies mean.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Exchange

_MAGIC: Final = b"STYX"
_FRAME: Final = struct.Struct("<4sII")
_FIXED: Final = struct.Struct("<qqqiiIIIQ")


def append(descriptor: int, exchange: Exchange) -> int:
    """Write one frame at the end of an open file; return its size."""
    frame = pack(exchange)
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(frame)


def pack(exchange: Exchange) -> bytes:
    """Return the frame of one exchange."""
    name = exchange.id.encode()
    failure = (exchange.failure or "").encode()
    payload = b"".join(
        (
            _FIXED.pack(
                exchange.intended_ns,
                exchange.sent_ns,
                exchange.done_ns,
                exchange.status,
                exchange.reconnects,
                len(name),
                len(failure),
                len(exchange.arrivals_ns),
                len(exchange.body),
            ),
            name,
            failure,
            _column(exchange.arrivals_ns),
            _column(exchange.ends),
            exchange.body,
        )
    )
    return _FRAME.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def read(path: Path) -> list[Exchange]:
    """Return every whole exchange; a torn last frame is left out (see `torn_bytes`)."""
    return Reader(path).rest() if path.exists() else []


def torn_bytes(path: Path) -> int:
    """Return how many bytes at the end are no whole frame."""
    reader = Reader(path)
    reader.rest()
    return path.stat().st_size - reader.offset


def truncate_torn(path: Path) -> int:
    """Cut a torn last frame off, so that appending is safe again; return the bytes cut."""
    if not path.exists() or not (torn := torn_bytes(path)):
        return 0
    os.truncate(path, path.stat().st_size - torn)
    return torn


@final
class Reader:
    """Reads frames from a growing file; `offset` is where the next frame begins."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.offset = offset
        self._path = path

    def next(self) -> Exchange | None:
        """Return the next whole exchange, or None if there is none (yet)."""
        with self._path.open("rb") as file:
            return self._frame(file.fileno())

    def rest(self) -> list[Exchange]:
        """Return all whole exchanges from here on."""
        found = []
        with self._path.open("rb") as file:
            while (exchange := self._frame(file.fileno())) is not None:
                found.append(exchange)
        return found

    def _frame(self, descriptor: int) -> Exchange | None:
        head = os.pread(descriptor, _FRAME.size, self.offset)
        if len(head) < _FRAME.size:
            return None
        magic, length, crc = _FRAME.unpack(head)
        payload = os.pread(descriptor, length, self.offset + _FRAME.size)
        if magic == _MAGIC and len(payload) == length and zlib.crc32(payload) == crc:
            self.offset += _FRAME.size + length
            return _unpack(payload)
        end = self.offset + _FRAME.size + length
        if magic == _MAGIC and end >= os.fstat(descriptor).st_size:
            return None
        raise StoreError(
            f"{self._path} is damaged at byte {self.offset}, before its end",
            hint="delete that run's folder; it will be measured again",
        )


def _unpack(payload: bytes) -> Exchange:
    numbers = _FIXED.unpack_from(payload)
    intended, sent, done, status, reconnects, name_len, failure_len, reads, body_len = numbers
    at = _FIXED.size
    name, at = payload[at : at + name_len], at + name_len
    failure, at = payload[at : at + failure_len], at + failure_len
    arrivals, at = payload[at : at + 8 * reads], at + 8 * reads
    ends, at = payload[at : at + 8 * reads], at + 8 * reads
    return Exchange(
        id=name.decode(),
        intended_ns=intended,
        sent_ns=sent,
        done_ns=done,
        status=status,
        arrivals_ns=_numbers(arrivals),
        ends=_numbers(ends),
        body=payload[at : at + body_len],
        failure=failure.decode() or None,
        reconnects=reconnects,
    )


def _column(values: Sequence[int]) -> bytes:
    column = array("q", values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _numbers(column: bytes) -> tuple[int, ...]:
    values = array("q")
    values.frombytes(column)
    if sys.byteorder == "big":
        values.byteswap()
    return tuple(values)
