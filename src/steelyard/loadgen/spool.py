"""The spool: finished exchanges in a file that is only appended to.

A frame is `STYX`, the payload's length, its CRC-32, and the payload; a frame cut off by a kill is
recognised and dropped. Payload: the fixed numbers, then id, failure, three columns of reads (stamp,
bytes, how long they had lain there: twelve bytes a read), and the response as it came. All
little-endian. HTTP framing is taken off when a frame is read, never while the clock runs. Not
aware of what the bodies mean.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Exchange
from steelyard.loadgen.heads import MalformedResponse
from steelyard.loadgen.response import ResponseReader
from steelyard.loadgen.transfer import HELD, SPREAD_MAX, SPREAD_UNIT_NS, Transfer

_MAGIC: Final = b"STYX"
_FRAME: Final = struct.Struct("<4sII")
_FIXED: Final = struct.Struct("<qqqqqIIIIIIQ")


@final
@dataclass(frozen=True, slots=True)
class Raw:
    """One exchange as it came: each read's stamp, size, and spread in units of ten µs."""

    id: str
    intended_ns: int
    sent_ns: int
    handed_ns: int
    done_ns: int
    times: array[int]
    sizes: array[int]
    spreads: array[int]
    raw: bytes | bytearray
    failure: str | None = None
    reconnects: int = 0
    segments: int = 0
    user_reads: int = 0
    late_ns: int = 0


def of_transfer(transfer: Transfer, at_ns: int, failure: str | None) -> Raw:
    """Return what an exchange came to that ended at `at_ns`."""
    return Raw(
        id=transfer.job.id,
        intended_ns=transfer.intended_ns,
        sent_ns=transfer.asked_ns,
        handed_ns=transfer.handed_ns,
        done_ns=at_ns,
        times=transfer.times,
        sizes=transfer.sizes,
        spreads=transfer.spreads,
        raw=transfer.raw,
        failure=failure,
        reconnects=transfer.reconnects,
        segments=max(0, transfer.segments),
        user_reads=transfer.user_reads,
        late_ns=transfer.late_ns,
    )


def append(descriptor: int, raw: Raw) -> int:
    """Write one frame at the end of an open file; return its size."""
    frame = pack(raw)
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(frame)


def pack(raw: Raw) -> bytes:
    """Return the frame of one exchange."""
    name = raw.id.encode()
    failure = (raw.failure or "").encode()
    fixed = _FIXED.pack(
        raw.intended_ns,
        raw.sent_ns,
        raw.handed_ns,
        raw.done_ns,
        raw.late_ns,
        raw.reconnects,
        raw.segments,
        raw.user_reads,
        len(name),
        len(failure),
        len(raw.times),
        len(raw.raw),
    )
    columns = (_little(raw.times), _little(raw.sizes), _little(raw.spreads))
    payload = b"".join((fixed, name, failure, *columns, raw.raw))
    return _FRAME.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def taken_apart(raw: Raw) -> Exchange:
    """Take the HTTP framing off, read by read.

    Only reads that brought bytes of the body count.
    """
    reader, drained_ns, at = ResponseReader(), [], 0
    failure = raw.failure
    try:
        for stamp, size, spread in zip(raw.times, raw.sizes, raw.spreads, strict=True):
            before = len(reader.ends)
            reader.feed(bytes(raw.raw[at : at + size]), stamp)
            if len(reader.ends) > before:
                drained_ns.append(_drained_ns(raw, stamp, spread, reader.arrivals_ns[:-1]))
            at += size
    except MalformedResponse:
        failure = failure or "malformed_response"
    return Exchange(
        id=raw.id,
        intended_ns=raw.intended_ns,
        sent_ns=raw.sent_ns or raw.done_ns,
        done_ns=raw.done_ns,
        status=reader.status,
        arrivals_ns=tuple(reader.arrivals_ns),
        ends=tuple(reader.ends),
        body=bytes(reader.body),
        failure=failure,
        reconnects=raw.reconnects,
        stamps="kernel" if raw.times and not raw.user_reads else "user",
        drained_ns=tuple(drained_ns),
        handed_ns=raw.handed_ns,
        # Reads of the head alone, or of what ends the last chunk, are no reads of the body.
        segments=max(0, raw.segments - len(raw.times) + len(reader.ends)),
        late_ns=raw.late_ns,
        encoding=reader.content_encoding,
        location=reader.location,
    )


def _drained_ns(raw: Raw, stamp: int, spread: int, before_ns: Sequence[int]) -> int:
    """Return since when a read's bytes may have been coming.

    That is after the stamp of the read before, unless the sender may have held them back.
    """
    units = spread & SPREAD_MAX
    since_ns = stamp - units * SPREAD_UNIT_NS if units < SPREAD_MAX else raw.handed_ns
    if raw.user_reads or not before_ns:
        return since_ns
    return min(since_ns, before_ns[-1]) if spread & HELD else max(since_ns, before_ns[-1] + 1)


def read(path: Path) -> list[Exchange]:
    """Return every whole exchange; a torn last frame is left out (see `torn_bytes`)."""
    return Reader(path).rest() if path.exists() else []


def raws(path: Path) -> Iterator[Raw]:
    """Yield every whole exchange as it came, its HTTP framing included."""
    reader = Reader(path)
    while path.exists() and (raw := reader.raw()) is not None:
        yield raw


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

    def raw(self) -> Raw | None:
        """Return the next whole exchange as it came, or None if there is none (yet)."""
        with self._path.open("rb") as file:
            return self._raw(file.fileno())

    def rest(self) -> list[Exchange]:
        """Return all whole exchanges from here on."""
        found = []
        with self._path.open("rb") as file:
            while (exchange := self._frame(file.fileno())) is not None:
                found.append(exchange)
        return found

    def _frame(self, descriptor: int) -> Exchange | None:
        raw = self._raw(descriptor)
        return None if raw is None else taken_apart(raw)

    def _raw(self, descriptor: int) -> Raw | None:
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


def _unpack(payload: bytes) -> Raw:
    fixed = _FIXED.unpack_from(payload)
    intended, sent, handed, done, late, reconnects, segments, user_reads, *lengths = fixed
    name_len, failure_len, reads, raw_len = lengths
    at = _FIXED.size
    name, at = payload[at : at + name_len], at + name_len
    failure, at = payload[at : at + failure_len], at + failure_len
    times, at = _numbers("q", payload[at : at + 8 * reads]), at + 8 * reads
    sizes, at = _numbers("H", payload[at : at + 2 * reads]), at + 2 * reads
    spreads, at = _numbers("H", payload[at : at + 2 * reads]), at + 2 * reads
    return Raw(
        id=name.decode(),
        intended_ns=intended,
        sent_ns=sent,
        handed_ns=handed,
        done_ns=done,
        times=times,
        sizes=sizes,
        spreads=spreads,
        raw=payload[at : at + raw_len],
        failure=failure.decode() or None,
        reconnects=reconnects,
        segments=segments,
        user_reads=user_reads,
        late_ns=late,
    )


def _little(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return column.tobytes()


def _numbers(typecode: str, column: bytes) -> array[int]:
    values = array(typecode)
    values.frombytes(column)
    if sys.byteorder == "big":
        values.byteswap()
    return values
