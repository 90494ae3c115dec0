"""The figures of one load: every metric's mean and percentiles, with interval and client's share.

A figure that the client may have moved by over a tenth is withheld; how late requests were sent is
the client's own doing and is not. Gaps of one request resemble each other, and requests resemble
their neighbours: a percentile of gaps rests on the variance of the share below it, taken from each
request's own residual as a series. Not aware of windows or sections. Sources: R. S. Woodruff, JASA
47 (1952) 635-646; the ratio estimator of a share of clusters, W. G. Cochran, Sampling Techniques.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from steelyard.analysis import client_share
from steelyard.analysis.client_share import GAPS, QUANTILES, Answer, Bracketed
from steelyard.analysis.conventions import CONVENTIONS, Formula
from steelyard.analysis.metrics.latency import (
    E2E,
    E2E_INTENDED,
    LATENESS,
    OUTPUT_TPS,
    TPOT,
    TTFAT,
    TTFT,
    TTFT_INTENDED,
)
from steelyard.domain.bench import Figure, Published, Statistic
from steelyard.domain.instrument import Instrument
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.summary import Estimate
from steelyard.stats.proportions import wilson
from steelyard.stats.quantiles import quantile, sample_floor
from steelyard.stats.series import long_run_error, series_estimate
from steelyard.stats.special import normal_quantile, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[Any]

STATISTICS: Final[tuple[Statistic, ...]] = ("mean", *QUANTILES)
# Fewer requests than this say nothing about how their gaps differ from those of others.
_REQUESTS_LEAST: Final = 6
_UPPER: Final = 0.975
_HALF: Final = 0.5


def figures(
    attempts: Sequence[Attempt], instrument: Instrument, *, scheduled: bool
) -> tuple[Figure, ...]:
    """Return every figure of requests in the order in which they were sent.

    What is counted from the intended time is there where the load has a schedule of its own.
    """
    answered = client_share.answers(attempts)
    metrics = tuple(_metrics(answered, scheduled=scheduled))
    whole = client_share.bracketed([m for m in metrics if m is not None], answered, instrument)
    columns = iter(whole)
    found: list[Figure] = []
    for metric in metrics:
        if metric is None:
            gaps = client_share.bracketed_gaps(answered, instrument)
            found += [_figure(GAPS, gaps, name, of_gaps(gaps, name)) for name in STATISTICS]
        else:
            values = next(columns)
            found += [
                _figure(metric.name, values, name, _of_values(values, name)) for name in STATISTICS
            ]
    return tuple(found)


def published(attempts: Sequence[Attempt]) -> tuple[Published, ...]:
    """Return what other tools would have printed for these requests, by their own definitions."""
    done = [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]
    # Tools share formulas under different words.
    by_formula = _values(dict.fromkeys(convention.formula for convention in CONVENTIONS), done)
    found = []
    for convention in CONVENTIONS:
        values, why = by_formula[convention.formula]
        found.append(
            Published(
                tool=convention.tool,
                measure=convention.measure,
                mean=_point(values, None, why),
                p50=_point(values, 0.5, why),
                p99=_point(values, 0.99, why),
                n=len(values),
                approximates=bool(convention.approximates),
            )
        )
    return tuple(found)


def of_gaps(gaps: Bracketed, statistic: Statistic) -> Estimate:
    """Estimate a statistic of all gaps, whose requests are what there is many of."""
    import numpy as np

    if not gaps.values.size:
        return Estimate(gaps.why, gaps.why, gaps.why, 0)
    requests = np.unique(gaps.requests, return_inverse=True)[1]
    if statistic == "mean":
        return _mean_of_gaps(gaps.values, requests)
    return _quantile_of_gaps(gaps.values, requests, QUANTILES[statistic])


def _metrics(answered: Sequence[Answer], *, scheduled: bool) -> Iterator[Metric[Attempt] | None]:
    """Yield the metrics in the order in which they are shown; None stands for the gaps."""
    yield TTFT
    if scheduled:
        yield TTFT_INTENDED
    if any(answer.thought for answer in answered):
        yield TTFAT
    yield TPOT
    yield None
    yield E2E
    if scheduled:
        yield E2E_INTENDED
    yield OUTPUT_TPS
    if scheduled:
        yield LATENESS


def _figure(name: str, found: Bracketed, statistic: Statistic, estimate: Estimate) -> Figure:
    share = client_share.share(found, statistic)
    if name != LATENESS.name and isinstance(estimate.value, Measured):
        why = client_share.limited(found, statistic)
        if why is not None:
            estimate = Estimate(why, why, why, estimate.n)
    return Figure(name, statistic, found.unit, estimate, share)


def _of_values(found: Bracketed, statistic: Statistic) -> Estimate:
    if not found.values.size:
        return Estimate(found.why, found.why, found.why, 0)
    if statistic == "mean":
        return series_estimate(found.values, "mean", seed=0)
    return series_estimate(found.values, QUANTILES[statistic], seed=0)


def _mean_of_gaps(values: Column, requests: Column) -> Estimate:
    import numpy as np

    mean, n = float(values.mean()), len(values)
    counts = np.bincount(requests)
    value = Measured(mean, "derived")
    if len(counts) < _REQUESTS_LEAST:
        return Estimate(value, *_few(len(counts)), n)
    residuals = np.bincount(requests, weights=values) - mean * counts
    error = long_run_error(residuals) / float(counts.mean())
    half = t_quantile(_UPPER, len(counts) - 1) * error
    return Estimate(value, Measured(mean - half, "derived"), Measured(mean + half, "derived"), n)


def _quantile_of_gaps(values: Column, requests: Column, q: float) -> Estimate:
    import numpy as np

    n, floor = len(values), sample_floor(q)
    counts = np.bincount(requests)
    point = float(np.quantile(values, q))
    value = Measured(point, "derived")
    if n < floor:
        refused = _refused(q, floor, n, float(n))
        return Estimate(refused, refused, refused, n)
    if len(counts) < _REQUESTS_LEAST:
        return Estimate(value, *_few(len(counts)), n)
    # Where many gaps are alike the point has a share of its own: both of its edges are looked at.
    worth = min(_worth(values <= point, requests), _worth(values < point, requests))
    if worth < floor:
        refused = _refused(q, floor, n, worth)
        return Estimate(refused, refused, refused, n)
    low, high = wilson(q * worth, worth)
    return Estimate(
        value,
        Measured(float(np.quantile(values, low)), "derived"),
        Measured(float(np.quantile(values, high)), "derived"),
        n,
    )


def _worth(under: Column, requests: Column) -> float:
    """Return how many independent gaps would tell this share as well.

    What is rare is known by the requests that have it: where they are few, so is what is known of
    their spread, and Student's law stands for that.
    """
    import numpy as np

    n, counts, share = len(under), np.bincount(requests), float(under.mean())
    residuals = np.bincount(requests, weights=under) - share * counts
    error = long_run_error(residuals) / float(counts.mean())
    if error <= 0:
        return float(n)
    having = np.bincount(requests, weights=under if share < _HALF else ~under)
    df = max(1, int((having > 0).sum()) - 1)
    doubt = t_quantile(_UPPER, df) / normal_quantile(_UPPER)
    return min(float(n), share * (1 - share) / (error * doubt) ** 2)


def _refused(q: float, floor: int, n: int, worth: float) -> Missing:
    takes = f"p{100 * q:g} takes {floor} independent gaps; there are {n}"
    if n < floor:
        return Missing("below_sample_floor", takes)
    return Missing("below_sample_floor", f"{takes}, which hang together and are worth {worth:.0f}")


def _few(requests: int) -> tuple[Missing, Missing]:
    few = Missing(
        "too_few_samples",
        f"an interval over gaps takes {_REQUESTS_LEAST} requests; it had {requests}",
    )
    return few, few


def _values(
    formulas: Iterable[Formula], done: Sequence[Attempt]
) -> Mapping[Formula, tuple[Sequence[float], Missing | None]]:
    """Return every formula's values and its last reason, attempt by attempt: that costs least."""
    none = None if done else Missing("no_requests", "no request was answered whole")
    values = {formula: array("d") for formula in formulas}
    whys = dict.fromkeys(values, none)
    for attempt in done:
        for formula, kept in values.items():
            found = formula(attempt)
            if isinstance(found, Missing):
                whys[formula] = found
            else:
                kept.extend(found.value)
    return {formula: (kept, whys[formula]) for formula, kept in values.items()}


def _point(values: Sequence[float], q: float | None, why: Missing | None) -> Reading[float]:
    """Return a statistic as the tools print it: a plain point, whatever it rests on."""
    if not values:
        return why or Missing("no_samples", "no request has a value")
    if q is None:
        return Measured(math.fsum(values) / len(values), "derived")
    return Measured(quantile(values, q), "derived")
