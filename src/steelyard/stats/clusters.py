"""Items that share a passage or a template are not independent; this says how dependent.

Not aware of items, only of numbers and labels. Source: L. Kish, Survey Sampling (1965), the
design effect; the sandwich variance of a mean with the G/(G-1) correction, as in E. Miller,
arXiv 2411.00640, section 2.2; Student's t where few clusters tell the spread: E. L. Korn and B. I.
Graubard, Survey Methodology 24 (1998) 193-201. Where what is counted is rare, the design effect is
moderated, that is drawn to an expected one: G. K. Smyth, Statistical Applications in Genetics and
Molecular Biology 3 (2004), article 3, does so with variances. What is expected here is our own
choice; `benchmarks/coverage.py` shows what it does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from steelyard.stats.special import normal_quantile, t_quantile

# Expected of items that share a cluster, before any flip is seen: their correlation, the flips
# that this is worth, and how many clusters would say it as surely.
EXPECTED_ALIKE: Final = 0.25
EXPECTED_FLIPS: Final = 4
EXPECTED_CLUSTERS: Final = 10


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
    n, count = len(values), len(set(clusters))
    if count == n:
        return 1.0
    naive, robust = _squares(values, clusters)
    if naive <= 0:
        return 1.0
    return max(1.0, robust / naive) if count > 1 else float(n)


def moderated_effect(differences: Sequence[float], clusters: Sequence[str]) -> float:
    """Return the design effect of flips (+1, -1, 0): few of them do not show whether they cluster.

    Where none is seen it is 1 + (m - 1) x `EXPECTED_ALIKE`, with m the mean size of an item's
    cluster (Kish, for clusters of unlike size); each flip seen counts against `EXPECTED_FLIPS`.
    """
    n, sizes = len(differences), Counter(clusters)
    if len(sizes) == n:
        return 1.0
    if len(sizes) == 1:
        return float(n)
    size = sum(count * count for count in sizes.values()) / n
    expected = 1 + (size - 1) * EXPECTED_ALIKE
    naive, robust = _squares(differences, clusters)
    return max(1.0, (robust + EXPECTED_FLIPS * expected) / (naive + EXPECTED_FLIPS))


def moderated_df(groups: int) -> int:
    """Return the degrees of freedom of a moderated effect; one cluster alone has hardly any."""
    return groups - 1 + EXPECTED_CLUSTERS if groups > 1 else 1


def items_per_independent(
    values: Sequence[float], clusters: Sequence[str], confidence: float
) -> float:
    """Return how many items count as one independent item in an interval of this confidence.

    It is the design effect, and more where so few clusters tell it that Student's t is wider than
    the normal law; 1 where every item is a cluster of its own or they do not hang together.
    """
    return as_told(design_effect(values, clusters), len(set(clusters)), confidence)


def as_told(effect: float, groups: int, confidence: float) -> float:
    """Return a design effect with the doubt in it: Student's t, for so many clusters told it."""
    if effect <= 1.0:
        return 1.0
    upper = 0.5 + confidence / 2
    student = t_quantile(upper, max(1, groups - 1)) / normal_quantile(upper)
    return effect * student**2


def _squares(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """Return the squares of what differs from the mean: by item, and by sums of clusters."""
    n = len(values)
    mean = math.fsum(values) / n
    residuals = [value - mean for value in values]
    sums = totals(residuals, clusters)
    count = len(sums)
    naive = math.fsum(r * r for r in residuals) * n / max(1, n - 1)
    return naive, math.fsum(s * s for s in sums) * count / max(1, count - 1)
