"""How many items a margin needs, and the smallest loss that a number of items can show.

Known before anything is asked, so both rest on assumptions, and these are they: `USUAL_FLIPS` is
the share of items whose mark differs between two equally good variants, half of them each way; one
comparison is judged at the strictest step of Holm's ladder; items of one cluster hang together as
`stats.clusters` expects before any flip is seen. Not aware of the marks themselves. Formulas:
`stats.power`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from steelyard.analysis.by_family import family_of
from steelyard.analysis.verdict import strictest_level
from steelyard.domain.campaign import Gates
from steelyard.stats import power
from steelyard.stats.clusters import EXPECTED_ALIKE, moderated_effect

# Of the bundled model's items 2 % flip from F16 to Q4_K_M and 6 % to Q2_K; other models flip more.
USUAL_FLIPS: Final = 0.06
# The family whose items are forms of a clean one, which is their cluster.
_FORMS: Final = "robustness"


def items_for_margin(gates: Gates, comparisons: int, families: int = 4) -> int:
    """Return how many pooled items let an equally good variant qualify with power 0.9.

    They are taken to be independent. Rounded up to the same number in each of `families`.
    """
    found = power.items_for_margin(gates.margin, USUAL_FLIPS, strictest_level(gates, comparisons))
    return math.ceil(found / max(1, families)) * max(1, families)


def smallest_visible_loss(
    gates: Gates, comparisons: int, items: int, design_effect: float = 1.0
) -> float:
    """Return the loss, as a share of items, that `items` show with power 0.8; 1.0: none.

    `items` are different ones: forms of one item are one.
    """
    if items <= 0:
        return 1.0
    level = strictest_level(gates, comparisons)
    return power.smallest_visible_loss(items, USUAL_FLIPS, level, design_effect=design_effect)


def different(clusters: Mapping[str, str]) -> tuple[int, float]:
    """Return how many different items these are, and the design effect to expect of them.

    `clusters` maps `FAMILY/LEVEL/ITEM` to what an item shares with others.
    """
    owners = {
        cluster if family_of(item) == _FORMS else item: cluster
        for item, cluster in clusters.items()
    }
    if not owners:
        return 0, 1.0
    return len(owners), moderated_effect([0] * len(owners), list(owners.values()))


def assumed(design_effect: float = 1.0) -> str:
    """Say what a smallest visible loss takes for granted."""
    flips = f"{100 * USUAL_FLIPS:g} %"
    return f"power 80 %, if {flips} flip as between two quants{alike(design_effect)}"


def alike(design_effect: float) -> str:
    """Say what is taken for granted of items that share a passage, where there are any."""
    return f", alike by {EXPECTED_ALIKE:g} within a passage" if design_effect > 1 else ""
