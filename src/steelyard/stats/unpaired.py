"""A difference of two shares of different items, and how far it can be trusted.

Newcombe's interval: it is put together from the score interval of either share, and keeps within
-1 and 1 where Wald's does not. The p-value is that of the interval turned round, so that the two
cannot contradict each other. Items of one cluster count for fewer independent ones; how much they
hang together is taken from both sides at once, for both are drawn alike and one of them, all right
or all wrong, would not tell it. Not aware of what was asked. Sources: R. G. Newcombe, Statistics in
Medicine 17 (1998) 873-890, method 10; clusters as in `stats.proportions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.stats.clusters import as_told, design_effect
from steelyard.stats.proportions import wilson
from steelyard.stats.special import bisect

# The confidences at which an interval is tried lie between these.
_LEAST: Final = 1e-9
_SUREST: Final = 1 - 1e-12


@final
@dataclass(frozen=True, slots=True)
class Shares:
    """Right answers of two sides, each with its own items; a cluster never spans both.

    `effect` is the design effect of both sides, told by so many `groups`.
    """

    first: int
    first_items: int
    second: int
    second_items: int
    effect: float
    groups: int

    @property
    def difference(self) -> float:
        """The first share less the second."""
        return self.first / self.first_items - self.second / self.second_items


def shares(
    first: Sequence[bool],
    second: Sequence[bool],
    first_clusters: Sequence[str],
    second_clusters: Sequence[str],
) -> Shares:
    """Count both sides; raises `ValueError` where either has no item."""
    if not first or not second:
        raise ValueError("a difference of shares needs an item on either side")
    one, other = sum(first) / len(first), sum(second) / len(second)
    residuals = [*(hit - one for hit in first), *(hit - other for hit in second)]
    clusters = [*(f"1/{name}" for name in first_clusters), *(f"2/{n}" for n in second_clusters)]
    return Shares(
        sum(first),
        len(first),
        sum(second),
        len(second),
        design_effect(residuals, clusters),
        len(set(clusters)),
    )


def interval(seen: Shares, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of the first share less the second."""
    each = as_told(seen.effect, seen.groups, confidence)
    p1, p2 = seen.first / seen.first_items, seen.second / seen.second_items
    low1, high1 = wilson(seen.first / each, seen.first_items / each, confidence)
    low2, high2 = wilson(seen.second / each, seen.second_items / each, confidence)
    middle = p1 - p2
    return (
        middle - math.hypot(p1 - low1, high2 - p2),
        middle + math.hypot(high1 - p1, p2 - low2),
    )


def p_no_difference(seen: Shares) -> float:
    """Return the two-sided p of "both shares are the same": 1 less what just excludes it."""
    if not seen.difference:
        return 1.0

    def excluded(confidence: float) -> bool:
        low, high = interval(seen, confidence)
        return low > 0 or high < 0

    if not excluded(_LEAST):
        return 1.0
    return 1 - (_SUREST if excluded(_SUREST) else bisect(excluded, _LEAST, _SUREST))
