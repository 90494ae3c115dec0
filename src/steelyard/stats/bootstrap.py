"""The mean of clustered differences, bounded by drawing the clusters again: no formula of spread.

A second way to the same interval, to hold beside the first. Not aware of what was measured.
Sources: A. C. Davison and D. V. Hinkley, Bootstrap Methods (1997), section 3.8, whole clusters;
the percentiles are taken as far out as few clusters ask for: T. C. Hesterberg, The American
Statistician 69 (2015) 371-386, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats.special import normal_cdf, t_quantile

# Under so many clusters the percentiles of their draws cover less than they say.
CLUSTERS_MIN: Final = 20
_DRAWN_AT_ONCE: Final = 1 << 20


def clustered_mean(
    values: Sequence[float],
    clusters: Sequence[str],
    *,
    seed: int,
    draws: int = 4000,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the mean over all items; whole clusters are drawn, the same way for a seed."""
    import numpy as np

    n = len(values)
    if n == 0:
        none = Missing("no_samples", "there is nothing to take a mean of")
        return Estimate(none, none, none, 0)
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    owners = np.array([places[name] for name in clusters])
    sums = np.bincount(owners, weights=np.asarray(values, dtype=float))
    sizes = np.bincount(owners)
    groups = len(places)
    value = Measured(math.fsum(values) / n, "derived")
    if groups < CLUSTERS_MIN:
        few = Missing("too_few_clusters", f"it takes {CLUSTERS_MIN} clusters; there are {groups}")
        return Estimate(value, few, few, n)
    if not np.ptp(sums) and not np.ptp(sizes):
        alike = Missing("no_spread", "all clusters are alike: drawing them again shows nothing")
        return Estimate(value, alike, alike, n)
    source = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // groups)
    means: list[float] = []
    for begin in range(0, draws, step):
        picked = source.integers(0, groups, (min(step, draws - begin), groups))
        means += (sums[picked].sum(axis=1) / sizes[picked].sum(axis=1)).tolist()
    wide = math.sqrt(groups / (groups - 1)) * t_quantile(0.5 + confidence / 2, groups - 1)
    tail = normal_cdf(-wide)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(value, Measured(float(low), "derived"), Measured(float(high), "derived"), n)
