"""Bets on the paired loss: evidence that may be looked at after every item, and acted on at once.

Money is bet, item after item, against "the loss is `at` or more" (or "or less"). If that is true,
nobody can be expected to win: the chance of ever multiplying a stake by 1/a is at most a, however
often one looks and whenever one stops (Ville). So what a stake has grown to, the e-value, is the
evidence; where it reaches 1/a the claim is refuted at level a. What is not refuted makes a bound
that holds at all times together.

One unit is one bet: an item's difference (+1 lost, 0, -1 won), or, where items share a passage, the
mean difference of the whole cluster, for items of one cluster are not independent. Units are taken
to be drawn independently from one law. The stake is spread over a fixed grid of bets, so the result
does not depend on the order of units and needs no more than how often each value was seen.

Not aware of models, margins' meaning or schedules. Sources: J. Ville (1939); H. Robbins, Annals of
Mathematical Statistics 41 (1970) 1397-1409, mixtures; I. Waudby-Smith and A. Ramdas, JRSS B 86
(2024) 1-27, betting on bounded means, section 4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from steelyard.stats.special import bisect

Seen: TypeAlias = Mapping[float, float]

# Shares of the largest bet that cannot lose more than the stake; most of the money lies on the
# middle, where losses of some points among flips of a few per cent are told apart fastest.
_BETS: Final = (0.85, 0.65, 0.48, 0.34, 0.22, 0.14, 0.08, 0.04)
_STAKES: Final = (0.18, 0.26, 0.22, 0.14, 0.08, 0.06, 0.04, 0.02)
_MOST: Final = 1.0


def units(differences: Sequence[float], clusters: Sequence[str]) -> list[float]:
    """Return the mean difference of each cluster, in the order in which clusters first appear."""
    held: dict[str, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        held.setdefault(cluster, []).append(difference)
    return [math.fsum(members) / len(members) for members in held.values()]


def seen(values: Iterable[float]) -> Counter[float]:
    """Count how often each value was seen; values lie from -1 (won) to +1 (lost)."""
    counts = Counter(values)
    if any(not -_MOST <= value <= _MOST for value in counts):
        raise ValueError("a paired difference lies between -1 (won) and +1 (lost)")
    return counts


def against_at_least(units: Seen, at: float) -> float:
    """Return the e-value against "the loss is `at` or more": large says that it is less."""
    if at >= _MOST:
        return math.inf if any(value < _MOST for value in units) else 1.0
    if at <= -_MOST:
        return 1.0
    return math.exp(min(_LARGEST, _log_wealth(units, at)))


def against_at_most(units: Seen, at: float) -> float:
    """Return the e-value against "the loss is `at` or less": large says that it is more."""
    return against_at_least({-value: count for value, count in units.items()}, -at)


def upper_bound(units: Seen, needed: float) -> float:
    """Return the smallest loss that is refuted: the e-value against it reaches `needed`."""
    if not units:
        return _MOST
    return bisect(lambda at: against_at_least(units, at) < needed, -_MOST, _MOST)


def lower_bound(units: Seen, needed: float) -> float:
    """Return the largest loss that is refuted from below, by an e-value of `needed`."""
    return -upper_bound({-value: count for value, count in units.items()}, needed)


_LARGEST: Final = 700.0  # e to this is the largest number that a float holds


def _log_wealth(units: Seen, at: float) -> float:
    """Return the logarithm of what a stake of one has grown to over all bets of the grid."""
    room = 1.0 - at  # an item that is lost whole takes the whole share that was bet
    grown = [
        math.log(stake)
        + math.fsum(
            count * math.log1p(-bet * (value - at) / room) for value, count in units.items()
        )
        for bet, stake in zip(_BETS, _STAKES, strict=True)
    ]
    top = max(grown)
    return top + math.log(math.fsum(math.exp(one - top) for one in grown))
