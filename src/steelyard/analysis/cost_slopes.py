"""What more right answers come with, over the variants of a sweep: seconds, joules, money an item.

The line is that of the logarithm of the cost over the right share, so that its slope is a factor.
It describes the variants that were weighed and predicts no other; and it is too flat by the error
of the right shares, of which `reliability` tells the size. The reference run again is the same
file and no variant. Not aware of layout. Source: `stats.regression`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.answer_worth import billed
from steelyard.analysis.gates import points
from steelyard.analysis.marks import too_few_run
from steelyard.analysis.roster import Entrant, Roster
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.summary import Cost, CostSlope, Estimate, VariantRow
from steelyard.domain.task import NotRun, Right
from steelyard.stats import regression

FEWEST: Final = 5  # variants
RELIABLE: Final = 0.5  # of the spread of the right shares, at least so much is no error
_STEP: Final = 0.1  # ten right answers more in a hundred
_WORDS: Final[Mapping[Cost, str]] = {
    "seconds_per_item": "time",
    "joules_per_item": "energy",
    "money_per_item": "bill",
}


@final
@dataclass(frozen=True, slots=True)
class _Variant:
    """One row with what its runs found."""

    row: VariantRow
    entrant: Entrant

    @property
    def right_share(self) -> Reading[float]:
        """The share of right answers; Missing where too many items were not run."""
        if too_few_run(self.entrant.marked.marks):
            return Missing("not_run", "too many of its items were not run")
        return self.row.marks.right_share.value

    def cost(self, of: Cost) -> Reading[float]:
        """What an item took: what a right answer did, by the share of items that were right."""
        took, entrant = self.row.throughput, self.entrant
        match of:
            case "seconds_per_item":
                per_right = took.seconds_per_right.value
            case "joules_per_item":
                per_right = took.joules_per_right.value
            case "money_per_item":
                per_right = billed(entrant.tasks).value
        asked = len(entrant.marked.marks)
        found = derived(per_right, lambda each: each * self.row.marks.right / asked)
        if isinstance(found, Measured) and found.value <= 0:
            return Missing("no_cost", "it cost nothing")
        return found


def slopes(rows: Sequence[VariantRow], seats: Roster, gates: Gates) -> tuple[CostSlope, ...]:
    """Return one slope for each kind of cost, or why there is none; nothing without a task."""
    by_row = zip(rows, seats.entrants, strict=True)
    asked = [_Variant(row, e) for row, e in by_row if e.role != "aa" and e.tasks]
    return tuple(_slope(of, asked, gates) for of in _WORDS) if asked else ()


def _slope(of: Cost, asked: Sequence[_Variant], gates: Gates) -> CostSlope:
    known = [
        (one, share.value, cost.value)
        for one in asked
        if isinstance(share := one.right_share, Measured)
        and isinstance(cost := one.cost(of), Measured)
    ]
    labels = tuple(one.row.variant.label for one, _, _ in known)
    if len(known) < FEWEST:
        return _none(of, labels, _too_few(of, asked, len(known)))
    sure = _reliability([one.entrant for one, _, _ in known])
    shares, costs = [share for _, share, _ in known], [math.log(cost) for _, _, cost in known]
    if (why := _alike(shares, sure, gates)) is not None:
        return CostSlope(of, Estimate(why, why, why, len(known)), labels, _derived(sure))
    found = regression.slope(shares, costs, gates.confidence)
    value, low, high = (
        _derived(math.exp(each * _STEP)) for each in (found.value, found.low, found.high)
    )
    return CostSlope(of, Estimate(value, low, high, len(known)), labels, _derived(sure))


def _alike(shares: Sequence[float], sure: float, gates: Gates) -> Missing | None:
    """Return why the right shares differ too little for a line over them; None where they do not.

    Shares within the margin of each other count as alike elsewhere, and ten of a hundred would be
    far beyond them.
    """
    apart = max(shares) - min(shares)
    if apart < gates.margin:
        return Missing(
            "hardly_differ",
            f"the right shares of {len(shares)} variants lie within {points(apart)} points of each "
            f"other, less than the margin of {points(gates.margin)}",
        )
    if sure < RELIABLE:
        return Missing(
            "hardly_differ",
            f"the right shares of {len(shares)} variants differ by little more than their own "
            "error",
        )
    return None


def _too_few(of: Cost, asked: Sequence[_Variant], known: int) -> Missing:
    """Return why there are so few; of a cost that none has, its own reason."""
    if not known and (why := next(_unknown(of, asked), None)):
        return why
    return Missing(
        "too_few_variants",
        f"a slope takes {FEWEST} variants with a right share and the {_WORDS[of]} of their "
        f"answers; {known} of {len(asked)} have both",
    )


def _unknown(of: Cost, asked: Sequence[_Variant]) -> Iterator[Missing]:
    yield from (cost for one in asked if isinstance(cost := one.cost(of), Missing))


def _none(of: Cost, labels: tuple[str, ...], why: Missing) -> CostSlope:
    return CostSlope(of, Estimate(why, why, why, len(labels)), labels, why)


def _reliability(entrants: Sequence[Entrant]) -> float:
    """Return it over the items that all of them ran."""
    sides = [entrant.marked for entrant in entrants]
    ran = (
        {key for key, mark in side.marks.items() if not isinstance(mark.outcome, NotRun)}
        for side in sides
    )
    items = sorted(set.intersection(*ran))
    hits = [[isinstance(side.marks[key].outcome, Right) for key in items] for side in sides]
    owners = [sides[0].clusters.get(key, key) for key in items]
    return regression.reliability(hits, owners)


def _derived(value: float) -> Reading[float]:
    return Measured(value, "derived")
