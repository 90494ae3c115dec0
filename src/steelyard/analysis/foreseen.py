"""What all planned items of a choice would show of a candidate, before any is asked.

By the test that is made when all of them are there: each side at half the error, and that shared
among the candidates (the strictest step of Holm's). Stopping early asks for no less evidence, so it
shows no more. Without an A/A row the margin is the floor. Estimates are normal about the true loss,
as in `stats.power`; the bounds are those of the verdict. Not aware of how a choice stops.
"""

from __future__ import annotations

import math
from typing import Final

from steelyard.analysis.verdict import strictest_level
from steelyard.domain.campaign import Gates
from steelyard.stats.paired import lower_bound, upper_bound
from steelyard.stats.power import expected
from steelyard.stats.special import bisect, normal_cdf, normal_quantile

POWER: Final = 0.8


def chance_of_equals(items: int, flips: float, candidates: int, gates: Gates) -> float:
    """Return the chance that one that loses nothing is shown to lose less than the margin.

    `flips` is the share of items that flip, half of them either way.
    """
    level = strictest_level(gates, candidates)

    def shown(seen: float) -> bool:
        return upper_bound(expected(seen, flips, items), level) < gates.margin

    if not shown(-flips):
        return 0.0
    most = bisect(shown, -flips, gates.margin)
    return normal_cdf(most / math.sqrt(flips / items))


def worse_from(items: int, flips: float, candidates: int, gates: Gates) -> float:
    """Return the smallest loss that is called worse with a power of 80 %; 1 where none would be."""
    level = strictest_level(gates, candidates)

    def unseen(seen: float) -> bool:
        return lower_bound(expected(seen, flips, items), level) <= gates.margin

    if unseen(1.0):
        return 1.0
    least = bisect(unseen, 0.0, 1.0)
    return min(1.0, least + normal_quantile(POWER) * math.sqrt(max(flips, least) / items))
