"""The arrivals of one attempt as columns: thirteen bytes an event in memory, about four on disk.

Reads like a tuple of `Arrival`. As JSON it is one text: the packed columns in base64. Packed,
times, text offsets and spreads are differences to the event before, modulo 2^64; kinds are one
byte each. The columns' bytes are regrouped by significance before deflate, since the high bytes of
small differences are nearly all zero. Not aware of attempts, tables or wires.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final, get_args, overload

from steelyard.domain.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ArrivalKind: TypeAlias = Literal[
    "role", "content", "reasoning", "tool_call", "usage", "finish", "timings", "error", "other"
]

# A kind's place in this tuple is its code on disk: append, never reorder.
KINDS: Final[tuple[ArrivalKind, ...]] = get_args(ArrivalKind)
FORMAT: Final = 2
_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_HEAD: Final = struct.Struct("<BI")
_LEVEL: Final = 6
_BYTES_PER_EVENT: Final = 25


@final
@dataclass(frozen=True, slots=True)
class Arrival:
    """One event of a stream: when, what kind, and how far the generated text had then come.

    It came at `at_ns` or up to `spread_ns` earlier: several sends that the client took up with one
    read have one stamp between them, that of the last.
    """

    at_ns: int
    kind: ArrivalKind
    text_end: int
    spread_ns: int = 0


@final
class Arrivals(Sequence[Arrival]):
    """The events of one attempt in the order they came; equal to any sequence of the same ones."""

    __slots__ = ("_ends", "_kinds", "_spreads", "_times")

    def __init__(self, arrivals: Iterable[Arrival] = ()) -> None:
        self._times = array("q")
        self._ends = array("I")
        self._kinds = bytearray()
        self._spreads: dict[int, int] = {}
        for number, arrival in enumerate(arrivals):
            self._times.append(arrival.at_ns)
            self._ends.append(arrival.text_end)
            self._kinds.append(_CODES[arrival.kind])
            if arrival.spread_ns:
                self._spreads[number] = arrival.spread_ns

    @classmethod
    def of(cls, arrivals: Iterable[Arrival]) -> Arrivals:
        """Return them as columns; those that are columns already as they are."""
        return arrivals if isinstance(arrivals, Arrivals) else cls(arrivals)

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self._times)

    @overload
    def __getitem__(self, at: int) -> Arrival: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Arrival, ...]: ...
    def __getitem__(self, at: int | slice) -> Arrival | tuple[Arrival, ...]:
        """Return one event, or several as a tuple."""
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(len(self))))
        number = at + len(self) if at < 0 else at
        return Arrival(
            self._times[number],
            KINDS[self._kinds[number]],
            self._ends[number],
            self._spreads.get(number, 0),
        )

    def __iter__(self) -> Iterator[Arrival]:
        """Yield them in order."""
        spread = self._spreads.get
        columns = zip(self._times, self._kinds, self._ends, strict=True)
        for number, (at_ns, code, text_end) in enumerate(columns):
            yield Arrival(at_ns, KINDS[code], text_end, spread(number, 0))

    def __eq__(self, other: object) -> bool:
        """Compare by value, with a tuple too."""
        if isinstance(other, Arrivals):
            return (self._times, self._kinds, self._ends, self._spreads) == (
                *(other._times, other._kinds, other._ends, other._spreads),
            )
        return isinstance(other, tuple) and tuple(self) == other

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Return it as a tuple's."""
        return repr(tuple(self))

    @property
    def text(self) -> str:
        """The packed columns as text, for JSON; nothing for no events."""
        return base64.b64encode(pack(self)).decode() if self._times else ""

    @classmethod
    def read(cls, text: str) -> Arrivals:
        """Read `text` back; raise `StoreError` when it is damaged."""
        try:
            return unpack(base64.b64decode(text, validate=True)) if text else cls()
        except binascii.Error as error:
            raise StoreError(f"an event block is damaged: {error}") from None


@final
class Columns:
    """Tells pydantic how arrivals stand in JSON. Read late: the domain imports none of it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Take the text, or values that are arrivals already."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _taken, json_schema_input_schema=core_schema.str_schema()
        )


def pack(arrivals: Sequence[Arrival]) -> bytes:
    """Return the block of these arrivals."""
    import numpy as np

    count = len(arrivals)
    times = np.fromiter((a.at_ns for a in arrivals), np.int64, count)
    offsets = np.fromiter((a.text_end for a in arrivals), np.int64, count)
    spreads = np.fromiter((a.spread_ns for a in arrivals), np.int64, count)
    kinds = np.fromiter((_CODES[a.kind] for a in arrivals), np.uint8, count)
    columns = (times, offsets, spreads)
    body = b"".join(_differences(column) for column in columns) + kinds.tobytes()
    return _HEAD.pack(FORMAT, count) + zlib.compress(body, _LEVEL)


def unpack(block: bytes) -> Arrivals:
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
    times, offsets, spreads = (
        _integers(body[8 * count * place : 8 * count * (place + 1)], count) for place in range(3)
    )
    codes = body[24 * count :]
    if any(code >= len(KINDS) for code in codes):
        raise StoreError("an event block is damaged: it holds an event kind that does not exist")
    if any(not 0 <= offset < 1 << 32 for offset in offsets):
        raise StoreError("an event block is damaged: it holds a text longer than can be")
    return Arrivals(
        Arrival(at_ns, KINDS[code], text_end, spread_ns)
        for at_ns, code, text_end, spread_ns in zip(times, codes, offsets, spreads, strict=True)
    )


def _taken(value: Any) -> Arrivals:
    if isinstance(value, str):
        try:
            return Arrivals.read(value)
        except StoreError as error:
            raise ValueError(str(error)) from None
    if isinstance(value, Sequence) and all(isinstance(each, Arrival) for each in value):
        return Arrivals.of(value)
    raise ValueError("arrivals are one text of packed columns")


def _differences(column: NDArray[Any]) -> bytes:
    import numpy as np

    steps = column.astype("<u8")
    steps[1:] -= steps[:-1].copy()
    return steps.view(np.uint8).reshape(-1, 8).T.tobytes()


def _integers(body: bytes, count: int) -> list[int]:
    import numpy as np

    grouped = np.frombuffer(body, np.uint8).reshape(8, count)
    steps = np.ascontiguousarray(grouped.T).view("<u8").ravel()
    found: list[int] = np.cumsum(steps, dtype=np.uint64).view(np.int64).tolist()
    return found
