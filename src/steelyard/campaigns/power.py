"""How many items a margin needs, and the smallest loss that a number of items can show.

Printed before a sweep starts, so they rest on assumptions, stated here: `churn` is the share of
items whose mark differs between two equally good variants (half of them each way; measured for
4-bit and better it is mostly under 6 %), one comparison is judged at the strictest step of Holm's
ladder, and marks of one cluster are as good as independent (`design_effect` 1).
Source: Connor (1987), sample size for paired binary data; Lachenbruch and Lynch (1998) for the
non-inferiority form. Not aware of the marks themselves.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

CHURN: Final = 0.06
SUPERIORITY_POWER: Final = 0.80
MARGIN_POWER: Final = 0.90

_NORMAL: Final = NormalDist()


def items_for_margin(
    margin: float,
    *,
    comparisons: int = 1,
    confidence: float = 0.95,
    churn: float = CHURN,
    design_effect: float = 1.0,
) -> int:
    """Return how many pooled items let an equally good variant qualify with power 0.9."""
    z = _z(confidence, comparisons) + _NORMAL.inv_cdf(MARGIN_POWER)
    return math.ceil(design_effect * z * z * churn / (margin * margin))


def smallest_visible_loss(
    items: int,
    *,
    comparisons: int = 1,
    confidence: float = 0.95,
    churn: float = CHURN,
    floor: float = 0.0,
    design_effect: float = 1.0,
) -> float:
    """Return the loss, as a share of items, that is called worse than `floor` with power 0.8.

    1.0 where even the loss of everything could not be shown.
    """
    low, high = floor, 1.0
    if items <= 0 or _needed(high, floor, comparisons, confidence, churn) > items / design_effect:
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        needed = _needed(middle, floor, comparisons, confidence, churn)
        low, high = (low, middle) if needed <= items / design_effect else (middle, high)
    return high


def items_to_decide(
    half_width: float, items: int, distance: float, *, design_effect: float = 1.0
) -> int:
    """Return how many items in all shrink an interval of `half_width` at `items` to `distance`.

    Widths shrink with the root of the number of items.
    """
    return math.ceil(design_effect * items * (half_width / distance) ** 2)


def _needed(loss: float, floor: float, comparisons: int, confidence: float, churn: float) -> float:
    """Items for power 0.8 against `loss`, whose flips come on top of the churn."""
    if loss <= floor:
        return math.inf
    flips = min(1.0, churn + loss)
    spread = math.sqrt(flips)
    narrowed = math.sqrt(max(flips - loss * loss, 0.0))
    z_alpha, z_power = _z(confidence, comparisons), _NORMAL.inv_cdf(SUPERIORITY_POWER)
    return float(((z_alpha * spread + z_power * narrowed) / (loss - floor)) ** 2)


def _z(confidence: float, comparisons: int) -> float:
    return _NORMAL.inv_cdf(1 - (1 - confidence) / 2 / max(1, comparisons))
