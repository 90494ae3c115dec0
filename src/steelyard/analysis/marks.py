"""Marks counted: four counts, the share of right answers with both bounds, adherence.

right% = right / (right + wrong + invalid). Items that were not run say nothing, so both bounds
stand beside it: all of them wrong, all of them right. Adherence pools the demands on the form of
answers that were not cut; a demand on what is said has its own share and is no form. Not aware of
variants or gates; intervals are clustered Wilson intervals of `stats.proportions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Marks
from steelyard.domain.task import Invalid, Mark, NotRun, Right
from steelyard.stats.proportions import share_estimate

# The demands on what is said or done, by name. Any other is one on the form, and is pooled.
CONTENT: Final = frozenset(
    {
        "right_tool",
        "right_arguments",
        "called_nothing",
        "asked_for_it",
        "right_state",
        "all_facts",
        "no_other_fact",
    }
)

# Above this share of items not run, a verdict is `undecided` whatever the interval says.
NOT_RUN_MAX: Final = 0.01

_NO_ITEMS: Final = Missing("no_items", "no item was asked")


def count(
    marks: Mapping[str, Mark], clusters: Mapping[str, str], confidence: float = 0.95
) -> Marks:
    """Count marks by item id; `clusters` maps an id to what it shares with others."""
    known = {item: mark for item, mark in marks.items() if not isinstance(mark.outcome, NotRun)}
    ids = sorted(known)
    hits = [isinstance(known[item].outcome, Right) for item in ids]
    invalid = [m.outcome for m in known.values() if isinstance(m.outcome, Invalid)]
    missed = [m.outcome.why for m in marks.values() if isinstance(m.outcome, NotRun)]
    right, not_run = sum(hits), len(marks) - len(known)
    return Marks(
        right=right,
        wrong=len(known) - right - len(invalid),
        invalid=len(invalid),
        not_run=not_run,
        right_share=share_estimate(hits, [clusters.get(item, item) for item in ids], confidence),
        worst_share=_share(right, len(marks)),
        best_share=_share(right + not_run, len(marks)),
        invalid_why=dict(sorted(Counter(outcome.why for outcome in invalid).items())),
        not_run_why=dict(sorted(Counter(missed).items())),
    )


def too_few_run(marks: Mapping[str, Mark]) -> bool:
    """Say whether more than 1 % of the items were not run."""
    missed = sum(isinstance(mark.outcome, NotRun) for mark in marks.values())
    return missed > NOT_RUN_MAX * len(marks)


def forms(mark: Mark) -> dict[str, bool]:
    """Return the demands on an answer's form, and whether each was kept; none of a cut answer."""
    return {name: kept for name, kept in mark.demands.items() if name not in CONTENT}


def adherence(
    marks: Mapping[str, Mark], clusters: Mapping[str, str], confidence: float = 0.95
) -> Estimate:
    """Estimate the pooled share of format constraints that held, clustered at least by item."""
    held: list[bool] = []
    owners: list[str] = []
    for item in sorted(marks):
        for _, kept in sorted(forms(marks[item]).items()):
            held.append(kept)
            owners.append(clusters.get(item, item))
    return share_estimate(held, owners, confidence)


def by_constraint(
    marks: Mapping[str, Mark], clusters: Mapping[str, str], confidence: float = 0.95
) -> dict[str, Estimate]:
    """Estimate for each constraint by name how often it held, where an answer was asked for it."""
    demands = {item: marks[item].demands for item in sorted(marks)}
    names = sorted({name for held in demands.values() for name in held})
    found = {}
    for name in names:
        items = [item for item in demands if name in demands[item]]
        held = [demands[item][name] for item in items]
        owners = [clusters.get(item, item) for item in items]
        found[name] = share_estimate(held, owners, confidence)
    return found


def _share(part: int, whole: int) -> Reading[float]:
    return Measured(part / whole, "derived") if whole else _NO_ITEMS
