"""The share of right answers where clusters differ: each has a share of its own, drawn from a beta.

The interval is that of the likelihood of the mean share, whatever the correlation within clusters.
A second way beside Wilson's with a design effect. Not aware of what counts as a hit. Sources: J. G.
Skellam, JRSS B 10 (1948) 257-261, the law; D. A. Griffiths, Biometrics 29 (1973) 637-648, its
likelihood in rising products; S. S. Wilks, Annals of Mathematical Statistics 9 (1938) 60-62, how
far it falls. Student's t in place of his normal law would cover 99 % over seven clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats.special import bisect, normal_quantile

_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_STEPS: Final = 32
_MOST_ALIKE: Final = 0.9999


@final
@dataclass(frozen=True, slots=True)
class _Tally:
    """How many clusters have more than i hits, misses and items: all that the likelihood needs."""

    hits: tuple[int, ...]
    misses: tuple[int, ...]
    items: tuple[int, ...]

    def at(self, mean: float, alike: float) -> float:
        """Return log P(hits) but for the binomial coefficients, which no estimate depends on.

        `alike` is the correlation of two items of a cluster, 0 for independent ones.
        """
        step = alike / (1 - alike)
        return (
            _rising(self.hits, mean, step)
            + _rising(self.misses, 1 - mean, step)
            - _rising(self.items, 1.0, step)
        )

    def profile(self, mean: float) -> float:
        """Return the likelihood of a mean at the correlation that suits it best."""
        best = _peak(lambda alike: self.at(mean, alike), 0.0, _MOST_ALIKE)
        return max(self.at(mean, best), self.at(mean, 0.0))


def _tally(hits: Sequence[int], sizes: Sequence[int]) -> _Tally:
    misses = [n - k for k, n in zip(hits, sizes, strict=True)]
    return _Tally(_exceeding(hits), _exceeding(misses), _exceeding(sizes))


def clustered_share(
    hits: Sequence[bool], clusters: Sequence[str], confidence: float = 0.95
) -> Estimate:
    """Estimate the mean share over clusters and bound it."""
    if not hits:
        none = Missing("no_samples", "there is no item to take a share of")
        return Estimate(none, none, none, 0)
    found: dict[str, list[bool]] = {}
    for hit, cluster in zip(hits, clusters, strict=True):
        found.setdefault(cluster, []).append(hit)
    if len(found) == 1:
        one = Missing("too_few_clusters", "one cluster says nothing about others")
        return Estimate(Measured(sum(hits) / len(hits), "derived"), one, one, len(hits))
    tally = _tally([sum(c) for c in found.values()], [len(c) for c in found.values()])
    best = _peak(tally.profile, 0.0, 1.0)
    ends = {0.0: not any(hits), 1.0: all(hits)}
    best = next((end for end, reached in ends.items() if reached), best)
    critical = normal_quantile(0.5 + confidence / 2)
    least = tally.profile(best) - critical**2 / 2
    low = 0.0 if ends[0.0] else bisect(lambda at: tally.profile(at) < least, 0.0, best)
    high = 1.0 if ends[1.0] else bisect(lambda at: tally.profile(at) >= least, best, 1.0)
    return Estimate(
        Measured(best, "derived"), Measured(low, "derived"), Measured(high, "derived"), len(hits)
    )


def _exceeding(counts: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(count > i for count in counts) for i in range(max(counts)))


def _rising(tally: Sequence[int], begin: float, step: float) -> float:
    if begin <= 0.0 and tally:
        return -math.inf
    return math.fsum(count * math.log(begin + i * step) for i, count in enumerate(tally))


def _peak(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one peak is highest, by golden section."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_STEPS):
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2
