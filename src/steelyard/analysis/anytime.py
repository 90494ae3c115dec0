"""Verdicts that hold whenever one stops: several candidates beside one reference, item by item.

The four verdicts, their bounds and their margin are those of `analysis.verdict`; the bounds come
from bets (`stats.betting`) in place of a number of items that was settled beforehand, and closed
testing in place of Holm. At every moment, for all candidates together, the chance that any loss of
`margin` or more was ever said to be below it is at most half the error; so is the chance that any
loss at the floor or below was ever said to be above. Without an A/A row the margin is the floor.

An item not run counts against the candidate in the upper bound and for it in the lower one; over
1 % of them, the verdict is undecided. Not aware of the order in which anything is asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from steelyard.analysis.marks import NOT_RUN_MAX
from steelyard.analysis.verdict import QUALIFYING, reason_of, verdict_of
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Verdict
from steelyard.stats import betting
from steelyard.stats.families import closed_levels, closed_p_values
from steelyard.stats.special import bisect, normal_cdf, normal_quantile

# Whether an answer was right; None where nothing is known of it.
Known: TypeAlias = bool | None
_Bet: TypeAlias = Callable[[betting.Seen, float], float]

_MOST_TIMES: Final = 1 << 12  # so many times the items of now: beyond it nothing would decide
_NOT_RUN: Final = Missing("not_run", "run the items that were not run")
_DECIDED: Final = Missing("decided", "these items decide it")


@final
@dataclass(slots=True)
class Tally:
    """What one candidate's items came to so far. Mutable: it grows with each answer."""

    worst: Counter[float] = field(default_factory=Counter)
    best: Counter[float] = field(default_factory=Counter)
    lost: int = 0
    won: int = 0
    items: int = 0
    unknown: int = 0
    _known: dict[tuple[str, float], tuple[int, float]] = field(default_factory=dict, repr=False)

    def add(self, reference: Known, candidate: Known) -> None:
        """Count one item, which is a unit of its own."""
        self.items += 1
        self.worst[float((reference is not False) - (candidate is True))] += 1
        self.best[float((reference is True) - (candidate is not False))] += 1
        if reference is None or candidate is None:
            self.unknown += 1
            return
        self.lost += reference and not candidate
        self.won += candidate and not reference

    def below(self, margin: float) -> float:
        """Return the e-value that less than `margin` is lost."""
        return self._e_value(betting.against_at_least, self.worst, margin)

    def above(self, floor: float) -> float:
        """Return the e-value that more than `floor` is lost."""
        return self._e_value(betting.against_at_most, self.best, floor)

    def _e_value(self, bet: _Bet, units: Counter[float], at: float) -> float:
        """Return what was computed at this many items already: every candidate is asked often."""
        items, value = self._known.get((bet.__name__, at), (-1, 1.0))
        if items != self.items:
            value = bet(units, at)
            self._known[bet.__name__, at] = (self.items, value)
        return value

    @property
    def loss(self) -> float:
        """The share of items lost, net, of those that were run."""
        return (self.lost - self.won) / max(1, self.items - self.unknown)


def judge(
    tallies: Mapping[str, Tally], gates: Gates, label: str, floor: float | None = None
) -> Verdict:
    """Judge one of several candidates; those that were not begun stand with e-values of 1."""
    floor_used = gates.margin if floor is None else floor
    place = list(tallies).index(label)
    above = [tally.above(floor_used) for tally in tallies.values()]
    levels = _levels(tallies, gates, floor_used, place)
    return _verdict(tallies[label], gates, floor_used, levels, closed_p_values(above)[place])


def is_decided(
    tallies: Mapping[str, Tally], gates: Gates, label: str, floor: float | None = None
) -> bool:
    """Say whether one of several has another verdict than `undecided`; computes no bounds."""
    floor_used = gates.margin if floor is None else floor
    tally = tallies[label]
    high, low = _levels(tallies, gates, floor_used, list(tallies).index(label))
    enough = tally.unknown <= NOT_RUN_MAX * tally.items
    return enough and (tally.below(gates.margin) >= high or tally.above(floor_used) >= low)


