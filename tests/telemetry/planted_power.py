"""A source of power whose waveform is known, with the faults that real sensors have."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from steelyard.domain.reading import Measured, Reading
from steelyard.domain.serverside import PowerKind, PowerSeries
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry.power import Joules, Power, Watts

_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Waveform:
    """Power that is `watts[i]` from `edges_ns[i]` to the next edge, and `watts[-1]` after."""

    edges_ns: tuple[int, ...]
    watts: tuple[float, ...]

    def at(self, now_ns: int) -> float:
        """Return the power at a moment."""
        return self.watts[max(0, bisect_right(self.edges_ns, now_ns) - 1)]

    def energy_j(self, start_ns: int, end_ns: int) -> float:
        """Return the exact energy of a span."""
        inside = [edge for edge in self.edges_ns if start_ns < edge < end_ns]
        moments = [start_ns, *inside, end_ns]
        return sum(self.at(a) * (b - a) for a, b in pairwise(moments)) / _NS_PER_S


@final
@dataclass(frozen=True, slots=True)
class Faults:
    """What real sensors do.

    They refresh `rate_hz` times a second, each time early or late by up to `jitter` of that, lose
    their count at `reset_ns`, and stamp by a clock that is `clock_ahead_ns` ahead of ours.
    """

    rate_hz: float = 10.0
    jitter: float = 0.0
    reset_ns: int | None = None
    clock_ahead_ns: int = 0


@final
class Scripted:
    """A source with a known waveform; `clock` says when it is looked at."""

    name: Final = "scripted"

    def __init__(
        self,
        waveform: Waveform,
        kind: PowerKind,
        faults: Faults,
        *,
        clock: Callable[[], int] = monotonic_ns,
        seed: int = 0,
    ) -> None:
        self._waveform, self._kind, self._faults = waveform, kind, faults
        self._clock, self._random = clock, random.Random(seed)
        self._origin_ns = self._refreshed_ns = clock()
        self._next_ns = self._after(self._origin_ns)

    def read(self) -> Reading[Power]:
        """Return what the sensor showed when it last refreshed itself."""
        now_ns = self._clock()
        while self._next_ns <= now_ns:
            self._refresh()
        return Measured(self._power(self._refreshed_ns), "client")

    def series(self, end_ns: int) -> PowerSeries:
        """Return every refresh until `end_ns`, stamped by the sensor's own clock."""
        moments = [self._refreshed_ns]
        while self._next_ns <= end_ns:
            self._refresh()
            moments.append(self._refreshed_ns)
        return PowerSeries(
            source=self.name,
            kind=self._kind,
            at_ns=tuple(moment + self._faults.clock_ahead_ns for moment in moments),
            values=tuple(_value(self._power(moment)) for moment in moments),
        )

    def _refresh(self) -> None:
        self._refreshed_ns, self._next_ns = self._next_ns, self._after(self._next_ns)

    def _after(self, moment_ns: int) -> int:
        wobble = self._random.uniform(-self._faults.jitter, self._faults.jitter)
        return moment_ns + max(1, int(_NS_PER_S / self._faults.rate_hz * (1 + wobble)))

    def _power(self, moment_ns: int) -> Power:
        if self._kind == "watts":
            return Watts(self._waveform.at(moment_ns))
        reset_ns = self._faults.reset_ns
        lost = reset_ns is not None and moment_ns >= reset_ns
        since_ns = reset_ns if lost and reset_ns is not None else self._origin_ns
        return Joules(self._waveform.energy_j(since_ns, moment_ns))


def _value(power: Power) -> float:
    return power.value_j if isinstance(power, Joules) else power.value_w
