"""What a run's tasks say, and what one run's say beside another's.

Two runs are paired item by item, so only the same tasks (family, level, seed, revision) meet. The
verdicts are those of families, pooled over levels and corrected by Holm over the families that are
compared. The one over everything stands by itself, decided in advance to be the main one. Single
tasks are a second look: corrected over all of them, and nothing rests on them unless the levels of
a family do not lose alike. Without an A/A row the margin stands in for the floor, so nothing below
it is called worse. Not aware of stores.
Sources: DESIGN §2; `analysis.verdict`, `analysis.strata`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import graded, judge_scores, retrieval, strata, to_decide
from steelyard.analysis.answer_worth import worth
from steelyard.analysis.bands import OVERALL, rated
from steelyard.analysis.clusters import clusters_of
from steelyard.analysis.determinism import identical
from steelyard.analysis.effects import SAMPLED, effects, sampled
from steelyard.analysis.marks import adherence, by_constraint, count
from steelyard.analysis.passing import passing, withheld
from steelyard.analysis.repeats import not_drawn, repeats
from steelyard.analysis.thinking import ledger, length_ratio, starved
from steelyard.analysis.verdict import Marked, Pairs, floor, judge_pairs, only, pair
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Contrast, Evaluation, Pairing, TaskScore
from steelyard.domain.faults import faults_of
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section, Stopped
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, Task
from steelyard.stats.families import holm
from steelyard.stats.paired import mcnemar_exact
from steelyard.stats.power import smallest_visible_loss

_NONE_RUN: Final = Missing("no_items", "no item was run")
_NO_FLOOR: Final = Missing("no_aa_row", "no run of the first once more was given")
_NOT_ALL_AGAIN: Final = Missing("no_aa_row", "the first was not asked all of it once more")
_NO_BAND: Final = Missing("no_bands", "no bands are agreed on for items in several forms")
_NOT_READ: Final = Missing("one_reading", "these answers are read in one way only")


def evaluate(record: RunRecord) -> Evaluation:
    """Count what the tasks of a run found, task by task and together."""
    sections = _tasks(record)
    subject = record.spec.subject
    whole = _score(OVERALL, list(sections.values()), record)
    grouped = strata.families(record.spec.tasks, sections)
    return Evaluation(
        run=record.id,
        model=subject.artifact.name,
        engine=subject.engine,
        outcome=record.outcome,
        reason=record.reason,
        simulated=record.simulated,
        tasks=tuple(_score(name, [section], record) for name, section in sections.items()),
        overall=replace(whole, band=_NO_BAND) if _varied(record) else whole,
        retrieval=tuple(
            found for section in sections.values() if (found := retrieval.score(section))
        ),
        beside_first=_beside_first(record, sections),
        stopped="" if record.stopped is None else _stopped(record.stopped),
        judging=judge_scores.judged_by(record),
        left_out=record.left_out,
        faults=faults_of(record),
        families=tuple(
            _score(family, [sections[name] for name in names], record)
            for family, names in grouped.items()
        ),
        pooled=grouped,
    )


def _varied(record: RunRecord) -> bool:
    """Say whether items were asked in several forms: bands are agreed on for clean ones."""
    return any(task.vary for task in record.spec.tasks)


def _beside_first(record: RunRecord, sections: Mapping[str, Section]) -> tuple[Pairing, ...]:
    """Pair each further setting of a task with the first: they have the same items."""
    first: dict[str, Section] = {}
    sides = {}
    for task in record.spec.tasks:
        if (section := sections.get(task.section)) is None or not task.settings:
            continue
        if (before := first.setdefault(task.base, section)) is not section:
            sides[section.name] = (_marked([before]), _marked([_named(section, before.name)]))
    return pairings(sides, Gates()) if sides else ()


def contrast(
    first: RunRecord,
    second: RunRecord,
    margin: float,
    differs: Iterable[str],
    again: RunRecord | None = None,
) -> Contrast:
    """Pair two runs; tasks that only one has, or that are not the same, are named with the reason.

    `again` is the first once more: how far the two lie apart is the A/A floor.
    Raises `ValueError` where no task is shared.
    """
    sides, unpaired = shared(first, second)
    if not sides:
        raise ValueError("no task is shared")
    gates = Gates(margin=margin)
    families = strata.families(first.spec.tasks, sides)
    rows = {**{name: (name,) for name in sides}, **families, OVERALL: tuple(sides)}
    both = {row: _joined_sides([sides[name] for name in names]) for row, names in rows.items()}
    item_s = sum(to_decide.item_s(_tasks(run).values()) for run in (first, second))
    floors = {} if again is None else _floors(first, again, both, rows, gates)
    asked = _asked(first, second, rows)
    cut = {row: (starved(mine), starved(theirs)) for row, (mine, theirs) in asked.items()}
    (overall,) = _timed(pairings({OVERALL: both[OVERALL]}, gates, floors, cut), item_s)
    by_family = {family: both[family] for family in families}
    if _varied(first) or _varied(second):
        overall = replace(overall, first_band=_NO_BAND, second_band=_NO_BAND)
    return Contrast(
        first=first.id,
        second=second.id,
        first_name=first.spec.subject.artifact.name,
        second_name=second.spec.subject.artifact.name,
        differs=(*differs, *_other_forms(first, second)),
        simulated=first.simulated,
        margin=margin,
        tasks=_timed(pairings(sides, gates, floors, cut), item_s),
        overall=overall,
        unpaired=unpaired,
        formats={row: graded.formats(*side, gates.confidence) for row, side in both.items()},
        lengths={row: length_ratio(*each) for row, each in asked.items()},
        thinking={row: (ledger(mine), ledger(theirs)) for row, (mine, theirs) in asked.items()},
        stopped=tuple(_stopped_early(first, second)),
        identical=identical(first, second, sides),
        again="" if again is None else again.id,
        floors=floors,
        judged={
            name: found
            for name, side in sides.items()
            if (found := graded.judge_scores(*side, gates.confidence)).loss.n
        },
        left_out=tuple(_left_out(first, second)),
        faults={one.id: faults_of(one) for one in (first, second, again) if one is not None},
        families=_timed(pairings(by_family, gates, floors, cut), item_s),
        pooled=strata.pooled(families, {name: pair(*side) for name, side in sides.items()}),
    )


def _stopped_early(*records: RunRecord) -> Iterator[str]:
    for record in records:
        if record.stopped is not None:
            yield f"{record.id}: {_stopped(record.stopped)}"


def _left_out(*records: RunRecord) -> Iterator[str]:
    for record in records:
        yield from (f"{record.id}: {family}, {why}" for family, why in record.left_out.items())


def _floors(
    first: RunRecord,
    again: RunRecord,
    both: Mapping[str, tuple[Marked, Marked]],
    rows: Mapping[str, Sequence[str]],
    gates: Gates,
) -> dict[str, Reading[float]]:
    """Return the A/A floor of each row's tasks together; Missing unless all were asked again."""
    twins, _ = shared(first, again)
    twin = {name: side[1] for name, side in twins.items()}
    return {
        row: floor(both[row][0], _joined([twin[name] for name in names]), gates)
        if twin.keys() >= set(names)
        else _NOT_ALL_AGAIN
        for row, names in rows.items()
    }


