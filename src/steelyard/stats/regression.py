"""A straight line through points by ordinary least squares, with Student's interval of its slope.

Not aware of what is drawn against what. Errors are taken to lie in y alone; where x has some too
the slope comes out flatter, by the share of the spread of x that is not error (`reliability`).
Sources: N. R. Draper and H. Smith, Applied Regression Analysis, 3rd edition, chapter 1; C.
Spearman, American Journal of Psychology 15 (1904) 72-101, attenuation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.stats.clusters import totals
from steelyard.stats.means import mean, variance
from steelyard.stats.special import t_quantile

FEWEST: Final = 3  # points: two of them lie on a line whatever they are


@final
@dataclass(frozen=True, slots=True)
class Slope:
    """How y changes by x, with a two-sided interval."""

    value: float
    low: float
    high: float


def slope(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> Slope:
    """Fit y = a + b x and return b; raises `ValueError` below three points and for one x alone."""
    n = len(x)
    if n < FEWEST or n != len(y):
        raise ValueError(f"a slope takes {FEWEST} points, each with both coordinates")
    x_mean, y_mean = mean(x), mean(y)
    spread = math.fsum((at - x_mean) ** 2 for at in x)
    if spread <= 0:
        raise ValueError("all points have the same x")
    pairs = list(zip(x, y, strict=True))
    value = math.fsum((at - x_mean) * (of - y_mean) for at, of in pairs) / spread
    left = math.fsum((of - y_mean - value * (at - x_mean)) ** 2 for at, of in pairs)
    half = t_quantile(0.5 + confidence / 2, n - 2) * math.sqrt(left / (n - 2) / spread)
    return Slope(value, value - half, value + half)


def reliability(rows: Sequence[Sequence[bool]], clusters: Sequence[str]) -> float:
    """Return which share of the spread of the rows' means is not the error of these means.

    Each row has the hits of one subject on the same items, so what makes an item hard for all is
    no error of their differences: what is left of a hit without its row's and its item's mean is.
    Items of one cluster count together. Nothing is told by one row, or by one cluster: 0.
    """
    count, groups = len(rows), len(set(clusters))
    if count <= 1 or groups <= 1:
        return 0.0
    shares = [mean(row) for row in rows]
    total = variance(shares)
    if total <= 0:
        return 0.0
    by_item = [mean(column) for column in zip(*rows, strict=True)]
    whole = mean(shares)
    errors = []
    for row, share in zip(rows, shares, strict=True):
        rest = [hit - item - share + whole for hit, item in zip(row, by_item, strict=True)]
        squares = math.fsum(each * each for each in totals(rest, clusters))
        errors.append(squares * groups / (groups - 1) / len(rest) ** 2)
    # Of so many rows, one is used up by the items' own means.
    return max(0.0, 1 - mean(errors) * count / (count - 1) / total)
