"""The verdict: how many right answers a variant loses against the reference, item by item.

Paired by item, clustered by passage or template, corrected by Holm over all candidates of the
sweep. Interval [lo, hi] of the loss, margin m, A/A floor f:

    hi < m and lo <= f   no loss shown      hi < m and lo > f    within margin
    hi >= m and lo <= f  undecided          hi >= m and lo > f   worse

Each bound is a claim of its own (`lo` that something is lost, `hi` that it is less than the
margin), so each side is its own Holm family at half the error; a bound is taken at the level at
which Holm tests it, so interval and decision agree.

The floor is the farther end of the A/A row's own interval. Where its marks are the same throughout
it is 0 if that interval lies within the margin, and else unknown: a dozen items that are marked
alike do not show an engine that repeats itself. Its mere observed loss would not do: thirty flips
each way cancel to 0 by luck, though they show marks that another run of the same file would move by
a point. A floor that is too high only turns `worse` into `undecided`; what qualifies depends on
`hi` alone. Where no floor is known nothing below the margin may be called worse, and a loss that is
above zero is never "no loss".

Items not run count against the variant in `hi` and for it in `lo`; over 1 % of them, the verdict
is undecided. Not aware of gates. Sources: DESIGN §2; `stats.paired`, `stats.families`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.analysis.marks import NOT_RUN_MAX
from steelyard.analysis.unrun import passing
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Verdict, VerdictName
from steelyard.domain.task import Mark, NotRun, Right
from steelyard.stats.families import bonferroni, holm, holm_levels
from steelyard.stats.paired import (
    Flips,
    flips,
    loss_interval,
    lower_bound,
    p_loss_above,
    p_loss_below,
    upper_bound,
)
from steelyard.stats.power import items_to_decide
from steelyard.stats.proportions import share_estimate

QUALIFYING: Final = frozenset({"no loss shown", "within margin"})

CANNOT_DECIDE: Final = Missing(
    "cannot_decide",
    "no number of items would decide it: stay with the reference, or choose another --margin",
)
_NOT_RUN: Final = Missing(
    "not_run",
    "ask again what was not run: `sweep --resume`, or `eval` with the same --out",
)
_NEVER_RUN: Final = Missing(
    "not_run", "no number would: asked again, what was not run would come to the same"
)
_NO_PAIRS: Final = Missing("no_paired_items", "no item was run on both sides")


@final
@dataclass(frozen=True, slots=True)
class Marked:
    """What one variant's tasks found: a mark and a cluster for each item id."""

    marks: Mapping[str, Mark] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Pairs:
    """Paired differences (+1 lost, -1 won): as seen, at worst and at best for the variant.

    `items` and `clusters` are those of what was seen; `may_pass` says that what was not run may be
    if it is asked again.
    """

    items: tuple[str, ...]
    clusters: tuple[str, ...]
    seen: tuple[int, ...]
    worst: Flips
    best: Flips
    effect: float
    too_few_run: bool
    may_pass: bool = True


def floor(reference: Marked, twin: Marked, gates: Gates) -> Reading[float]:
    """Return the A/A floor: the farther end of the reference's loss against itself.

    Without a flip it is 0, or Missing where the items are too few to rule noise of the margin out.
    """
    keys, seen, _, _ = differences(reference, twin)
    if not seen:
        return Missing("no_aa_row", "the reference was not run twice")
    half = (1 - gates.confidence) / 2
    found = loss_interval(seen, [reference.clusters.get(k, k) for k in keys], half, half)
    farther = max(abs(found.low), abs(found.high))
    if any(seen):
        return Measured(farther, "derived")
    if farther >= gates.margin:
        return Missing(
            "too_few_aa_items",
            f"{len(seen)} marked alike do not rule out a noise of {farther:.1%}",
        )
    return Measured(0.0, "derived")


def flip_count(reference: Marked, twin: Marked) -> Reading[int]:
    """Return on how many items the two runs disagree about a right answer."""
    _, seen, _, _ = differences(reference, twin)
    if not seen:
        return Missing("no_aa_row", "the reference was not run twice")
    return Measured(sum(d != 0 for d in seen), "derived")


def judge(
    reference: Marked,
    candidates: Mapping[str, Marked],
    gates: Gates,
    aa_floor: Reading[float],
) -> dict[str, Reading[Verdict]]:
    """Judge all candidates of a sweep at once, since they share one error budget."""
    sides = {label: (reference, marked) for label, marked in candidates.items()}
    return judge_pairs(sides, gates, dict.fromkeys(sides, aa_floor))