def _asked(
    first: RunRecord, second: RunRecord, rows: Mapping[str, Sequence[str]]
) -> dict[str, tuple[list[Section], list[Section]]]:
    """Return what either run asked of each row's tasks."""
    mine, theirs = _tasks(first), _beside(first, second)
    return {
        row: ([mine[name] for name in names], [theirs[name] for name in names])
        for row, names in rows.items()
    }


def shared(
    first: RunRecord, second: RunRecord
) -> tuple[dict[str, tuple[Marked, Marked]], dict[str, str]]:
    """Return both sides of each task that is the same in both runs, and why others are not."""
    mine, theirs = _tasks(first), _beside(first, second)
    unpaired = dict(_unpaired(first, second))
    sides = {
        name: (_marked([mine[name]]), _marked([theirs[name]]))
        for name in mine
        if name in theirs and name not in unpaired
    }
    # What one was never asked is no item that failed to run.
    stopped = first.stopped is not None or second.stopped is not None
    told = {task.section for task in first.spec.tasks if task.vary or stopped}
    sides = {
        name: (only(one, other.marks), only(other, one.marks)) if name in told else (one, other)
        for name, (one, other) in sides.items()
    }
    return sides, unpaired


def _other_forms(first: RunRecord, second: RunRecord) -> Iterator[str]:
    """Name the varied tasks of which one whole run has forms that the other was never asked."""
    if first.stopped is not None or second.stopped is not None:
        return
    mine, theirs = _tasks(first), _tasks(second)
    for name in (task.section for task in first.spec.tasks if task.vary):
        if name in mine and name in theirs:
            ours, others = mine[name].marks.keys(), theirs[name].marks.keys()
            if alone := ours ^ others:
                yield (
                    f"forms of {name} ({len(alone):,} of {len(ours | others):,} items are in one "
                    "run only and left out: another version of steelyard drew them)"
                )


