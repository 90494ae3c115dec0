"""When an open load is hopeless: requests pile up, and wait longer and longer.

Growth is tested on the steps between equal stretches of time, never by a line through the level: a
backlog is a sum, and a line through one finds a trend in pure chance (C. Granger and P. Newbold, J.
Econometrics 2 (1974) 111-120). Not aware of clocks or sockets.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from steelyard.stats.means import mean, variance
from steelyard.stats.special import t_quantile

_STRETCHES: Final = 16
_SETTLING: Final = 0.25  # of the time: servers fill, first answers come
_HOPELESS: Final = 0.999
_DOUBLED: Final = 2.0
_PER_STRETCH: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Oversaturation:
    """Whether an open load is hopeless, and why it is or is not called so."""

    hopeless: bool
    reason: str


def oversaturated(
    in_flight: Sequence[tuple[float, float]], ttft: Sequence[tuple[float, float]]
) -> Oversaturation:
    """Say whether an open load can be ended early: requests pile up, and wait longer and longer.

    Both are series of (moment in s, value) in order of time: requests in flight at regular looks,
    TTFT by when the request was sent. Hopeless takes both to rise beyond chance (one in a
    thousand each, so that many looks may be taken) and to have doubled since the load settled.
    """
    for name, series in (("requests in flight", in_flight), ("TTFT", ttft)):
        levels = _levels(series)
        if levels is None:
            return Oversaturation(False, f"too few values of {name} yet")
        first, last = levels[0], levels[-1]
        if last < _DOUBLED * first or last <= first:
            return Oversaturation(False, f"{name} did not double: {first:.3g} to {last:.3g}")
        steps = [after - before for before, after in pairwise(levels)]
        needed = t_quantile(_HOPELESS, len(steps) - 1)
        spread = math.sqrt(variance(steps) / len(steps))
        if mean(steps) <= needed * spread:
            return Oversaturation(False, f"{name} may have risen by chance")
    flights = _levels(in_flight) or [0.0]
    waits = _levels(ttft) or [0.0]
    return Oversaturation(
        True,
        f"requests in flight rose from {flights[0]:.3g} to {flights[-1]:.3g} and TTFT from "
        f"{waits[0]:.3g} s to {waits[-1]:.3g} s: more is sent than is served",
    )


def _levels(series: Sequence[tuple[float, float]]) -> list[float] | None:
    """Return the mean of each equal stretch of time after settling; None where one is empty."""
    if len(series) < _PER_STRETCH * _STRETCHES:
        return None
    times = [at_s for at_s, _ in series]
    begin = times[0] + _SETTLING * (times[-1] - times[0])
    length = (times[-1] - begin) / _STRETCHES
    places = [bisect_left(times, begin + i * length) for i in range(_STRETCHES)]
    places.append(len(times))
    if any(after <= before for before, after in pairwise(places)):
        return None
    return [
        mean([value for _, value in series[before:after]]) for before, after in pairwise(places)
    ]