def least_margin(items: int, candidates: int, gates: Gates) -> float:
    """Return the margin that so many items show of one of several candidates if nothing flips."""
    alpha = (1 - gates.confidence) / 2
    return betting.upper_bound({0.0: items}, candidates / alpha)


def chance(tally: Tally, planned: int, gates: Gates) -> float:
    """Return the chance that `planned` items would show a loss below the margin, after these.

    For giving up in time, and for nothing else: it can end the hope of a candidate and never
    makes one qualify. Taken generously: as one test of all planned items at an error of its own.
    The mean of all items, seen from here, is normal about the mean so far (D. J. Spiegelhalter et
    al., Controlled Clinical Trials 7 (1986) 8-17, predictive power); one flip more each way keeps
    the spread above zero.
    """
    n = tally.items
    left = planned - n
    mean = sum(value * count for value, count in tally.worst.items()) / max(1, n)
    flips = sum(count for value, count in tally.worst.items() if value)
    spread = max((flips + 2) / (n + 2) - mean * mean, 1 / (n + 2))
    reach = gates.margin - normal_quantile(0.5 + gates.confidence / 2) * math.sqrt(spread / planned)
    if left <= 0 or n == 0:
        return float(mean < reach) if n else 1.0
    return normal_cdf((reach - mean) / math.sqrt(spread * left / (n * planned)))


def qualifies(verdict: Verdict) -> bool:
    """Say whether it may be taken."""
    return verdict.name in QUALIFYING


def _levels(
    tallies: Mapping[str, Tally], gates: Gates, floor: float, place: int
) -> tuple[float, float]:
    """Return the e-values that the one at `place` must reach below the margin, above the floor."""
    alpha = (1 - gates.confidence) / 2
    below = [tally.below(gates.margin) for tally in tallies.values()]
    above = [tally.above(floor) for tally in tallies.values()]
    return closed_levels(below, alpha)[place], closed_levels(above, alpha)[place]


def _verdict(
    tally: Tally, gates: Gates, floor: float, levels: tuple[float, float], p: float
) -> Verdict:
    high = betting.upper_bound(tally.worst, levels[0])
    low = betting.lower_bound(tally.best, levels[1])
    name = verdict_of(low, high, gates.margin, floor)
    reason = reason_of(name, low, high, gates.margin, floor)
    needed: Reading[int] = _DECIDED
    if tally.unknown > NOT_RUN_MAX * tally.items:
        name = "undecided"
        reason = f"more than {NOT_RUN_MAX:.0%} of the items were not run"
        needed = _NOT_RUN
    elif name == "undecided":
        needed = _needed(tally, gates.margin, floor, levels)
    return Verdict(
        name=name,
        loss=tally.loss,
        low=low,
        high=high,
        margin=gates.margin,
        floor=floor,
        items=tally.items,
        flips_lost=tally.lost,
        flips_won=tally.won,
        p_adjusted=p,
        to_decide_items=needed,
        reason=reason,
    )


def _needed(tally: Tally, margin: float, floor: float, levels: tuple[float, float]) -> Reading[int]:
    """Return how many items would decide it, if all further ones came out as these did."""
    if not tally.items:
        return Missing("not_begun", "no item was asked yet")

    def decided(times: float) -> bool:
        worst = {value: count * times for value, count in tally.worst.items()}
        best = {value: count * times for value, count in tally.best.items()}
        return (
            betting.against_at_least(worst, margin) >= levels[0]
            or betting.against_at_most(best, floor) >= levels[1]
        )

    times = 2.0
    while not decided(times):
        if (times := times * 2) > _MOST_TIMES:
            return Missing("cannot_decide", "the loss seen is so near the limit that none would")
    found = bisect(lambda at: not decided(at), 1.0, times)
    return Measured(math.ceil(found * tally.items), "estimated")
