"""A mean, its spread and how far both can be trusted.

Not aware of what was measured. Sources: Student's t; P. Hall, Journal of the Royal Statistical
Society B 54 (1992) 221-228, the mean of a skewed law; the coefficient of variation's interval by
M. G. Vangel, The American Statistician 50 (1996) 21-26; non-overlapping batch means for series
whose neighbours resemble each other (Law, Simulation Modeling and Analysis, 9.5); the percentile
bootstrap, whole groups drawn at a time, from a seed that the caller names.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.stats.quantiles import quantile
from steelyard.stats.special import chi2_quantile, t_quantile

_PAIR: Final = 2
_FEWEST_SKEWED: Final = 3
_UPRIGHT: Final = 1e-6  # below this Hall's interval is Student's to the last digits


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Return the sample variance of at least two values (n - 1 in the denominator)."""
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def mean_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the mean of independent values with Student's interval."""
    n = len(values)
    if n == 0:
        return _nothing()
    if n < _PAIR:
        return Estimate(Measured(mean(values), "derived"), *_single(), n)
    half = t_quantile(0.5 + confidence / 2, n - 1) * math.sqrt(variance(values) / n)
    return _around(mean(values), half, n)


def skewed_mean(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the mean of independent values that may be skewed, as times are.

    Student's interval, each end moved by Hall's cubic transformation, which takes the skewness of
    the samples out: the end towards the long tail lies farther out. With fewer than three samples
    none is known and the interval is Student's.
    """
    n = len(values)
    spread = variance(values) if n >= _FEWEST_SKEWED else 0.0
    if spread <= 0:
        return mean_estimate(values, confidence)
    centre, deviation = mean(values), math.sqrt(spread)
    cubes = math.fsum(((value - centre) / deviation) ** 3 for value in values)
    skewness = cubes * n / ((n - 1) * (n - 2))
    if abs(skewness) < _UPRIGHT:
        return mean_estimate(values, confidence)
    reach = t_quantile(0.5 + confidence / 2, n - 1) / math.sqrt(n)

    def end(at: float) -> Measured[float]:
        root = math.cbrt(1 + skewness * (at - skewness / (6 * n)))
        return Measured(centre - deviation * 3 * (root - 1) / skewness, "derived")

    return Estimate(Measured(centre, "derived"), end(reach), end(-reach), n)


def batch_means(values: Sequence[float], batches: int = 20, confidence: float = 0.95) -> Estimate:
    """Estimate the mean of a series whose neighbours resemble each other.

    The series is cut into equal runs and their means are taken for independent; what does not
    fill a run at the end is left out of the interval, not of the mean.
    """
    n = len(values)
    size = n // batches
    if size == 0:
        estimate = mean_estimate(values, confidence)
        return Estimate(estimate.value, *_too_short(batches), n)
    parts = [mean(values[i * size : (i + 1) * size]) for i in range(batches)]
    half = t_quantile(0.5 + confidence / 2, batches - 1) * math.sqrt(variance(parts) / batches)
    return _around(mean(values), half, n)


def cv_estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the coefficient of variation (standard deviation / mean) of positive values."""
    n = len(values)
    if n < _PAIR:
        few = Missing("too_few_samples", f"a spread takes 2 samples; there are {n}")
        return Estimate(few, few, few, n)
    centre = mean(values)
    if centre <= 0:
        unfit = Missing("mean_not_positive", "a relative spread needs a mean above zero")
        return Estimate(unfit, unfit, unfit, n)
    cv = math.sqrt(variance(values)) / centre
    df = n - 1
    low = _vangel(cv, df, chi2_quantile(0.5 + confidence / 2, df))
    high = _vangel(cv, df, chi2_quantile(0.5 - confidence / 2, df))
    return Estimate(Measured(cv, "derived"), low, high, n)


def bootstrap(
    groups: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[float]], float],
    seed: int,
    draws: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic of all values, drawing whole groups.

    Values of one group (one request, one passage) hang together; a group of one value each is
    the plain bootstrap. The same seed gives the same interval everywhere.
    """
    source = random.Random(seed)
    found = [
        statistic([value for group in source.choices(groups, k=len(groups)) for value in group])
        for _ in range(draws)
    ]
    return quantile(found, 0.5 - confidence / 2), quantile(found, 0.5 + confidence / 2)


def _vangel(cv: float, df: int, chi2: float) -> Reading[float]:
    square = ((chi2 + 2) / (df + 1) - 1) * cv * cv + chi2 / df
    if square <= 0:
        return Missing("unbounded", f"{df + 1} samples with a spread of {cv:.0%} bound nothing")
    return Measured(cv / math.sqrt(square), "derived")


def _around(centre: float, half: float, n: int) -> Estimate:
    return Estimate(
        Measured(centre, "derived"),
        Measured(centre - half, "derived"),
        Measured(centre + half, "derived"),
        n,
    )


def _nothing() -> Estimate:
    none = Missing("no_samples", "there is nothing to take a mean of")
    return Estimate(none, none, none, 0)


def _single() -> tuple[Missing, Missing]:
    one = Missing("too_few_samples", "one sample has no spread")
    return one, one


def _too_short(batches: int) -> tuple[Missing, Missing]:
    few = Missing("too_few_samples", f"an interval over a series takes {batches} samples")
    return few, few