def judge_pairs(
    sides: Mapping[str, tuple[Marked, Marked]], gates: Gates, floors: Mapping[str, Reading[float]]
) -> dict[str, Reading[Verdict]]:
    """Judge the second of each pair against the first; all of them share one error budget."""
    pairs = {label: pair(*both) for label, both in sides.items()}
    judged = {label: found for label, found in pairs.items() if found is not None}
    used = {label: _or_margin(floors[label], gates.margin) for label in judged}
    labels = sorted(judged)
    above = [p_loss_above(judged[label].best, used[label][0]) for label in labels]
    below = [p_loss_below(judged[label].worst, gates.margin) for label in labels]
    alpha = (1 - gates.confidence) / 2
    levels = zip(levels_of(above, alpha), levels_of(below, alpha), strict=True)
    verdicts: dict[str, Reading[Verdict]] = dict.fromkeys(sides, _NO_PAIRS)
    for label, (low_level, high_level), p in zip(labels, levels, holm(above), strict=True):
        verdicts[label] = Measured(
            _verdict(judged[label], gates, used[label], (low_level, high_level), p),
            "derived",
        )
    return verdicts


def strictest_level(gates: Gates, comparisons: int) -> float:
    """Return the one-sided level at which so many comparisons hold at once: Holm's first step."""
    return (1 - gates.confidence) / 2 / max(1, comparisons)


def judge_shown(
    sides: Mapping[str, tuple[Marked, Marked]], gates: Gates, floors: Mapping[str, Reading[float]]
) -> dict[str, Verdict]:
    """Judge pairs that each have a floor of their own; no gate rests on what is found.

    All bounds are taken at one level, at which all of them hold at once (Bonferroni). A pair
    without an item run on both sides has no verdict.
    """
    level = strictest_level(gates, len(sides))
    paired = {label: pair(*both) for label, both in sides.items()}
    used = {label: _or_margin(floors[label], gates.margin) for label in sides}
    p_values = [
        1.0 if found is None else p_loss_above(found.best, used[label][0])
        for label, found in paired.items()
    ]
    return {
        label: _verdict(found, gates, used[label], (level, level), p)
        for (label, found), p in zip(paired.items(), bonferroni(p_values), strict=True)
        if found is not None
    }


def flipped(reference: Marked, candidate: Marked, confidence: float) -> Estimate:
    """Estimate the share of the items run on both sides that are right on one of them only."""
    keys, seen, _, _ = differences(reference, candidate)
    clusters = [reference.clusters.get(key, key) for key in keys]
    return share_estimate([d != 0 for d in seen], clusters, confidence)


def only(marked: Marked, items: Collection[str]) -> Marked:
    """Return what is known of some of the items."""
    return Marked({k: m for k, m in marked.marks.items() if k in items}, marked.clusters)


def _or_margin(floor: Reading[float], margin: float) -> tuple[float, str]:
    """Return the floor; where the noise is not known, the margin and why it is not."""
    return (floor.value, "") if isinstance(floor, Measured) else (margin, str(floor))


def _verdict(
    pairs: Pairs,
    gates: Gates,
    floor: tuple[float, str],
    levels: tuple[float, float],
    p: float,
) -> Verdict:
    floor_used, no_floor = floor
    known = not no_floor
    low = lower_bound(pairs.best, levels[0])
    high = upper_bound(pairs.worst, levels[1])
    name: VerdictName = verdict_of(low, high, gates.margin, floor_used, has_floor=known)
    loss = sum(pairs.seen) / len(pairs.seen)
    reason = reason_of(name, low, high, gates.margin, floor_used, has_floor=known)
    needed: Reading[int] = Missing("decided", "these items decide it")
    if pairs.too_few_run:
        name = "undecided"
        reason = f"more than {NOT_RUN_MAX:.0%} of the items were not run"
        needed = _NOT_RUN if pairs.may_pass else _NEVER_RUN
    elif name == "undecided":
        needed = _needed(pairs, gates.margin, floor_used, levels)
    return Verdict(
        name=name,
        loss=loss,
        low=low,
        high=high,
        margin=gates.margin,
        floor=floor_used,
        items=len(pairs.seen),
        flips_lost=sum(d > 0 for d in pairs.seen),
        flips_won=sum(d < 0 for d in pairs.seen),
        p_adjusted=p,
        to_decide_items=needed,
        reason=reason,
        no_floor=no_floor,
    )


def levels_of(p_values: Sequence[float], alpha: float) -> list[float]:
    """Return Holm's levels; equal findings get equal bounds, whatever their labels."""
    strictest: dict[float, float] = {}
    for p, level in zip(p_values, holm_levels(p_values, alpha), strict=True):
        strictest[p] = min(level, strictest.get(p, level))
    return [strictest[p] for p in p_values]


