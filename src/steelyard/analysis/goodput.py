"""Goodput: how many requests met their objectives, and which objectives the load as a whole met.

A request is good when it completed and met every limit that a single request has. A failed one is
never good, and neither is one that was never sent since the load had ended before its turn: both
count as failed. One whose time could not be measured is neither good nor bad: it widens the
interval of the share to both sides. A percentile limit is a gate over the completed requests: met
when the whole interval of the percentile lies within the limit, failed when all of it lies outside,
else undecided, as it is below the percentile's sample floor or where over 1 % of the values are
missing. The limit on errors is a count, not an estimate: it is met or failed by the requests of
this load. Gaps of one request resemble each other: their percentile rests on the effective number
of them.

Not aware of load shapes or reports. Formulas of the times: analysis/timing.py. Sources: R. S.
Woodruff, JASA 47 (1952) 635-646 (percentiles of clustered samples); L. Kish, Survey Sampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never, final

from steelyard.analysis.timing import BURST_S, e2e_s, gaps_s, tpot_s, ttfat_s, ttft_s
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.slo import Limit, Metric, Slo
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.summary import Estimate, Gate, GateState
from steelyard.stats.clusters import design_effect
from steelyard.stats.proportions import wilson
from steelyard.stats.quantiles import quantile, quantile_estimate, sample_floor

Percentile: TypeAlias = Callable[[Sequence[float], float], Estimate]
Kind: TypeAlias = Literal["good", "missed", "failed", "unknown"]

_MISSING_MOST: Final = 0.01
_NAMES: Final[dict[Metric, str]] = {
    "ttft": "time to first token",
    "ttfat": "time to first answer token",
    "tpot": "time per output token",
    "e2e": "whole request",
    "gap": "gap between tokens",
    "errors": "failed requests",
}


@final
@dataclass(frozen=True, slots=True)
class Goodput:
    """The four counts, the share of good requests, and good ones a second of the load.

    `requests` counts those never sent too, and `failed` has them among the failed ones.
    `share` counts those of unknown time as not good and its interval reaches to where all of them
    are; `best_share` is that upper value.
    """

    requests: int
    good: int
    missed: int
    failed: int
    unknown: int
    share: Estimate
    best_share: Reading[float]
    rate_per_s: Reading[float]
    gates: tuple[Gate, ...]


def goodput(
    attempts: Sequence[Attempt],
    objectives: Slo,
    elapsed_s: float,
    percentile: Percentile = quantile_estimate,
    *,
    dropped: int = 0,
) -> Goodput:
    """Hold a load's attempts against the objectives; `percentile` gives a quantile its interval.

    `dropped` requests were planned and never sent.
    """
    limits = objectives.of_one_request()
    kinds = [kind_of(attempt, limits) for attempt in attempts]
    n, good, unknown = len(kinds) + dropped, kinds.count("good"), kinds.count("unknown")
    return Goodput(
        requests=n,
        good=good,
        missed=kinds.count("missed"),
        failed=kinds.count("failed") + dropped,
        unknown=unknown,
        share=_share(good, unknown, n),
        best_share=Measured((good + unknown) / n, "derived") if n else _nothing(),
        rate_per_s=_rate(good, n, elapsed_s),
        gates=gates(attempts, objectives, percentile, dropped=dropped),
    )


def kind_of(attempt: Attempt, limits: Sequence[Limit]) -> Kind:
    """Say whether one request was good; `limits` are those of a single request."""
    if not isinstance(attempt.outcome, Completed):
        return "failed"
    met = [_meets(attempt, limit) for limit in limits]
    if False in met:
        return "missed"
    return "unknown" if None in met else "good"


def gates(
    attempts: Sequence[Attempt],
    objectives: Slo,
    percentile: Percentile = quantile_estimate,
    *,
    dropped: int = 0,
) -> tuple[Gate, ...]:
    """Judge every percentile limit and the limit on errors, in the order they were typed."""
    return tuple(
        _errors(attempts, limit, dropped)
        if limit.metric == "errors"
        else _percentile(attempts, limit, limit.quantile, percentile)
        for limit in objectives.limits
        if limit.metric == "errors" or limit.quantile is not None
    )


def strain(attempts: Sequence[Attempt], objectives: Slo) -> Reading[float]:
    """Return the worst of all found values over its limit: up to 1 all are just met.

    A point without an interval, to be followed by a search and never to be judged by.
    """
    done = [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]
    found: list[float] = []
    for limit in objectives.limits:
        if limit.metric == "errors":
            share = 1 - len(done) / len(attempts) if attempts else 0.0
            found.append(share / limit.most if limit.most else math.inf if share else 0.0)
        elif limit.quantile is not None and (values := _values(done, limit.metric)):
            found.append(quantile(values, limit.quantile) / limit.most)
    if not done or not found:
        return Missing("no_samples", "no request completed, or none has a limit to be held against")
    return Measured(max(found), "derived")


def _values(done: Sequence[Attempt], metric: Metric) -> list[float]:
    if metric == "gap":
        return [gap for attempt in done for gap in gaps_s(attempt)]
    readings = (_reading(attempt, metric) for attempt in done)
    return [reading.value for reading in readings if isinstance(reading, Measured)]


def _meets(attempt: Attempt, limit: Limit) -> bool | None:
    """Return whether a completed request is within the limit; None where that is not known."""
    match _reading(attempt, limit.metric):
        case Measured(value=value):
            return value <= limit.most
        case Missing(code="single_token"):
            return True  # there is no time between tokens that could be too long
        case Missing(code="burst"):
            return True if limit.most >= BURST_S else None
        case Missing():
            return None


def _reading(attempt: Attempt, metric: Metric) -> Reading[float]:
    match metric:
        case "ttft":
            return ttft_s(attempt)
        case "ttfat":
            return ttfat_s(attempt)
        case "tpot":
            return tpot_s(attempt)
        case "e2e":
            return e2e_s(attempt)
        case "gap" | "errors":
            return Missing("not_of_one_request", f"a request has no {_NAMES[metric]} of its own")
        case _:
            assert_never(metric)


def _percentile(
    attempts: Sequence[Attempt], limit: Limit, q: float | None, percentile: Percentile
) -> Gate:
    done = [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]
    point = "" if q is None else f"p{100 * q:g} of "
    demanded = f"{point}{_NAMES[limit.metric]} at most {_time(limit.most)}"
    if q is None or not done:
        return Gate(limit.name, "undecided", demanded, "no request completed")
    if limit.metric == "gap":
        estimate = _gaps(done, q)
        return Gate(limit.name, _state(estimate, limit.most), demanded, _shown(estimate, "gaps"))
    readings = [_reading(attempt, limit.metric) for attempt in done]
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    # A request without time between tokens has nothing to add, and nothing to hide.
    lost = [r for r in readings if isinstance(r, Missing) and r.code != "single_token"]
    estimate = percentile(values, q)
    if len(lost) > _MISSING_MOST * len(done):
        found = f"not measured for {len(lost)} of {counted(len(done), 'request')}: {lost[0]}"
        return Gate(limit.name, "undecided", demanded, found)
    return Gate(limit.name, _state(estimate, limit.most), demanded, _shown(estimate, "requests"))


def _gaps(done: Sequence[Attempt], q: float) -> Estimate:
    """Estimate a percentile of all gaps, by as many as they are worth when clustered."""
    found = [(gap, str(n)) for n, attempt in enumerate(done) for gap in gaps_s(attempt)]
    values = sorted(gap for gap, _ in found)
    if not values:
        none = Missing("no_samples", "no answer came in more than one piece")
        return Estimate(none, none, none, 0)
    point = quantile(values, q)
    effect = design_effect([gap <= point for gap, _ in found], [request for _, request in found])
    worth = len(values) / effect
    floor = sample_floor(q)
    if worth < floor:
        few = Missing(
            "below_sample_floor",
            f"p{100 * q:g} takes {floor} independent gaps; {len(values)} are worth {worth:.0f}",
        )
        return Estimate(few, few, few, len(values))
    low, high = wilson(q * worth, worth)
    return Estimate(
        Measured(point, "derived"),
        Measured(quantile(values, low), "derived"),
        Measured(quantile(values, high), "derived"),
        len(values),
    )


def _errors(attempts: Sequence[Attempt], limit: Limit, dropped: int) -> Gate:
    demanded = f"at most {100 * limit.most:g} % of requests failed"
    n = len(attempts) + dropped
    if not n:
        return Gate(limit.name, "undecided", demanded, "no request was sent")
    failed = dropped + sum(not isinstance(attempt.outcome, Completed) for attempt in attempts)
    low, high = wilson(failed, n)
    unsent = f", {dropped} of them never sent" if dropped else ""
    state: GateState = "met" if failed <= limit.most * n else "failed"
    interval = f"the server's own rate lies in [{100 * low:.2g}, {100 * high:.2g}] %"
    found = f"{failed} of {n} ({100 * failed / n:.3g} %){unsent}; {interval}"
    return Gate(limit.name, state, demanded, found)


def _state(estimate: Estimate, most: float) -> GateState:
    match estimate:
        case Estimate(low=Measured(value=low), high=Measured(value=high)):
            return "met" if high <= most else "failed" if low > most else "undecided"
        case _:
            return "undecided"


def _share(good: int, unknown: int, n: int) -> Estimate:
    if not n:
        return Estimate(_nothing(), _nothing(), _nothing(), 0)
    return Estimate(
        Measured(good / n, "derived"),
        Measured(wilson(good, n)[0], "derived"),
        Measured(wilson(good + unknown, n)[1], "derived"),
        n,
    )


def _rate(good: int, n: int, elapsed_s: float) -> Reading[float]:
    if not n:
        return _nothing()
    if not elapsed_s > 0:
        return Missing("no_time", "a rate takes time to pass")
    return Measured(good / elapsed_s, "derived")


def _nothing() -> Missing:
    return Missing("no_samples", "no request was sent")


def _shown(estimate: Estimate, what: str) -> str:
    match estimate:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            return f"{_time(value)} [{_time(low)}, {_time(high)}], {estimate.n} {what}"
        case Estimate(value=Measured(value=value)):
            return f"{_time(value)}, {estimate.n} {what}: too few for an interval"
        case _:
            return f"not measured: {estimate.value}"


def _time(seconds: float) -> str:
    return f"{seconds:.4g} s" if seconds >= 1 else f"{1000 * seconds:.4g} ms"
