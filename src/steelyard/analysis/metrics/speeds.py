"""Speeds of one variant: each metric, pooled over the repeats of a workload, with its interval.

The circumstances without which a speed says nothing stand beside it.

From six requests on, the centre is the median with its order-statistic interval; below that, a
median is refused, so it is the mean with Student's. Percentiles of gaps are bootstrapped by whole
requests, since gaps of one request resemble each other. Not aware of variants or drift: a factor
per section brings speeds to a common machine state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, final

from steelyard.analysis import timing
from steelyard.analysis.metrics.latency import ATTEMPT_METRICS
from steelyard.analysis.metrics.load import SECTION_METRICS, completed, shape
from steelyard.analysis.metrics.registry import METRICS, AnyMetric
from steelyard.domain.counts import counted
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate, Speed
from steelyard.stats.means import bootstrap, mean_estimate
from steelyard.stats.quantiles import quantile, quantile_estimate, sample_floor

_NAME: Final = re.compile(r"(?P<shape>\w+)/p(?P<prompt>\d+)")
# The shortest prompt that a chat can have; no depth to speak of.
_NO_DEPTH_TOKENS: Final = 64
_DRAWS: Final = 200
_GAP_QUANTILES: Final = {"itl_p50_s": 0.5, "itl_p95_s": 0.95, "itl_p99_s": 0.99}
_RATES: Final = frozenset({"tok/s", "1/h"})
_BESIDE_THE_POINT: Final = frozenset({"not_applicable", "lengths_differ"})


@final
@dataclass(frozen=True, slots=True)
class _Pool:
    """The repeats of one workload, and what their speeds are multiplied with."""

    sections: tuple[Section, ...]
    factors: tuple[float, ...]

    @property
    def attempts(self) -> tuple[tuple[Attempt, float], ...]:
        return tuple(
            (attempt, factor)
            for section, factor in zip(self.sections, self.factors, strict=True)
            for attempt in completed(section)
        )


def speeds(
    sections: Sequence[Section],
    factors: Sequence[float] | None = None,
    metrics: Mapping[str, AnyMetric] = METRICS,
) -> tuple[Speed, ...]:
    """Return every speed of one variant, from its workload sections over all repeats.

    `factors` multiply the rates of a section (and divide its durations), one for each section;
    `metrics` brings the bands that hold here. A metric without any value is there with its reason.
    """
    by_name: dict[str, list[tuple[Section, float]]] = {}
    for section, factor in zip(sections, factors or [1.0] * len(sections), strict=True):
        if section.kind == "workload":
            by_name.setdefault(section.name, []).append((section, factor))
    pools = [_Pool(tuple(s for s, _ in p), tuple(f for _, f in p)) for p in by_name.values()]
    return tuple(speed for pool in pools for speed in _of_pool(pool, metrics))


def centre(values: Sequence[float]) -> Estimate:
    """Estimate the middle of values: the median where its floor allows, the mean below.

    Where no value is below zero, the mean's interval ends there: Student's may reach beyond.
    """
    if len(values) >= sample_floor(0.5):
        return quantile_estimate(values, 0.5)
    found = mean_estimate(values)
    if values and min(values) >= 0 and isinstance(found.low, Measured) and found.low.value < 0:
        return replace(found, low=Measured(0.0, found.low.source))
    return found


def _of_pool(pool: _Pool, metrics: Mapping[str, AnyMetric]) -> Iterator[Speed]:
    for each in ATTEMPT_METRICS:
        readings = [(each.formula(attempt), factor) for attempt, factor in pool.attempts]
        yield _speed(pool, each, _pooled(each, readings), metrics)
    for metric in SECTION_METRICS:
        if metric.better == "neither":
            continue
        if metric.name in _GAP_QUANTILES:
            yield _speed(pool, metric, _gaps(pool, _GAP_QUANTILES[metric.name]), metrics)
            continue
        found = [(metric.formula(s), f) for s, f in zip(pool.sections, pool.factors, strict=True)]
        if not all(isinstance(r, Missing) and r.code in _BESIDE_THE_POINT for r, _ in found):
            yield _speed(pool, metric, _pooled(metric, found), metrics)


def _pooled(
    metric: Metric[Attempt] | Metric[Section], readings: Sequence[tuple[Reading[float], float]]
) -> Estimate:
    values = [
        _at_common_state(metric, reading.value, factor)
        for reading, factor in readings
        if isinstance(reading, Measured)
    ]
    if values:
        return centre(values)
    none = next((reading for reading, _ in readings if isinstance(reading, Missing)), None)
    why = none or Missing("no_requests", "no request was answered whole")
    return Estimate(why, why, why, 0)


def _at_common_state(
    metric: Metric[Attempt] | Metric[Section], value: float, factor: float
) -> float:
    if metric.unit in _RATES:
        return value * factor
    return value / factor if metric.unit == "s" else value


def _gaps(pool: _Pool, q: float) -> Estimate:
    groups = [[gap / factor for gap in timing.gaps_s(a)] for a, factor in pool.attempts]
    groups = [group for group in groups if group]
    gaps = [gap for group in groups for gap in group]
    estimate = quantile_estimate(gaps, q)
    if isinstance(estimate.value, Missing):
        return estimate
    if len(groups) < sample_floor(0.5):
        few = Missing(
            "too_few_samples", f"{counted(len(groups), 'request')}: too few for an interval"
        )
        return Estimate(estimate.value, few, few, len(gaps))
    low, high = bootstrap(groups, partial(quantile, q=q), seed=0, draws=_DRAWS)
    return Estimate(estimate.value, Measured(low, "derived"), Measured(high, "derived"), len(gaps))


def _speed(
    pool: _Pool,
    metric: Metric[Attempt] | Metric[Section],
    estimate: Estimate,
    metrics: Mapping[str, AnyMetric],
) -> Speed:
    first = pool.sections[0]
    prompt = _prompt_tokens(first, pool)
    deep = shape(first) == "depth" and prompt > _NO_DEPTH_TOKENS
    value = estimate.value
    return Speed(
        metric=metric.name,
        unit=metric.unit,
        estimate=estimate,
        prompt_tokens=prompt,
        depth_tokens=prompt if deep else 0,
        cached_tokens=_cached(pool),
        streams=first.streams,
        rating=metrics[metric.name].band(value.value) if isinstance(value, Measured) else None,
    )


def _prompt_tokens(section: Section, pool: _Pool) -> int:
    """Return the prompt length asked for; the engine's own count where the name states none.

    What was asked for is the same for every variant and repeat, so that columns line up; that it
    was met is the prompt makers' promise and the token count's check.
    """
    named = _NAME.match(section.name)
    wanted = int(named["prompt"]) if named else 0
    if wanted:
        return wanted
    counts = [
        a.usage.value.prompt_tokens for a, _ in pool.attempts if isinstance(a.usage, Measured)
    ]
    return round(quantile(counts, 0.5)) if counts else 0


def _cached(pool: _Pool) -> Reading[int]:
    """Return the most tokens that any request took from a cache, by the engine's word."""
    found = [_cached_of(attempt) for attempt, _ in pool.attempts]
    counts = [reading.value for reading in found if isinstance(reading, Measured)]
    if counts:
        return Measured(max(counts), "engine")
    return Missing("not_reported", "the engine does not say what came from its cache")


def _cached_of(attempt: Attempt) -> Reading[int]:
    if isinstance(attempt.timings, Measured):
        return attempt.timings.value.cached_tokens
    if isinstance(attempt.usage, Measured):
        return attempt.usage.value.cached_tokens
    return attempt.usage