def verdict_of(
    low: float, high: float, margin: float, floor: float, *, has_floor: bool = True
) -> VerdictName:
    """Return which of the four verdicts an interval of the loss is.

    Without an A/A row (`has_floor` False) the `floor` is the margin.
    """
    if high < margin:
        return "no loss shown" if low <= (floor if has_floor else 0.0) else "within margin"
    return "undecided" if low <= floor else "worse"


def reason_of(
    name: VerdictName,
    low: float,
    high: float,
    margin: float,
    floor: float,
    *,
    has_floor: bool = True,
) -> str:
    """Say in words why it is this verdict."""
    at_most, at_least = f"{high:.1%}", f"{low:.1%}"
    match name:
        case "no loss shown" if low > 0:
            return (
                f"between {at_least} and {at_most} is lost (margin {margin:.1%}): no more than "
                f"another run of the reference may differ by, {floor:.1%}"
            )
        case "no loss shown" if high < 0:
            return f"at least {-high:.1%} is gained: no loss is shown"
        case "no loss shown":
            return f"at most {at_most} is lost (margin {margin:.1%}), and no loss is shown"
        case "within margin":
            return f"between {at_least} and {at_most} is lost, all of it below {margin:.1%}"
        case "worse":
            above = f"the A/A floor {floor:.1%}" if has_floor else f"the margin {margin:.1%}"
            return f"at least {at_least} is lost, above {above}; {margin:.1%} or more may be"
        case _ if low > 0:
            limit = (
                f"that is within the A/A floor {floor:.1%}"
                if has_floor
                else "without a known A/A floor nothing below the margin is called worse"
            )
            return (
                f"between {at_least} and {at_most} is lost; that it is below the margin "
                f"{margin:.1%} is not shown, and {limit}"
            )
        case _:
            return (
                f"up to {at_most} may be lost, and less than {margin:.1%} is allowed; "
                "it may also lose nothing"
            )


def _needed(
    pairs: Pairs, margin: float, floor_used: float, levels: tuple[float, float]
) -> Reading[int]:
    n = len(pairs.seen)
    found = items_to_decide(flips(pairs.seen, pairs.clusters), n, margin, floor_used, *levels)
    if found is None:
        return CANNOT_DECIDE
    # With what was run these items would have decided it.
    if found <= n:
        return _NOT_RUN if pairs.may_pass else _NEVER_RUN
    return Measured(found, "estimated")


def pair(reference: Marked, candidate: Marked) -> Pairs | None:
    """Pair two sides by item; None where no item was run on both."""
    items, seen, worst, best = differences(reference, candidate)
    if not seen:
        return None
    everything = sorted({*reference.marks, *candidate.marks})
    owners = {
        item: reference.clusters.get(item, candidate.clusters.get(item, item))
        for item in everything
    }
    clusters = list(owners.values())
    at_worst = flips(worst, clusters)
    return Pairs(
        items=tuple(items),
        clusters=tuple(owners[item] for item in items),
        seen=tuple(seen),
        worst=at_worst,
        best=flips(best, clusters),
        effect=len(everything) / at_worst.items,
        too_few_run=len(everything) - len(seen) > NOT_RUN_MAX * len(everything),
        may_pass=_may_pass(reference, candidate),
    )


def _may_pass(*sides: Marked) -> bool:
    outcomes = (mark.outcome for side in sides for mark in side.marks.values())
    whys = {outcome.why for outcome in outcomes if isinstance(outcome, NotRun)}
    return not whys or bool(passing(whys))


def differences(
    reference: Marked, candidate: Marked
) -> tuple[list[str], list[int], list[int], list[int]]:
    """Return the items known on both sides, their differences, and those at worst and at best.

    The last two run over every item that either side was asked.
    """
    keys: list[str] = []
    seen: list[int] = []
    worst: list[int] = []
    best: list[int] = []
    if not candidate.marks or not reference.marks:
        return keys, seen, worst, best
    for item in sorted({*reference.marks, *candidate.marks}):
        ours, theirs = _right(reference.marks.get(item)), _right(candidate.marks.get(item))
        if ours is not None and theirs is not None:
            keys.append(item)
            seen.append(int(ours) - int(theirs))
        worst.append(int(ours is not False) - int(theirs is True))
        best.append(int(ours is True) - int(theirs is not False))
    return keys, seen, worst, best


def _right(mark: Mark | None) -> bool | None:
    """Return whether it was right, or None where nothing is known."""
    if mark is None or isinstance(mark.outcome, NotRun):
        return None
    return isinstance(mark.outcome, Right)
