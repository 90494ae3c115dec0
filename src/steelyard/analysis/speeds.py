"""Speeds of one variant: attempts pooled over repeats, with their circumstances and intervals.

Each workload shape shows the metrics that it was made for. Requests of one server start resemble
each other, so the interval takes a start for a cluster (its design effect, Student's t). Depth is
meant as llama-bench means it: tokens in the context before what is timed; a `depth` workload of
up to 64 tokens stands for an empty one. Not aware of variants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.drift import Drift
from steelyard.analysis.metrics.latency import ATTEMPT_METRICS
from steelyard.analysis.metrics.load import SECTION_METRICS, completed
from steelyard.analysis.metrics.registry import AnyMetric
from steelyard.analysis.ratings import rate
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate, Speed
from steelyard.domain.workload import Shape, Workload
from steelyard.stats.clusters import design_effect
from steelyard.stats.means import mean, mean_estimate, variance
from steelyard.stats.special import t_quantile

_SHALLOW_TOKENS: Final = 64
_PAIR: Final = 2

_SHOWN: Final[Mapping[Shape, tuple[str, ...]]] = {
    "interactive": (
        *("ttft_s", "output_tps", "prompt_tps", "e2e_s"),
        *("itl_p50_s", "itl_p99_s", "latency_cv"),
    ),
    "depth": ("output_tps", "ttft_s", "prompt_tps"),
    "concurrency": ("system_tps", "output_tps", "ttft_s"),
    "documents": ("documents_per_hour", "slowdown_share"),
    "canary": (),
}
_OF_ATTEMPT: Final = {metric.name: metric for metric in ATTEMPT_METRICS}
_OF_SECTION: Final = {metric.name: metric for metric in SECTION_METRICS}
# What a drift of the machine's speed scales: rates one way, durations the other.
_RATES: Final = frozenset({"tok/s", "1/h"})
_DURATIONS: Final = frozenset({"s"})


@final
@dataclass(frozen=True, slots=True)
class Context:
    """What pooling needs beside the runs: the drift to take out, and the bands that hold here."""

    drift: Drift
    rated: Mapping[str, AnyMetric]
    confidence: float = 0.95


def speeds(
    workloads: Sequence[Workload], runs: Sequence[RunRecord], context: Context
) -> tuple[Speed, ...]:
    """Return every speed of a variant, those at an empty context first."""
    ordered = sorted(workloads, key=lambda load: (load.shape != "depth", depth_tokens(load)))
    return tuple(
        _speed(name, load, runs, context) for load in ordered for name in _SHOWN[load.shape]
    )


def depth_tokens(load: Workload) -> int:
    """Return how many tokens stand in the context before what is timed."""
    deep = load.shape == "depth" and load.prompt_tokens > _SHALLOW_TOKENS
    return load.prompt_tokens if deep else 0


def headline(workloads: Sequence[Workload]) -> Workload | None:
    """Return the workload at which latency gates hold: the first interactive, else the first."""
    interactive = (load for load in workloads if load.shape == "interactive")
    return next(interactive, workloads[0] if workloads else None)


def attempt_estimate(
    name: str, load: Workload, runs: Sequence[RunRecord], context: Context
) -> Estimate:
    """Estimate the mean of an attempt's metric over all runs of a workload."""
    metric = _OF_ATTEMPT[name]
    values: list[float] = []
    starts: list[str] = []
    reasons: list[Missing] = []
    for run in runs:
        for section in _sections(run, load):
            for attempt in completed(section):
                reading = metric.formula(attempt)
                if isinstance(reading, Missing):
                    reasons.append(reading)
                    continue
                values.append(reading.value * _scale(metric, context.drift, attempt.sent_ns))
                starts.append(run.id)
    if not values:
        return _nothing(reasons)
    return clustered_mean(values, starts, context.confidence)