def _score(task: str, sections: Sequence[Section], record: RunRecord) -> TaskScore:
    marked = _marked(sections)
    marks = count(marked.marks, marked.clusters)
    tokens, seconds = _per_item(sections, "output_tokens"), _per_item(sections, "seconds")
    return TaskScore(
        task=task,
        marks=marks,
        adherence=adherence(marked.marks, marked.clusters),
        disagreement=disagreement(marked.marks.values()),
        output_tokens=tokens,
        answer_s=seconds,
        band=rated(task, marks, starved=starved(sections)),
        worth=worth(record, sections),
        thinking=ledger(sections),
        parts={} if task == OVERALL else by_constraint(marked.marks, marked.clusters),
        pass_at=_passing(marked, record),
        judge=None if task == OVERALL else judge_scores.scores(marked.marks, marked.clusters),
        repeated=repeats(sections).share,
    )


def _passing(marked: Marked, record: RunRecord) -> dict[str, Estimate]:
    # Of one sample pass@1 would be the share of right answers, said twice.
    if not sampled(marked.marks):
        return {}
    found = passing(marked.marks, marked.clusters)
    return found if not_drawn(record) is None else withheld(found)


def _per_item(sections: Sequence[Section], what: str) -> Reading[float]:
    """Return the mean of each item's sum over its questions."""
    sums: dict[str, float] = {}
    for section in sections:
        for attempt in section.attempts:
            if attempt.outcome.kind != "completed":
                continue
            if what == "seconds":
                value = (attempt.done_ns - attempt.sent_ns) / 1e9
            elif isinstance(attempt.usage, Measured):
                value = float(attempt.usage.value.output_tokens)
            else:
                return attempt.usage
            key = f"{section.name}/{attempt.sample}"
            sums[key] = sums.get(key, 0.0) + value
    return Measured(statistics.fmean(sums.values()), "derived") if sums else _NONE_RUN


def disagreement(marks: Iterable[Mark]) -> Reading[float]:
    """Count answers that both readings found and took for different ones.

    Where only the flexible one found any, the form was not kept: that is told as adherence.
    """
    pairs = [
        strict != flexible
        for mark in marks
        if (strict := mark.extracted.get("strict")) is not None
        and (flexible := mark.extracted.get("flexible")) is not None
    ]
    return Measured(sum(pairs) / len(pairs), "derived") if pairs else _NOT_READ


def pairings(
    sides: Mapping[str, tuple[Marked, Marked]],
    gates: Gates,
    floors: Mapping[str, Reading[float]] | None = None,
    cut: Mapping[str, tuple[bool, bool]] | None = None,
) -> tuple[Pairing, ...]:
    """Set the second of each pair beside the first; all of them share one error budget.

    `cut` says of both whether most answers were cut while thinking.
    """
    verdicts = judge_pairs(sides, gates, dict.fromkeys(sides, _NO_FLOOR) | dict(floors or {}))
    pairs = {name: found for name, both in sides.items() if (found := pair(*both)) is not None}
    sizes = effects({name: (sides[name][0], found) for name, found in pairs.items()}, gates)
    # Samples of one item are no independent pairs, for which the exact test is made.
    exact = {
        name: mcnemar_exact(*_flips(found))
        for name, found in pairs.items()
        if not sampled(sides[name][0].marks)
    }
    adjusted = dict(zip(exact, holm(list(exact.values())), strict=True))
    no = Missing("no_paired_items", "no item was run on both sides")

    def no_p(name: str) -> Missing:
        return SAMPLED if name in pairs else no

    rows = []
    for name, (first, second) in sides.items():
        ours, theirs = count(first.marks, first.clusters), count(second.marks, second.clusters)
        short = (cut or {}).get(name, (False, False))
        one = Pairing(
            task=name,
            first_share=ours.right_share,
            second_share=theirs.right_share,
            verdict=verdicts[name],
            p=Measured(exact[name], "derived") if name in exact else no_p(name),
            p_adjusted=Measured(adjusted[name], "derived") if name in exact else no_p(name),
            visible=_visible(pairs[name]) if name in pairs else no,
            left_out=len(first.marks.keys() | second.marks.keys())
            - (len(pairs[name].seen) if name in pairs else 0),
            effect=Measured(sizes[name], "derived") if name in pairs else no,
            first_band=rated(name, ours, starved=short[0]),
            second_band=rated(name, theirs, starved=short[1]),
        )
        rows.append(one)
    return tuple(rows)


