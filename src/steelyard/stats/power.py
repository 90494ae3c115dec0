"""How many items a question takes, and what a given number of items can see.

Discordance is the share of items on which two models of equal quality flip against each other:
half lost, half won. Levels are one-sided. Not aware of seconds: the planner turns items into
time. Sources: R. J. Connor, Biometrics 43 (1987) 207-211, paired proportions; the bounds
themselves are those of `stats.paired`, so plan and verdict use one formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from steelyard.stats.paired import Flips, lower_bound, upper_bound
from steelyard.stats.special import binomial_cdf, bisect, normal_quantile

# More items than anybody will run; beyond it a question counts as one that cannot be decided.
MOST_ITEMS: Final = 1 << 24
# As far as the power of the exact test is looked for: it is summed over every number of flips.
MOST_ASKED: Final = 1 << 17
_SELDOM: Final = 1e-13  # a number of flips that comes up less often moves no digit


def items_for_margin(
    margin: float,
    discordance: float,
    alpha: float = 0.025,
    power: float = 0.9,
    design_effect: float = 1.0,
) -> int:
    """Return the items after which an equal variant is shown to lose less than `margin`.

    Of two equal files, `power` is the share of campaigns that show it. With no discordance at all
    the bound still needs items: no flip in n leaves z²/(n + z²) possible.
    """

    def passes(items: int) -> bool:
        independent = items / design_effect
        unlucky = normal_quantile(power) * math.sqrt(discordance / independent)
        return upper_bound(expected(unlucky, discordance, independent), alpha) < margin

    found = smallest(passes)
    if found is None:
        raise ValueError(f"no number of items shows a loss below {margin}")
    return found


def items_to_decide(
    seen: Flips,
    items: int,
    margin: float,
    floor: float = 0.0,
    alpha_low: float = 0.025,
    alpha_high: float = 0.025,
) -> int | None:
    """Return how many items would decide what `items` have not, should they go on alike, or None.

    `seen` is what the items came to, in independent ones. It is decided as soon as the loss is
    shown to be below `margin` or above `floor`, whichever comes first.
    """

    def decided(more: int) -> bool:
        then = _scaled(seen, more / items)
        return upper_bound(then, alpha_high) < margin or lower_bound(then, alpha_low) > floor

    return smallest(decided)


def smallest_visible_loss(
    items: int,
    discordance: float,
    alpha: float = 0.025,
    power: float = 0.8,
    design_effect: float = 1.0,
) -> float:
    """Return the smallest true loss that `items` show to be above zero, with `power`.

    1.0 when even the loss of every item would go unseen.
    """
    independent = items / design_effect
    at_level, at_power = normal_quantile(1 - alpha), normal_quantile(power)

    def unseen(loss: float) -> bool:
        flipping = min(1.0, discordance + loss)
        spread = at_level * math.sqrt(flipping) + at_power * math.sqrt(flipping - loss * loss)
        return loss * math.sqrt(independent) < spread

    return bisect(unseen, 0.0, 1.0)


def items_for_power(lost: float, won: float, power: float, alpha: float = 0.05) -> int | None:
    """Return the items at which the exact McNemar test first has this power, or None.

    None where more than `MOST_ASKED` would not. The power of an exact test falls a little at some
    of the numbers on its way up; beyond this one it hardly comes back below.
    """
    return smallest(lambda items: mcnemar_power(items, lost, won, alpha) >= power, MOST_ASKED)


def mcnemar_power(items: int, lost: float, won: float, alpha: float = 0.05) -> float:
    """Return the power of the exact two-sided McNemar test for these shares of items flipped."""
    flipping = lost + won
    if not 0 < flipping <= 1:
        return 0.0
    total = 0.0
    for count in range(items + 1):
        share = _binomial(count, items, flipping)
        if share < _SELDOM:
            continue
        critical = _critical_count(count, alpha)
        if critical >= 0:
            way = lost / flipping
            rejected = binomial_cdf(critical, count, way) + binomial_cdf(critical, count, 1 - way)
            total += share * rejected
    return min(1.0, total)


def expected(loss: float, discordance: float, items: float) -> Flips:
    """Return the flips to see at this `loss` when `discordance` of the items flip in all."""
    flipping = min(1.0, max(discordance, abs(loss)))
    return Flips((flipping + loss) / 2 * items, (flipping - loss) / 2 * items, items)


def _scaled(seen: Flips, times: float) -> Flips:
    df = None if seen.df is None else max(1, round((seen.df + 1) * times) - 1)
    return Flips(seen.lost * times, seen.won * times, seen.items * times, df)


def smallest(passes: Callable[[int], bool], most: int = MOST_ITEMS) -> int | None:
    """Return the smallest number of items that passes; passing once means passing beyond.

    None where `most`, a power of two, does not.
    """
    low, high = 0, 1
    while not passes(high):
        if high >= most:
            return None
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def _critical_count(count: int, alpha: float) -> int:
    """Return the largest k whose two-sided p is at most `alpha`; -1 where none is."""
    low, high = -1, (count + 1) // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _two_sided(middle, count) <= alpha else (low, middle)
    return low


def _two_sided(k: int, count: int) -> float:
    return 2 * binomial_cdf(k, count, 0.5)


def _binomial(k: int, n: int, p: float) -> float:
    if p <= 0.0:
        return 1.0 if k == 0 else 0.0
    if p >= 1.0:
        return 1.0 if k == n else 0.0
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
