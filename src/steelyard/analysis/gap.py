"""How much better a model does on public items than on private ones of the same making.

Both sets come from one generator, so that a model which has seen neither does equally well on both
but for the luck of the draw. One that was trained on the public ones does better there: a gap shows
it, and nothing else of ours would. The items are others on either side, so the difference is
unpaired and its interval wider than a verdict's. Items that both sets have are left out of either.
Families are corrected by Holm. Not aware of stores. Sources: `stats.unpaired`, `stats.families`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from steelyard.analysis import strata
from steelyard.analysis.bands import OVERALL
from steelyard.analysis.marks import NOT_RUN_MAX, count, too_few_run
from steelyard.analysis.verdict import Marked, levels_of, only
from steelyard.domain import private as withholding
from steelyard.domain.faults import faults_of
from steelyard.domain.gap import Gap, GapRow
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.summary import Estimate
from steelyard.domain.task import NotRun, Right, Task, item_of
from steelyard.stats import unpaired
from steelyard.stats.families import holm

_CONFIDENCE: Final = 0.95
_MAY_DIFFER: Final = frozenset({"seed", "private_seed"})
_NONE_LEFT: Final = Missing("no_items", "no item was run on either side that the other has not")
_NOT_RUN: Final = Missing("not_run", f"more than {NOT_RUN_MAX:.0%} of the items were not run")


def in_order(first: RunRecord, second: RunRecord) -> tuple[RunRecord, RunRecord] | None:
    """Return the run of public items and that of private ones; None where they are not these."""
    kinds = [_kinds(record) for record in (first, second)]
    if kinds == [{False}, {True}]:
        return first, second
    return (second, first) if kinds == [{True}, {False}] else None


def unlike(public: RunRecord, private: RunRecord) -> Iterator[str]:
    """Name what keeps two runs from being asked alike, but for the seeds of their items."""
    mine, theirs = ({t.section: t for t in _generated(r)} for r in (public, private))
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in mine or name not in theirs:
            yield f"only {(public if name in mine else private).id} was asked {name}"
        elif changed := _changed(mine[name], theirs[name]):
            yield f"{name} was asked with other {', '.join(changed)}"
    for record in (public, private):
        if record.outcome != "completed":
            yield f"{record.id} {record.outcome}: {record.reason or 'no reason kept'}"
        if record.stopped is not None:
            yield f"{record.id} was stopped before all items were asked"


def gap(public: RunRecord, private: RunRecord) -> Gap:
    """Set the two beside each other; they are alike but for the seeds (`unlike` names nothing)."""
    ours, theirs = _tasks(public), _tasks(private)
    shared = _ids(ours) & _ids(theirs)
    families = strata.families(_generated(public), ours)
    sides = {
        name: (_marked([ours[task] for task in tasks]), _marked([theirs[task] for task in tasks]))
        for name, tasks in {**families, OVERALL: tuple(ours)}.items()
    }
    kept = {
        name: (_without(one, shared), _without(two, shared)) for name, (one, two) in sides.items()
    }
    whole = kept.pop(OVERALL)
    spec = public.spec
    (seed,) = {str(task.private_seed) for task in _generated(private)}
    return Gap(
        public=public.id,
        private=private.id,
        model=spec.subject.artifact.name,
        engine=spec.subject.engine,
        simulated=public.simulated,
        seed=withholding.withheld(seed),
        families=_rows(kept),
        overall=_rows({OVERALL: whole})[0],
        in_both={
            name: left
            for name in families
            if (left := len(_items(sides[name][0])) - len(_items(kept[name][0])))
        },
        pooled=families,
        confidence=_CONFIDENCE,
        faults={one.id: faults_of(one) for one in (public, private)},
    )


def _kinds(record: RunRecord) -> set[bool]:
    """Say of the tasks whether their items are private."""
    return {task.private_seed is not None for task in _generated(record)}


def _generated(record: RunRecord) -> tuple[Task, ...]:
    """Return the tasks that a seed draws: a file or set has no private items."""
    return tuple(task for task in record.spec.tasks if task.source is None)


def _changed(mine: Task, theirs: Task) -> list[str]:
    named = (field.name for field in fields(Task) if field.name not in _MAY_DIFFER)
    return [name for name in named if getattr(mine, name) != getattr(theirs, name)]


def _rows(sides: Mapping[str, tuple[Marked, Marked]]) -> tuple[GapRow, ...]:
    """Return a row for each; all of them share one error."""
    seen = {name: found for name, both in sides.items() if (found := _shares(*both)) is not None}
    raw = {
        name: unpaired.p_no_difference(found)
        for name, found in seen.items()
        if not any(too_few_run(side.marks) for side in sides[name])
    }
    alpha = 1 - _CONFIDENCE
    adjusted = dict(zip(raw, holm(list(raw.values())), strict=True))
    levels = dict(zip(raw, levels_of(list(raw.values()), alpha), strict=True))
    rows = []
    for name, (mine, theirs) in sides.items():
        why = _NOT_RUN if name in seen else _NONE_LEFT
        known = name in raw
        rows.append(
            GapRow(
                name=name,
                public=count(mine.marks, mine.clusters),
                private=count(theirs.marks, theirs.clusters),
                gap=_estimate(seen[name], levels[name]) if known else Estimate(why, why, why, 0),
                p=_derived(raw[name]) if known else why,
                p_adjusted=_derived(adjusted[name]) if known else why,
                wanting=sum(
                    isinstance(mark.outcome, NotRun)
                    for side in (mine, theirs)
                    for mark in side.marks.values()
                ),
            )
        )
    return tuple(rows)


def _estimate(seen: unpaired.Shares, level: float) -> Estimate:
    low, high = unpaired.interval(seen, 1 - level)
    items = seen.first_items + seen.second_items
    return Estimate(_derived(seen.difference), _derived(low), _derived(high), items)


def _shares(mine: Marked, theirs: Marked) -> unpaired.Shares | None:
    """Count the right answers of what was run; None where either side has none."""
    (first, ours), (second, others) = _hits(mine), _hits(theirs)
    return unpaired.shares(first, second, ours, others) if first and second else None


def _hits(side: Marked) -> tuple[list[bool], list[str]]:
    known = [key for key in sorted(side.marks) if not isinstance(side.marks[key].outcome, NotRun)]
    hits = [isinstance(side.marks[key].outcome, Right) for key in known]
    return hits, [side.clusters.get(key, key) for key in known]


def _derived(value: float) -> Reading[float]:
    return Measured(value, "derived")


def _tasks(record: RunRecord) -> dict[str, Section]:
    generated = {task.section for task in _generated(record)}
    return {section.name: section for section in record.sections if section.name in generated}


def _marked(sections: Sequence[Section]) -> Marked:
    return Marked(
        {f"{s.name}/{item}": mark for s in sections for item, mark in s.marks.items()},
        {f"{s.name}/{item}": f"{s.name}/{c}" for s in sections for item, c in s.clusters.items()},
    )


def _without(side: Marked, items: set[str]) -> Marked:
    """Leave the items out; an item's id is behind the name of its section."""
    return only(side, {key for key in side.marks if _id(key) not in items})


def _ids(sections: Mapping[str, Section]) -> set[str]:
    return {item_of(sample) for section in sections.values() for sample in section.marks}


def _items(side: Marked) -> set[str]:
    return {_id(key) for key in side.marks}


def _id(key: str) -> str:
    return item_of(key.rpartition("/")[2])
