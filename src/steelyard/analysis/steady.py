"""Where a load is steady: the warm-up before, the cool-down after, and what still drifts between.

A closed loop is steady while it holds the concurrency that was asked for; an open one while
requests are still being sent. Within that, values that have not settled yet (cold caches, clocks
that rise) are cut off. Not aware of what the values are, nor of engines. Sources: MSER-5, K. P.
White, Simulation 69 (1997) 323-334; the CUSUM test of one change, E. S. Page, Biometrika 42 (1955)
523-527, on the batch means of ranks, its p by permutation.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.stats.series import long_run_error, ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[Any]

# A concurrency counts as held from this share of what was asked for.
HELD: Final = 0.9
# Below this many finished requests nothing is said about a steady state.
REQUESTS_MIN: Final = 50
TREND_LEVEL: Final = 0.01
_BATCH: Final = 5
_TREND_BATCHES: Final = 20
_SHUFFLES: Final = 1999
# Standard errors by which a beginning must differ from the rest before it is cut.
_APART: Final = 3.0
_MATTERS: Final = 0.02


@final
@dataclass(frozen=True, slots=True)
class Trend:
    """The likeliest single change: when, by what share the median moved, and p of "there is none".

    A drift shows as a change in its middle.
    """

    at_s: float
    change: float
    p_value: float

    @property
    def shows(self) -> bool:
        """Whether the values moved by more than chance explains."""
        return self.p_value <= TREND_LEVEL


@final
@dataclass(frozen=True, slots=True)
class SteadyWindow:
    """The steady part; a request belongs to it if it was sent from `start_s` on, before `end_s`.

    To leave out those that were still in flight at the end would be to leave out the long ones.
    `warmup` and `cooldown` count the requests that were sent before and after.
    """

    start_s: float
    end_s: float
    warmup: int
    cooldown: int
    reason: str
    trend: Reading[Trend]

    def holds(self, sent_s: float) -> bool:
        """Whether a request that was sent then belongs to the steady part."""
        return self.start_s <= sent_s < self.end_s


def steady_window(
    starts_s: Sequence[float],
    ends_s: Sequence[float],
    values: Sequence[Reading[float]],
    streams: int | None,
    seed: int = 0,
) -> Reading[SteadyWindow]:
    """Find the steady part of a load from each request's start, end and value.

    `streams` is the concurrency that a closed loop was asked for, None for an open one. Requests
    that failed load the engine too: theirs belong among the times, with a Missing value.
    """
    if len(ends_s) < REQUESTS_MIN:
        return Missing(
            "too_few_requests",
            f"a steady state takes {REQUESTS_MIN} requests; there are {len(ends_s)}",
        )
    held = _sending(starts_s) if streams is None else _held(starts_s, ends_s, streams)
    if isinstance(held, Missing):
        return held
    begin_s, end_s, why = held
    series = sorted(
        (sent_s, value.value)
        for sent_s, value in zip(starts_s, values, strict=True)
        if isinstance(value, Measured) and begin_s <= sent_s < end_s
    )
    if len(series) < REQUESTS_MIN:
        return Missing(
            "no_steady_state",
            f"no more than {counted(len(series), 'request')} sent while {why}: let it run longer",
        )
    cut = unsettled([value for _, value in series])
    if isinstance(cut, Missing):
        return cut
    if cut:
        begin_s = series[cut][0]
        why = f"{why}, after {counted(cut, 'request')} that had not settled"
    sent = sorted(starts_s)
    return Measured(
        SteadyWindow(
            begin_s,
            end_s,
            warmup=bisect_left(sent, begin_s),
            cooldown=len(sent) - bisect_left(sent, end_s),
            reason=why,
            trend=trend(series[cut:], seed),
        ),
        "derived",
    )


def unsettled(values: Sequence[float]) -> int | Missing:
    """Return how many values at the beginning are of another level than the rest (MSER-5).

    At most half of them may be; a level that is found only later, or never, is no steady state.
    """
    import numpy as np

    count = len(values) // _BATCH
    means = np.reshape(np.asarray(values[: count * _BATCH], dtype=float), (count, _BATCH)).mean(1)
    left = np.arange(count, 0, -1)
    tails = np.cumsum(means[::-1])[::-1] / left
    squares = np.maximum(np.cumsum((means**2)[::-1])[::-1] / left - tails**2, 0.0)
    # The last few batches always look steady: there is nothing left in them to vary.
    judged = count - max(_BATCH, count // 10)
    best = int(np.argmin((squares / left)[:judged]))
    if best == 0 or not _apart(values[: best * _BATCH], values[best * _BATCH :]):
        return 0
    if best > count // 2:
        return Missing(
            "no_steady_state",
            f"the values settle only after {best * _BATCH} of {len(values)}, if at all",
        )
    return best * _BATCH


def trend(series: Sequence[tuple[float, float]], seed: int = 0) -> Reading[Trend]:
    """Test whether values (each with its time, in order) keep one level all along."""
    import numpy as np

    size = len(series) // _TREND_BATCHES
    if size < _BATCH:
        takes = _BATCH * _TREND_BATCHES
        return Missing("too_few_samples", f"a trend takes {takes} values; there are {len(series)}")
    values = np.array([value for _, value in series])
    means = ranks(values)[: size * _TREND_BATCHES].reshape(_TREND_BATCHES, size).mean(axis=1)
    sums = np.cumsum(means - means.mean())[:-1]
    source = np.random.default_rng(seed)
    shuffled = source.permuted(np.tile(means, (_SHUFFLES, 1)), axis=1)
    chance = np.abs(np.cumsum(shuffled - means.mean(), axis=1)[:, :-1]).max(axis=1)
    highest = float(np.abs(sums).max())
    at = (int(np.argmax(np.abs(sums))) + 1) * size
    before, after = float(np.median(values[:at])), float(np.median(values[at:]))
    if before == 0:
        return Missing("zero_level", "a change from a level of zero has no share")
    p_value = (1 + int((chance >= highest - 1e-9).sum())) / (1 + _SHUFFLES)
    return Measured(Trend(series[at][0], after / before - 1, p_value), "derived")


def _sending(starts_s: Sequence[float]) -> tuple[float, float, str]:
    # The last one ends the sending and is part of it.
    return min(starts_s), math.nextafter(max(starts_s), math.inf), "requests were being sent"


def _held(
    starts_s: Sequence[float], ends_s: Sequence[float], streams: int
) -> tuple[float, float, str] | Missing:
    """Return from when until when the concurrency was held, which may dip in between.

    The edges are where it reaches its usual height first and last: at the share that counts as
    held, an even ramp would be taken in a tenth too early.
    """
    # One that follows on another in the same instant is not in flight beside it.
    changes = sorted([(s, 1) for s in starts_s] + [(s, -1) for s in ends_s])
    moments: list[float] = []
    flying: list[int] = []
    now = 0
    for at_s, change in changes:
        now += change
        moments.append(at_s)
        flying.append(now)
    needed = math.ceil(HELD * streams)
    if max(flying) < needed:
        return Missing(
            "concurrency_not_reached",
            f"{streams} requests were to be in flight; there were at most {max(flying)}",
        )
    usual = _usual(moments, flying, needed)
    up = next(place for place, height in enumerate(flying) if height >= usual)
    down = next(place for place in reversed(range(len(flying))) if flying[place] >= usual)
    why = f"at least {usual} of {streams} requests were in flight"
    return moments[up], moments[down + 1], why


def _usual(moments: Sequence[float], flying: Sequence[int], needed: int) -> int:
    """Return the median height, by time, of all that counts as held."""
    spans: dict[int, float] = {}
    for place, height in enumerate(flying[:-1]):
        if height >= needed:
            spans[height] = spans.get(height, 0.0) + moments[place + 1] - moments[place]
    heights = sorted(spans)
    reached = 0.0
    whole = math.fsum(spans.values())
    for height in heights:
        reached += spans[height]
        if reached >= whole / 2:
            return height
    return needed


def _apart(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether the beginning's mean lies outside what the rest's own variation explains.

    A difference too small to matter to anybody is none, however surely it is there.
    """
    import numpy as np

    level = float(np.mean(after))
    away = abs(float(np.mean(before)) - level)
    if away <= _MATTERS * abs(level):
        return False
    share = 1 + len(after) / len(before)
    return away > _APART * long_run_error(after) * math.sqrt(share)
