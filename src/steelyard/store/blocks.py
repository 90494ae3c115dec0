"""Event blocks: the arrivals of many attempts as three compressed columns.

Times and text offsets are differences to the event before, modulo 2^64, so any pair of 64-bit
integers comes back; kinds are one byte each. The columns' bytes are regrouped by significance
before deflate, since the high bytes of small differences are nearly all zero. About 5 bytes an
event on real streams. Not aware of attempts or tables.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Arrival, ArrivalKind

FORMAT: Final = 1
MAX_EVENTS: Final = 65_536

# A kind's place in this tuple is its code on disk: append, never reorder.
KINDS: Final[tuple[ArrivalKind, ...]] = (
    "role",
    "content",
    "reasoning",
    "tool_call",
    "usage",
    "finish",
    "timings",
    "error",
    "other",
)
_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_HEAD: Final = struct.Struct("<BI")
_LEVEL: Final = 6
_BYTES_PER_EVENT: Final = 17

if set(KINDS) != set(get_args(ArrivalKind)):
    raise AssertionError("every ArrivalKind needs a code in store.blocks.KINDS")


def pack(arrivals: Sequence[Arrival]) -> bytes:
    """Return the block of at most `MAX_EVENTS` arrivals."""
    count = len(arrivals)
    times = np.fromiter((a.at_ns for a in arrivals), np.int64, count)
    offsets = np.fromiter((a.text_end for a in arrivals), np.int64, count)
    kinds = np.fromiter((_CODES[a.kind] for a in arrivals), np.uint8, count)
    body = _differences(times) + _differences(offsets) + kinds.tobytes()
    return _HEAD.pack(FORMAT, count) + zlib.compress(body, _LEVEL)


def unpack(block: bytes) -> tuple[Arrival, ...]:
    """Return the arrivals of a block; raise `StoreError` when it is damaged."""
    try:
        version, count = _HEAD.unpack_from(block)
        if version != FORMAT:
            raise StoreError(
                f"an event block has format {version}; this version of Steelyard reads {FORMAT}",
                hint="use the version that wrote it, or a newer one",
            )
        body = zlib.decompress(block[_HEAD.size :])
    except (struct.error, zlib.error) as error:
        raise StoreError(f"an event block is damaged: {error}") from None
    if len(body) != count * _BYTES_PER_EVENT:
        raise StoreError(f"an event block is damaged: {len(body)} bytes for {count} events")
    times = _integers(body[: 8 * count], count)
    offsets = _integers(body[8 * count : 16 * count], count)
    codes = body[16 * count :]
    if any(code >= len(KINDS) for code in codes):
        raise StoreError("an event block is damaged: it holds an event kind that does not exist")
    return tuple(
        Arrival(at_ns, KINDS[code], text_end)
        for at_ns, code, text_end in zip(times, codes, offsets, strict=True)
    )


def _differences(column: NDArray[np.int64]) -> bytes:
    steps = column.astype("<u8")
    steps[1:] -= steps[:-1].copy()
    return steps.view(np.uint8).reshape(-1, 8).T.tobytes()


def _integers(body: bytes, count: int) -> list[int]:
    grouped = np.frombuffer(body, np.uint8).reshape(8, count)
    steps = np.ascontiguousarray(grouped.T).view("<u8").ravel()
    sums = np.cumsum(steps, dtype=np.uint64).view(np.int64)
    return cast("list[int]", sums.tolist())
