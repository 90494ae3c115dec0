"""Items that share a passage or a template are not independent; this says how dependent.

Not aware of items, only of numbers and labels. Source: L. Kish, Survey Sampling (1965), the
design effect; the sandwich variance of a mean with the G/(G-1) correction, as in E. Miller,
arXiv 2411.00640, section 2.2; Student's t where few clusters tell the spread: E. L. Korn and B. I.
Graubard, Survey Methodology 24 (1998) 193-201.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from steelyard.stats.special import normal_quantile, t_quantile


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


def items_per_independent(
    values: Sequence[float], clusters: Sequence[str], confidence: float
) -> float:
    """Return how many items count as one independent item in an interval of this confidence.

    It is the design effect, and more where so few clusters tell it that Student's t is wider than
    the normal law; 1 where every item is a cluster of its own or they do not hang together.
    """
    groups = len(set(clusters))
    effect = design_effect(values, clusters)
    if groups == len(values) or effect <= 1.0:
        return 1.0
    upper = 0.5 + confidence / 2
    student = t_quantile(upper, max(1, groups - 1)) / normal_quantile(upper)
    return effect * student**2
