"""Items that share a passage or a template are not independent; this says how dependent.

Not aware of items, only of numbers and labels. Source: L. Kish, Survey Sampling (1965), the
design effect; the sandwich variance of a mean with the G/(G-1) correction, as in E. Miller,
arXiv 2411.00640, section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def totals(values: Sequence[float], clusters: Sequence[str]) -> list[float]:
    """Return the sum of each cluster, in the order in which clusters first appear."""
    sums: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums.setdefault(cluster, []).append(value)
    return [math.fsum(members) for members in sums.values()]


def design_effect(values: Sequence[float], clusters: Sequence[str]) -> float:
    """Return by how much clustering inflates the variance of the mean; never below 1.

    Below 1 is almost always luck of a small sample, and taking it would narrow an interval. With
    one cluster only, nothing can be learnt about the spread between clusters: all items then
    count as one.
    """
    n = len(values)
    mean = math.fsum(values) / n
    residuals = [value - mean for value in values]
    naive = math.fsum(r * r for r in residuals)
    sums = totals(residuals, clusters)
    count = len(sums)
    if count == n or naive <= 0:
        return 1.0
    if count == 1:
        return float(n)
    robust = math.fsum(s * s for s in sums) * count / (count - 1)
    return max(1.0, robust / (naive * n / (n - 1)))
