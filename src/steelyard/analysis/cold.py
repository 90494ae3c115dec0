"""From single starts to what a cold start costs.

A handful of starts has a median and a range. The range of six values bounds the median at 95 %
(`stats.quantiles`), that of fewer does not, and then there is no interval. Ratios are those of
pairs: a first request and the later ones of the same start, a cold start and the warm one beside
it (`stats.interleaved.compare`: Student's t on their logarithms). Not aware of servers.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from steelyard.domain.cold import Cache, OneStart, Side, Spread
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import Estimate
from steelyard.stats.interleaved import compare
from steelyard.stats.means import mean_estimate
from steelyard.stats.quantiles import quantile_estimate

_BYTES_PER_MB: Final = 1e6
_NO_PAIR: Final = Missing("no_pairs", "no start has both")


def side(cache: Cache, starts: Sequence[OneStart]) -> Reading[Side]:
    """Return what all starts of one kind say, or why none of them came up."""
    mine = [start for start in starts if start.cache == cache]
    up = [start for start in mine if not start.failed]
    if not up:
        why = mine[0].failed if mine else "no such start was made"
        return Missing("no_starts", why)
    firsts = [(s.warm_s, s.first_s) for s in up]
    return Measured(
        Side(
            cache=cache,
            starts=len(up),
            cached=spread(s.cached for s in up),
            port_s=spread(s.port_s for s in up),
            ready_s=spread(s.ready_s for s in up),
            read_bytes=spread(_as_float(s.read_bytes) for s in up),
            read_mb_per_s=spread(map(_rate, up)),
            fetched_bytes=spread(_as_float(s.fetched_bytes) for s in up),
            first_s=spread(s.first_s for s in up),
            warm_s=spread(s.warm_s for s in up),
            whole_s=spread(_with(s.ready_s, s.first_s, float.__add__) for s in up),
            engine_load_s=spread(s.engine_load_s for s in up),
            first_over_warm=ratio(firsts),
            extra_s=_mean(_with(first, warm, float.__sub__) for warm, first in firsts),
        ),
        "derived",
    )


def cold_over_warm(starts: Sequence[OneStart]) -> Estimate:
    """Return the ratio of the times until ready, the n-th cold start with the n-th warm one."""
    up = [start for start in starts if not start.failed]
    cold = [start.ready_s for start in up if start.cache == "cold"]
    warm = [start.ready_s for start in up if start.cache == "warm"]
    return ratio(list(zip(warm, cold, strict=False)))


def ratio(pairs: Iterable[tuple[Reading[float], Reading[float]]]) -> Estimate:
    """Return second / first over the pairs that have both."""
    both = [
        (a, b)
        for first, second in pairs
        if (a := value_of(first)) is not None and (b := value_of(second)) is not None
    ]
    if not both:
        return Estimate(_NO_PAIR, _NO_PAIR, _NO_PAIR, 0)
    return compare(both).ratio


def spread(readings: Iterable[Reading[float]]) -> Spread:
    """Return the median and the range of what was read; where nothing was, the first reason."""
    every = list(readings)
    values = [reading.value for reading in every if isinstance(reading, Measured)]
    if not values:
        why = next((r for r in every if isinstance(r, Missing)), Missing("no_starts"))
        return Spread(why, why, why, why, why, 0)
    bounds = quantile_estimate(values, 0.5)
    return Spread(
        median=Measured(statistics.median(values), "derived"),
        lowest=Measured(min(values), "derived"),
        highest=Measured(max(values), "derived"),
        low=bounds.low,
        high=bounds.high,
        n=len(values),
    )


def _mean(readings: Iterable[Reading[float]]) -> Estimate:
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    return mean_estimate(values) if values else Estimate(_NO_PAIR, _NO_PAIR, _NO_PAIR, 0)


def _rate(start: OneStart) -> Reading[float]:
    """Return the bytes fetched from storage until ready over the time until ready, in MB/s."""
    megabytes = _as_float(start.read_bytes)
    if isinstance(megabytes, Missing):
        return megabytes
    if megabytes.value == 0:
        return Missing("nothing_read", "nothing was fetched from storage")
    return _with(
        Measured(megabytes.value / _BYTES_PER_MB, "derived"), start.ready_s, float.__truediv__
    )


def _with(
    a: Reading[float], b: Reading[float], formula: Callable[[float, float], float]
) -> Reading[float]:
    if isinstance(a, Missing):
        return a
    if isinstance(b, Missing):
        return b
    return Measured(formula(float(a.value), float(b.value)), "derived")


def _as_float(reading: Reading[int]) -> Reading[float]:
    return reading if isinstance(reading, Missing) else Measured(float(reading.value), "client")
