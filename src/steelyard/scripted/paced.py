"""The pacer's truth log: one binary record an answer, a few hundred bytes, no text to make.

A record is a fixed head and the stamps of the sends, in this machine's byte order: it is read on
the machine that wrote it. What can be computed is not written: how long the body had become with
each send follows from the sizes of the first, the middle and the last event. Not aware of sockets.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from steelyard.scripted.truth import Truth

_MAGIC: Final = b"PACE"
_HEAD: Final = struct.Struct("=4s8I5q")
_DISCONNECTED: Final = 1
_BACKLOG: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Paced:
    """One answer: what was due when, and when each event was handed to the kernel.

    Event k was due at `started_ns + ttft_ns + k * gap_ns` and left at `sends_ns[k]`, stamped right
    before the send; no send took longer than `longest_send_ns`. `first_bytes`, `middle_bytes` and
    `last_bytes` are the events' sizes without HTTP framing. An answer of `tokens` that was asked
    for in one piece has one event. `disconnected`: the client left before the end; `backlog`: the
    kernel took an event late, so that its stamp is too early.
    """

    number: int
    received_ns: int
    started_ns: int
    prompt_tokens: int
    tokens: int
    ttft_ns: int
    gap_ns: int
    first_bytes: int
    middle_bytes: int
    last_bytes: int
    longest_send_ns: int
    sends_ns: array[int]
    disconnected: bool = False
    backlog: bool = False

    @property
    def lateness_ns(self) -> tuple[int, ...]:
        """Return how much later than due each event left: the pacer's own fault."""
        first_ns = self.started_ns + self.ttft_ns
        return tuple(
            at_ns - first_ns - number * self.gap_ns for number, at_ns in enumerate(self.sends_ns)
        )

    @property
    def truth(self) -> Truth:
        """Return it as the scripted engine's log has it."""
        from steelyard.scripted.truth import Truth

        count = len(self.sends_ns)
        ends = [self.first_bytes + number * self.middle_bytes for number in range(count)]
        if self.tokens > 1 and count == self.tokens:
            ends[-1] += self.last_bytes - self.middle_bytes
        faults = (("disconnected",) if self.disconnected else ()) + (
            ("backlog",) if self.backlog else ()
        )
        return Truth(
            number=self.number,
            received_ns=self.received_ns,
            started_ns=self.started_ns,
            prompt_tokens=self.prompt_tokens,
            sends_ns=tuple(self.sends_ns),
            ends=tuple(ends),
            tokens=(self.tokens,) if self.whole else (1,) * count,
            faults=faults,
        )

    @property
    def whole(self) -> bool:
        """Whether all tokens went out in one piece."""
        return self.middle_bytes == 0


def pack(paced: Paced) -> bytes:
    """Return the record."""
    flags = _DISCONNECTED * paced.disconnected | _BACKLOG * paced.backlog
    head = _HEAD.pack(
        _MAGIC,
        paced.number,
        paced.prompt_tokens,
        paced.tokens,
        paced.first_bytes,
        paced.middle_bytes,
        paced.last_bytes,
        flags,
        len(paced.sends_ns),
        paced.received_ns,
        paced.started_ns,
        paced.ttft_ns,
        paced.gap_ns,
        paced.longest_send_ns,
    )
    return head + paced.sends_ns.tobytes()


def records(path: Path) -> Iterator[Paced]:
    """Yield the answers in the order in which they ended; a record cut off by a kill ends it."""
    data, at = path.read_bytes(), 0
    while at + _HEAD.size <= len(data):
        magic, number, prompt, tokens, first, middle, last, flags, count, *times = (
            _HEAD.unpack_from(data, at)
        )
        end = at + _HEAD.size + 8 * count
        if magic != _MAGIC or end > len(data):
            return
        received_ns, started_ns, ttft_ns, gap_ns, longest_ns = times
        yield Paced(
            number=number,
            received_ns=received_ns,
            started_ns=started_ns,
            prompt_tokens=prompt,
            tokens=tokens,
            ttft_ns=ttft_ns,
            gap_ns=gap_ns,
            first_bytes=first,
            middle_bytes=middle,
            last_bytes=last,
            longest_send_ns=longest_ns,
            sends_ns=array("q", data[at + _HEAD.size : end]),
            disconnected=bool(flags & _DISCONNECTED),
            backlog=bool(flags & _BACKLOG),
        )
        at = end


def read(path: Path) -> dict[int, Truth]:
    """Return the truth by request number, as `truth.read` does for the scripted engine's log."""
    return {paced.number: paced.truth for paced in records(path)}
