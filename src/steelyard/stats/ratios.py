"""A ratio of two sums, such as seconds spent per right answer.

Numerator and denominator vary together from item to item, so the ratio of the means is not the
mean of the ratios and its interval is not symmetric. Not aware of what is divided. Source: E. C.
Fieller, JRSS B 16 (1954) 175-185; clusters enter as their totals, which leave the ratio as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats.clusters import totals
from steelyard.stats.means import mean, variance
from steelyard.stats.special import t_quantile

_PAIR: Final = 2


def ratio_estimate(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate sum(numerators) / sum(denominators) over items, with Fieller's interval.

    Bounds are Missing where the data do not show the denominator to differ from zero: then no
    finite ratio can be ruled out.
    """
    n = len(numerators)
    below = math.fsum(denominators)
    if below <= 0:
        none = Missing("zero_denominator", "nothing to divide by was found")
        return Estimate(none, none, none, n)
    value = Measured(math.fsum(numerators) / below, "derived")
    x = totals(numerators, clusters) if clusters is not None else list(numerators)
    y = totals(denominators, clusters) if clusters is not None else list(denominators)
    bounds = _fieller(x, y, confidence)
    if isinstance(bounds, Missing):
        return Estimate(value, bounds, bounds, n)
    low, high = bounds
    if min(numerators) >= 0:
        low = max(0.0, low)  # what is never below zero has no such bound either
    return Estimate(value, Measured(low, "derived"), Measured(high, "derived"), n)


def _fieller(
    x: Sequence[float], y: Sequence[float], confidence: float
) -> tuple[float, float] | Missing:
    count = len(x)
    if count < _PAIR:
        return Missing("too_few_samples", "one independent sample has no spread")
    t2 = t_quantile(0.5 + confidence / 2, count - 1) ** 2 / count
    over, under = mean(x), mean(y)
    a = under * under - t2 * variance(y)
    b = over * under - t2 * _covariance(x, y)
    c = over * over - t2 * variance(x)
    if a <= 0:
        return Missing("unbounded", "the denominator is not shown to differ from zero")
    spread = math.sqrt(max(0.0, b * b - a * c))
    return (b - spread) / a, (b + spread) / a


def _covariance(x: Sequence[float], y: Sequence[float]) -> float:
    over, under = mean(x), mean(y)
    return math.fsum((p - over) * (q - under) for p, q in zip(x, y, strict=True)) / (len(x) - 1)
