"""Percentiles with a distribution-free interval, refused below their sample floor.

The floor is where an interval of order statistics exists at all: the widest one, from the
smallest to the largest of n samples, covers the q-th quantile with probability
1 - q^n - (1-q)^n. At 95 % that takes 6 samples for the median, 29 for p90, 59 for p95 and 299
for p99; with fewer, the largest sample is more often below the percentile than the interval
allows. Not aware of units. Sources: S. S. Wilks (1941); H. A. David, Order Statistics, 7.1; the
point is Hyndman and Fan's type 7, numpy's default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats.special import binomial_cdf


def sample_floor(q: float, confidence: float = 0.95) -> int:
    """Return the fewest samples for which the `q` quantile (0 < q < 1) has an interval."""
    n = 1
    while q**n + (1 - q) ** n > 1 - confidence:
        n += 1
    return n


def quantile(values: Sequence[float], q: float) -> float:
    """Return the `q` quantile of at least one value, interpolated linearly (type 7)."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def quantile_estimate(values: Sequence[float], q: float, confidence: float = 0.95) -> Estimate:
    """Estimate a quantile with its interval, or refuse with the number of samples it takes."""
    n = len(values)
    floor = sample_floor(q, confidence)
    if n < floor:
        refused = Missing(
            "below_sample_floor", f"p{100 * q:g} takes {floor} samples; there are {n}"
        )
        return Estimate(refused, refused, refused, n)
    ordered = sorted(values)
    low, high = _ranks(n, q, 1 - confidence)
    return Estimate(
        Measured(quantile(ordered, q), "derived"),
        Measured(ordered[low - 1], "derived"),
        Measured(ordered[high - 1], "derived"),
        n,
    )


def _ranks(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Return the ranks (from 1) whose samples bound the quantile.

    Half of `alpha` goes to each side where both can have it; near the floor the extreme sample
    of one side takes more than its half and the other side gets what is left.
    """
    below, above = alpha / 2, alpha / 2
    if q**n > above:
        below = alpha - q**n
    elif (1 - q) ** n > below:
        above = alpha - (1 - q) ** n
    low = 1
    while low < n and binomial_cdf(low, n, q) <= below:
        low += 1
    high = n
    while high > 1 and 1 - binomial_cdf(high - 2, n, q) <= above:
        high -= 1
    return low, high