def clustered_mean(
    values: Sequence[float], clusters: Sequence[str], confidence: float = 0.95
) -> Estimate:
    """Estimate a mean whose samples hang together by cluster; one cluster alone counts as free."""
    n = len(values)
    if n < _PAIR or len(set(clusters)) == 1:
        return mean_estimate(values, confidence)
    effective = n / design_effect(values, clusters)
    spread = math.sqrt(variance(values) / effective)
    half = t_quantile(0.5 + confidence / 2, max(1.0, effective - 1)) * spread
    centre = mean(values)
    return Estimate(
        Measured(centre, "derived"),
        Measured(centre - half, "derived"),
        Measured(centre + half, "derived"),
        n,
    )


def latencies_s(load: Workload | None, runs: Sequence[RunRecord]) -> tuple[float, ...]:
    """Return the whole-request times of one workload's requests."""
    if load is None:
        return ()
    attempts = (a for run in runs for s in _sections(run, load) for a in completed(s))
    found = (value_of(_OF_ATTEMPT["e2e_s"].formula(attempt)) for attempt in attempts)
    return tuple(value for value in found if value is not None)


def _speed(name: str, load: Workload, runs: Sequence[RunRecord], context: Context) -> Speed:
    if name in _OF_ATTEMPT:
        metric: Metric[Attempt] | Metric[Section] = _OF_ATTEMPT[name]
        estimate = attempt_estimate(name, load, runs, context)
    else:
        metric = _OF_SECTION[name]
        estimate = _section_estimate(_OF_SECTION[name], load, runs, context)
    value = value_of(estimate.value)
    return Speed(
        metric=name,
        unit=metric.unit,
        estimate=estimate,
        prompt_tokens=load.prompt_tokens,
        depth_tokens=depth_tokens(load),
        cached_tokens=_cached(load, runs),
        streams=load.streams,
        rating=None if value is None else rate(context.rated, name, value),
    )


def _section_estimate(
    metric: Metric[Section], load: Workload, runs: Sequence[RunRecord], context: Context
) -> Estimate:
    values: list[float] = []
    reasons: list[Missing] = []
    for run in runs:
        for section in _sections(run, load):
            reading = metric.formula(section)
            if isinstance(reading, Missing):
                reasons.append(reading)
            else:
                values.append(reading.value * _scale(metric, context.drift, section.started_ns))
    return mean_estimate(values, context.confidence) if values else _nothing(reasons)


def _scale(metric: Metric[Attempt] | Metric[Section], drift: Drift, at_ns: int) -> float:
    if metric.unit in _RATES:
        return drift.factor(at_ns)
    return 1 / drift.factor(at_ns) if metric.unit in _DURATIONS else 1.0


def _sections(run: RunRecord, load: Workload) -> tuple[Section, ...]:
    return tuple(s for s in run.sections if s.kind == "workload" and s.name == load.name)


def _cached(load: Workload, runs: Sequence[RunRecord]) -> Reading[int]:
    """Return the most prompt tokens that any request took from a cache, by the engine's word."""
    found = [
        a.timings.value.cached_tokens if isinstance(a.timings, Measured) else a.timings
        for run in runs
        for section in _sections(run, load)
        for a in completed(section)
    ]
    known = [reading.value for reading in found if isinstance(reading, Measured)]
    if len(known) < len(found):
        return next(reading for reading in found if isinstance(reading, Missing))
    if not known:
        return Missing("no_requests", "no request was answered whole")
    return Measured(max(known), "engine")


def _nothing(reasons: Sequence[Missing]) -> Estimate:
    why = reasons[0] if reasons else Missing("no_requests", "no request was answered whole")
    return Estimate(why, why, why, 0)


def speed_of(metric: Callable[[Attempt], Reading[float]], run: RunRecord) -> Reading[float]:
    """Return the mean of a metric over all attempts of a run: one number for one sentinel."""
    readings = [metric(a) for s in run.sections for a in completed(s)]
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    if not values:
        return Missing("no_requests", "no request was answered whole")
    return Measured(mean(values), "derived")
