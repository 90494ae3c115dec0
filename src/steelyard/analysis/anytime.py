"""Verdicts that hold whenever one stops: several candidates beside one reference, item by item.

The four verdicts, their bounds, their margin and Holm's correction are those of `analysis.verdict`.
Two tests may decide, each as strict as the one test of a number of items that was settled
beforehand: bets (`stats.betting`), which may be looked at after every item, and that very test,
once, when all planned items are there. So whoever is asked to the end is judged as without any
early stop. At every moment, for all candidates together, the chance that any loss of `margin` or
more was ever said to be below it is at most what both tests may err by, `error`; so is the chance
that any loss of `margin` or less was ever said to be above. An A/A floor is not known while one
asks, so the margin is the floor; `analysis.aa_row` names the verdicts by it in the end.

The items stand for all items of their tasks: what is bounded is the loss on those, not on the
planned ones alone.

An item not run counts against the candidate in the upper bound and for it in the lower one; over
1 % of them, the verdict is undecided. Not aware of the order in which anything is asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from steelyard.analysis.marks import NOT_RUN_MAX
from steelyard.analysis.verdict import CANNOT_DECIDE, levels_of, reason_of, verdict_of
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Verdict
from steelyard.stats import betting, paired
from steelyard.stats.families import holm
from steelyard.stats.power import smallest
from steelyard.stats.special import normal_cdf, normal_quantile

# Whether an answer was right; None where nothing is known of it.
Known: TypeAlias = bool | None

_TESTS: Final = 2  # the bets, and the test of all planned items
_NOT_RUN: Final = Missing("not_run", "run the items that were not run")
_NO_FLOOR: Final = "reached without an A/A row"
_DECIDED: Final = Missing("decided", "these items decide it")


@final
@dataclass(slots=True)
class Tally:
    """What one candidate's items came to so far. Mutable: it grows with each answer.

    `planned` is how many it is asked at most; 0 where that was not settled.
    """

    planned: int = 0
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

    def p_below(self, margin: float) -> float:
        """Return the p-value of "`margin` or more is lost": small says that it is less."""
        return self._p_value("worst", self.worst, margin)

    def p_above(self, floor: float) -> float:
        """Return the p-value of "`floor` or less is lost": small says that it is more."""
        return self._p_value("best", _mirrored(self.best), -floor)

    def _p_value(self, side: str, units: betting.Seen, at: float) -> float:
        """Return what was computed at this many items already: every candidate is asked often."""
        items, value = self._known.get((side, at), (-1, 1.0))
        if items != self.items:
            value = _p_value(units, at, is_whole=self.is_whole)
            self._known[side, at] = (self.items, value)
        return value

    @property
    def is_whole(self) -> bool:
        """Say whether all planned items are there, and the test of all of them may be made."""
        return 0 < self.items == self.planned

    @property
    def is_measured(self) -> bool:
        """Say whether enough of its items were run for any verdict."""
        return self.unknown <= NOT_RUN_MAX * self.items

    @property
    def loss(self) -> float:
        """The share of items lost, net, of those that were run."""
        return (self.lost - self.won) / max(1, self.items - self.unknown)


def error(gates: Gates) -> float:
    """Return what either side of all intervals together may err by, whenever one stops."""
    return _TESTS * (1 - gates.confidence) / 2


def judge(tallies: Mapping[str, Tally], gates: Gates, label: str) -> Verdict:
    """Judge one of several candidates; those that were not begun stand with p-values of 1."""
    place = list(tallies).index(label)
    below = [tally.p_below(gates.margin) for tally in tallies.values()]
    above = [tally.p_above(gates.margin) for tally in tallies.values()]
    levels = (levels_of(above, error(gates))[place], levels_of(below, error(gates))[place])
    return _verdict(tallies[label], gates, levels, holm(above)[place])


def is_decided(tallies: Mapping[str, Tally], gates: Gates, label: str) -> bool:
    """Say whether one of several has another verdict than `undecided`; computes no bounds.

    While items are asked there is no floor yet: the margin stands for it.
    """
    place = list(tallies).index(label)
    above = holm([tally.p_above(gates.margin) for tally in tallies.values()])
    worse = above[place] <= error(gates) and tallies[label].is_measured
    return worse or label in qualifying(tallies, gates)


def qualifying(
    tallies: Mapping[str, Tally], gates: Gates, granted: Collection[str] = ()
) -> frozenset[str]:
    """Return those that may be taken, if those of whom it is granted were shown to be."""
    p_values = [
        0.0 if label in granted else tally.p_below(gates.margin) for label, tally in tallies.items()
    ]
    return frozenset(
        label
        for label, p in zip(tallies, holm(p_values), strict=True)
        if p <= error(gates) and tallies[label].is_measured
    )


def least_margin(items: int, candidates: int, gates: Gates) -> float:
    """Return the margin that so many items show of one of several candidates if nothing flips."""
    return _upper_bound({0.0: items}, error(gates) / candidates, is_whole=True)


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


def _p_value(units: betting.Seen, at: float, *, is_whole: bool) -> float:
    """Return the p-value of "the loss is `at` or more" by the better of the tests so far."""
    p = 1 / max(1.0, betting.against_at_least(units, at))
    if is_whole:
        p = min(p, paired.p_loss_below(_flips(units), at))
    return min(1.0, _TESTS * p)


def _upper_bound(units: betting.Seen, level: float, *, is_whole: bool) -> float:
    """Return the smallest loss whose p-value is at most `level`."""
    each = level / _TESTS
    high = betting.upper_bound(units, 1 / each)
    return min(high, paired.upper_bound(_flips(units), each)) if is_whole else high


def _flips(units: betting.Seen) -> paired.Flips:
    return paired.Flips(units.get(1.0, 0), units.get(-1.0, 0), sum(units.values()))


def _mirrored(units: betting.Seen) -> betting.Seen:
    return {-value: count for value, count in units.items()}


def _verdict(tally: Tally, gates: Gates, levels: tuple[float, float], p: float) -> Verdict:
    margin = gates.margin
    low = -_upper_bound(_mirrored(tally.best), levels[0], is_whole=tally.is_whole)
    high = _upper_bound(tally.worst, levels[1], is_whole=tally.is_whole)
    name = verdict_of(low, high, margin, margin, has_floor=False)
    reason = reason_of(name, low, high, margin, margin, has_floor=False)
    needed: Reading[int] = _DECIDED
    if not tally.is_measured:
        name = "undecided"
        reason = f"more than {NOT_RUN_MAX:.0%} of the items were not run"
        needed = _NOT_RUN
    elif name == "undecided":
        needed = _needed(tally, margin, levels)
    return Verdict(
        name=name,
        loss=tally.loss,
        low=low,
        high=high,
        margin=margin,
        floor=margin,
        items=tally.items,
        flips_lost=tally.lost,
        flips_won=tally.won,
        p_adjusted=p,
        to_decide_items=needed,
        reason=reason,
        no_floor=_NO_FLOOR,
    )


def _needed(tally: Tally, margin: float, levels: tuple[float, float]) -> Reading[int]:
    """Return how many items would decide it, if all further ones came out as these did.

    All planned items, or more than were planned, are taken to be a plan of their own.
    """
    if not tally.items:
        return Missing("not_begun", "no item was asked yet")

    def decided(items: int) -> bool:
        times = items / tally.items
        is_whole = 0 < tally.planned <= items
        worst = {value: count * times for value, count in tally.worst.items()}
        best = {-value: count * times for value, count in tally.best.items()}
        return (
            _p_value(best, -margin, is_whole=is_whole) <= levels[0]
            or _p_value(worst, margin, is_whole=is_whole) <= levels[1]
        )

    found = smallest(decided)
    if found is None:
        return CANNOT_DECIDE
    return Measured(found, "estimated")
