"""What to send when, as a pure machine: events in, instructions out.

At most `streams` requests are in flight; a finished one makes room for the next, or, where they go
in waves, the last one of a wave makes room for the whole next one. A job may carry
the moment at which the load shape wants it sent; it is never sent earlier, and the wanted moment
is kept beside the real one. Closed and open loops, ramps, traces and caps are all made of these.
Not aware of sockets, clocks or bytes.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias, assert_never, final


@final
@dataclass(frozen=True, slots=True)
class JobAdded:
    """A request is there to be sent; `at_ns` is when, or None for as soon as there is room."""

    id: str
    at_ns: int | None = None


@final
@dataclass(frozen=True, slots=True)
class StreamsSet:
    """From a moment on (None: from now on) this many requests may be in flight at once.

    In `waves` none is begun while an earlier one is still out.
    """

    streams: int
    at_ns: int | None = None
    waves: bool = False


@final
@dataclass(frozen=True, slots=True)
class LastCalled:
    """From this moment on nothing is begun any more, until streams are set anew."""

    at_ns: int


@final
@dataclass(frozen=True, slots=True)
class Recalled:
    """What waits here is wanted back, to be sent by somebody else."""


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """A request in flight came to its end, good or bad."""


@final
@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed: something may be due."""


@final
@dataclass(frozen=True, slots=True)
class NoMoreJobs:
    """Nothing will be added any more."""


Event: TypeAlias = JobAdded | StreamsSet | LastCalled | Recalled | Finished | Woke | NoMoreJobs


@final
@dataclass(frozen=True, slots=True)
class Send:
    """Send this one now; `intended_ns` is when it should have gone out."""

    id: str
    intended_ns: int


@final
@dataclass(frozen=True, slots=True)
class Drop:
    """This one is not sent: the last call came before its turn."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class Return:
    """This one is not sent here: it was wanted back."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class WakeAt:
    """Say `Woke` at this moment, if nothing else happens before."""

    at_ns: int


@final
@dataclass(frozen=True, slots=True)
class Exit:
    """All is done."""


Instruction: TypeAlias = Send | Drop | Return | WakeAt | Exit


@final
class Sending:
    """The machine. Jobs without a wanted moment go first in, first out, as room appears."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._waves = False
        self._in_flight = 0
        self._waiting: deque[str] = deque()
        self._timed: list[tuple[int, int, str]] = []
        self._levels: list[tuple[int, int, bool]] = []
        self._last_call_ns: int | None = None
        self._added = 0
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many requests are out."""
        return self._in_flight

    def handle(self, event: Event, now_ns: int) -> tuple[Instruction, ...]:
        """Take one event at the given moment; say what to do next."""
        match event:
            case JobAdded():
                self._queue(event)
            case StreamsSet(streams=streams, at_ns=at_ns, waves=waves):
                heapq.heappush(self._levels, (now_ns if at_ns is None else at_ns, streams, waves))
                self._last_call_ns = None
            case LastCalled(at_ns=at_ns):
                self._last_call_ns = at_ns
            case Recalled():
                return *(Return(job) for job in self._emptied()), *self._due(now_ns)
            case Finished():
                self._in_flight -= 1
            case Woke():
                pass
            case NoMoreJobs():
                self._closed = True
            case _:
                assert_never(event)
        return self._due(now_ns)

    def _queue(self, job: JobAdded) -> None:
        if job.at_ns is None:
            self._waiting.append(job.id)
        else:
            self._added += 1  # jobs for one moment keep their order
            heapq.heappush(self._timed, (job.at_ns, self._added, job.id))

    def _due(self, now_ns: int) -> tuple[Instruction, ...]:
        out: list[Instruction] = []
        while self._levels and self._levels[0][0] <= now_ns:
            _, self._streams, self._waves = heapq.heappop(self._levels)
        if self._last_call_ns is not None and now_ns >= self._last_call_ns:
            out += map(Drop, self._emptied())
        room = self._room()
        while self._in_flight < room:
            if self._timed and self._timed[0][0] <= now_ns:
                at_ns, _, job = heapq.heappop(self._timed)
                out.append(Send(job, at_ns))
            elif self._waiting:
                out.append(Send(self._waiting.popleft(), now_ns))
            else:
                break
            self._in_flight += 1
        if (wake_ns := self._next_ns(now_ns)) is not None:
            out.append(WakeAt(wake_ns))
        if self._closed and not (self._in_flight or self._waiting or self._timed):
            out.append(Exit())
        return tuple(out)

    def _room(self) -> int:
        """Return up to how many may be in flight now: in waves none is added to those that are."""
        return self._in_flight if self._waves and self._in_flight else self._streams

    def _emptied(self) -> list[str]:
        jobs = [*self._waiting, *(job for _, _, job in sorted(self._timed))]
        self._waiting.clear()
        self._timed.clear()
        return jobs

    def _next_ns(self, now_ns: int) -> int | None:
        """Return the next moment at which something happens by itself."""
        moments = [self._levels[0][0]] if self._levels else []
        if self._timed and self._in_flight < self._room():
            moments.append(self._timed[0][0])
        if self._last_call_ns is not None and self._last_call_ns > now_ns:
            moments.append(self._last_call_ns)
        return min(moments, default=None)