def _timed(found: Iterable[Pairing], item_s: float) -> tuple[Pairing, ...]:
    """Add how much longer the undecided ones would take."""
    return tuple(replace(one, more_s=to_decide.more_s(one.verdict, item_s)) for one in found)


def _visible(pairs: Pairs) -> Measured[float]:
    n = len(pairs.seen)
    least = smallest_visible_loss(n, sum(_flips(pairs)) / n, design_effect=pairs.effect)
    return Measured(least, "estimated")


def _flips(pairs: Pairs) -> tuple[int, int]:
    return sum(d > 0 for d in pairs.seen), sum(d < 0 for d in pairs.seen)


def _unpaired(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, str]]:
    mine, theirs = ({t.section: t for t in record.spec.tasks} for record in (first, second))
    for name, behind in _resettled(first, second).items():
        theirs[name] = theirs.pop(behind)
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in mine or name not in theirs:
            yield name, f"only {(first if name in mine else second).id} has it"
        elif (ours := mine[name]) != (other := theirs[name]):
            same = ("seed", "split", "revision", "private_seed", "samples", "vary")
            changed = [key for key in same if getattr(ours, key) != getattr(other, key)]
            if _sha256(ours) != _sha256(other):
                changed.append("content, columns or scorer")
            if changed:
                yield name, f"other {', '.join(changed)}, so other items"
        elif why := judge_scores.other_judge(first.judging, second.judging, name):
            yield name, why


def _resettled(first: RunRecord, second: RunRecord) -> dict[str, str]:
    """Return tasks of which either run has one setting, another one each: first's to second's."""
    mine, theirs = ({t.section: t.base for t in record.spec.tasks} for record in (first, second))
    alone = [
        {base: name for name, base in one.items() if list(one.values()).count(base) == 1}
        for one in (mine, theirs)
    ]
    return {
        name: alone[1][base]
        for base, name in alone[0].items()
        if base in alone[1] and alone[1][base] != name
    }


def _beside(first: RunRecord, second: RunRecord) -> dict[str, Section]:
    """Return the second's tasks, those in another setting by the first's name."""
    theirs = _tasks(second)
    for name, other in _resettled(first, second).items():
        if other in theirs:
            theirs[name] = _named(theirs.pop(other), name)
    return theirs


def resettled(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    """Name the tasks that are paired although they were asked with other settings."""
    return tuple(
        f"settings ({mine} → {theirs})" for mine, theirs in _resettled(first, second).items()
    )


def rethought(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    """Name the tasks that are paired although their answers had other room to think."""
    theirs = {task.base: task.thinking for task in second.spec.tasks}
    return tuple(
        f"room to think of {task.section} ({task.thinking:,} → {theirs[task.base]:,} tokens)"
        for task in first.spec.tasks
        if task.thinking != theirs.get(task.base, task.thinking)
    )


def _named(section: Section, name: str) -> Section:
    return replace(section, name=name)


def _sha256(task: Task) -> str:
    return "" if task.source is None else task.source.sha256


def _tasks(record: RunRecord) -> dict[str, Section]:
    return {section.name: section for section in record.sections if section.kind == "task"}


def _marked(sections: Sequence[Section]) -> Marked:
    """Key marks by task and item: two tasks may use one id."""
    return Marked(
        {f"{s.name}/{item}": mark for s in sections for item, mark in s.marks.items()},
        clusters_of(sections),
    )


def _stopped(stopped: Stopped) -> str:
    told = f"{stopped.asked:,} of {stopped.planned:,} items were asked: {stopped.why}"
    if stopped.cut:
        told += (
            f". {stopped.cut:,} more were broken off then and are left out together, those of them "
            "that were answered too: quick answers alone would not stand for all"
        )
    if not stopped.looked:
        return told
    return (
        f"{told}. The answers decided when to stop, so intervals and p-values for a number of "
        "items that was settled beforehand describe these and test nothing: the verdict is that "
        "of the choice"
    )


def _joined_sides(parts: Sequence[tuple[Marked, Marked]]) -> tuple[Marked, Marked]:
    return _joined([first for first, _ in parts]), _joined([second for _, second in parts])


def _joined(parts: Sequence[Marked]) -> Marked:
    return Marked(
        {item: mark for part in parts for item, mark in part.marks.items()},
        {item: cluster for part in parts for item, cluster in part.clusters.items()},
    )
