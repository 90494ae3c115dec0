"""How many items a margin needs, and the smallest loss that a number of items can show.

Known before a sweep starts, so both rest on assumptions, and these are they: `CHURN` is the share
of items whose mark differs between two equally good variants, half of them each way; one
comparison is judged at the strictest step of Holm's ladder; items are independent. Not aware of
the marks themselves. Formulas: `stats.power`.
"""

from __future__ import annotations

import math
from typing import Final

from steelyard.domain.campaign import Gates
from steelyard.stats import power

CHURN: Final = 0.06


def strictest_level(gates: Gates, comparisons: int) -> float:
    """Return the one-sided level of Holm's first step over so many comparisons."""
    return (1 - gates.confidence) / 2 / max(1, comparisons)


def items_for_margin(gates: Gates, comparisons: int, families: int = 4) -> int:
    """Return how many pooled items let an equally good variant qualify with power 0.9.

    Rounded up to the same number in each of `families`.
    """
    found = power.items_for_margin(gates.margin, CHURN, strictest_level(gates, comparisons))
    return math.ceil(found / max(1, families)) * max(1, families)


def smallest_visible_loss(gates: Gates, comparisons: int, items: int) -> float:
    """Return the loss, as a share of items, that `items` show with power 0.8; 1.0: none."""
    if items <= 0:
        return 1.0
    return power.smallest_visible_loss(items, CHURN, strictest_level(gates, comparisons))
