"""Drift: what a sentinel cell, repeated through the campaign, says the machine itself did.

A board that heats up slows down; whoever runs last looks slow. The sentinel is one and the same
cell all along, so its series is the machine's own speed over time. Speeds are divided by it,
interpolated to their moment. That adds the sentinel's own noise, so it is done only where the
drift is larger than the noise. Not aware of heat, only of speed. Blocked random order does the
rest (`campaigns.order`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.stats.quantiles import quantile

SENTINELS_MIN: Final = 3


@final
@dataclass(frozen=True, slots=True)
class Beat:
    """One run of the sentinel: when (any unit, the same for all) and how fast."""

    at: float
    speed: float


@final
@dataclass(frozen=True, slots=True)
class Drift:
    """The sentinel's series, in time order; `share` is (fastest - slowest) / median."""

    beats: tuple[Beat, ...]
    share: Reading[float]
    corrects: bool

    def factor(self, at: float) -> float:
        """Return by what a speed measured at `at` is multiplied (a duration: divided)."""
        if not self.corrects:
            return 1.0
        middle = quantile([beat.speed for beat in self.beats], 0.5)
        return middle / _interpolated(self.beats, at)


def drift(beats: Sequence[Beat], noise: Reading[float]) -> Drift:
    """Read the series; correct only a drift above `noise` (the smallest difference that shows).

    With the noise unknown, every drift is corrected: a wrong ranking is worse than a wide one.
    """
    ordered = tuple(sorted(beats, key=lambda beat: (beat.at, beat.speed)))
    speeds = [beat.speed for beat in ordered]
    if len(ordered) < SENTINELS_MIN or min(speeds) <= 0:
        few = Missing(
            "too_few_sentinels",
            f"{len(ordered)} sentinel runs are fit to use; {SENTINELS_MIN} are needed",
        )
        return Drift(ordered, few, corrects=False)
    share = (max(speeds) - min(speeds)) / quantile(speeds, 0.5)
    limit = noise.value if isinstance(noise, Measured) else 0.0
    return Drift(ordered, Measured(share, "derived"), corrects=share > limit)


def _interpolated(beats: Sequence[Beat], at: float) -> float:
    """Return the sentinel's speed at a moment: linear between two beats, flat beyond the ends."""
    if at <= beats[0].at:
        return beats[0].speed
    for before, after in pairwise(beats):
        if at <= after.at:
            way = (at - before.at) / (after.at - before.at)
            return before.speed + way * (after.speed - before.speed)
    return beats[-1].speed
