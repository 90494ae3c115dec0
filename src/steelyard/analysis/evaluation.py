"""What a run's tasks say, and what one run's say beside another's.

Two runs are paired item by item, so only the same tasks (family, level, seed, revision) meet. The
verdicts of single tasks are one family of Holm's; the pooled one stands by itself, decided in
advance to be the main one. There is no A/A row here: the margin stands in for the floor, so
nothing below it is called worse. Not aware of stores. Sources: DESIGN §2; `analysis.verdict`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from steelyard.analysis.marks import adherence, count
from steelyard.analysis.verdict import Marked, judge_pairs
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Contrast, Evaluation, Pairing, TaskScore
from steelyard.domain.metric import Band
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.summary import Verdict
from steelyard.domain.task import Mark, NotRun, Right
from steelyard.stats.families import holm
from steelyard.stats.paired import mcnemar_exact
from steelyard.stats.power import smallest_visible_loss

OVERALL: Final = "overall"
# Limits of excellent, good, acceptable and poor, as shares of right answers.
BANDS: Final[Mapping[str, tuple[float, ...]]] = {
    OVERALL: (0.90, 0.80, 0.70, 0.60),
    "math_words": (0.90, 0.80, 0.70),
    "reading": (0.85, 0.75, 0.65),
    "logic": (0.85, 0.75, 0.65),
    "formats": (0.95, 0.90, 0.80),
}
_NAMES: Final[tuple[Band, ...]] = ("excellent", "good", "acceptable", "poor")
_NO_BANDS: Final = Missing("no_bands", "no bands are agreed on for this family")
_NONE_RUN: Final = Missing("no_items", "no item was run")
_NOT_READ: Final = Missing("one_reading", "these answers are read in one way only")


def evaluate(record: RunRecord) -> Evaluation:
    """Count what the tasks of a run found, task by task and together."""
    sections = _tasks(record)
    subject = record.spec.subject
    return Evaluation(
        run=record.id,
        model=subject.artifact.name,
        engine=subject.engine,
        outcome=record.outcome,
        reason=record.reason,
        simulated=record.simulated,
        tasks=tuple(_score(name, [section]) for name, section in sections.items()),
        overall=_score(OVERALL, list(sections.values())),
    )


def contrast(
    first: RunRecord, second: RunRecord, margin: float, differs: Iterable[str]
) -> Contrast:
    """Pair two runs; tasks that only one has, or that are not the same, are named with the reason.

    Raises `ValueError` where no task is shared.
    """
    mine, theirs = _tasks(first), _tasks(second)
    unpaired = dict(_unpaired(first, second))
    shared = [name for name in mine if name in theirs and name not in unpaired]
    if not shared:
        raise ValueError("no task is shared")
    gates = Gates(margin=margin)
    sides = {name: (_marked([mine[name]]), _marked([theirs[name]])) for name in shared}
    pairings = _paired(sides, gates)
    both = tuple(_marked([found[name] for name in shared]) for found in (mine, theirs))
    (overall,) = _paired({OVERALL: (both[0], both[1])}, gates)
    return Contrast(
        first=first.id,
        second=second.id,
        first_name=first.spec.subject.artifact.name,
        second_name=second.spec.subject.artifact.name,
        differs=tuple(differs),
        simulated=first.simulated,
        margin=margin,
        tasks=pairings,
        overall=overall,
        unpaired=unpaired,
    )


def band(task: str, share: float) -> Reading[Band]:
    """Return the absolute band of a share of right answers; below the last limit it is failed."""
    limits = BANDS.get(task.partition("/")[0])
    if limits is None:
        return _NO_BANDS
    for name, limit in zip(_NAMES, limits, strict=False):
        if share >= limit:
            return Measured(name, "derived")
    return Measured("failed", "derived")


def _score(task: str, sections: Sequence[Section]) -> TaskScore:
    marked = _marked(sections)
    marks = count(marked.marks, marked.clusters)
    share = marks.right_share.value
    tokens, seconds = _per_item(sections, "output_tokens"), _per_item(sections, "seconds")
    return TaskScore(
        task=task,
        marks=marks,
        adherence=adherence(marked.marks, marked.clusters),
        disagreement=disagreement(marked.marks.values()),
        output_tokens=tokens,
        answer_s=seconds,
        band=band(task, share.value) if isinstance(share, Measured) else _NONE_RUN,
    )


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


def _paired(sides: Mapping[str, tuple[Marked, Marked]], gates: Gates) -> tuple[Pairing, ...]:
    none = Missing("no_floor", "no A/A row was run")
    verdicts = judge_pairs(sides, gates, none)
    flips = {name: _flips(*pair) for name, pair in sides.items()}
    known = [name for name, found in flips.items() if found is not None]
    exact = {name: mcnemar_exact(*found[:2]) for name, found in flips.items() if found is not None}
    adjusted = dict(zip(known, holm([exact[name] for name in known]), strict=True))
    return tuple(
        _pairing(name, pair, verdicts[name], flips[name], (exact.get(name), adjusted.get(name)))
        for name, pair in sides.items()
    )


def _pairing(
    name: str,
    pair: tuple[Marked, Marked],
    verdict: Reading[Verdict],
    seen: tuple[int, int, int] | None,
    ps: tuple[float | None, float | None],
) -> Pairing:
    shares = [count(side.marks, side.clusters).right_share for side in pair]
    asked = len(pair[0].marks.keys() | pair[1].marks.keys())
    if seen is None or ps[0] is None or ps[1] is None:
        no = Missing("no_paired_items", "no item was run on both sides")
        return Pairing(name, shares[0], shares[1], no, no, no, no, no, asked)
    lost, won, n = seen
    odds: Reading[float] = (
        Measured(won / lost, "derived")
        if lost
        else Missing("no_flips_lost", f"nothing was lost, {won} won")
    )
    return Pairing(
        task=name,
        first_share=shares[0],
        second_share=shares[1],
        verdict=verdict,
        p=Measured(ps[0], "derived"),
        p_adjusted=Measured(ps[1], "derived"),
        odds=odds,
        visible=Measured(smallest_visible_loss(n, (lost + won) / n), "estimated"),
        left_out=asked - n,
    )


def _flips(first: Marked, second: Marked) -> tuple[int, int, int] | None:
    """Return how many items were lost, won and paired."""
    both = [
        (isinstance(mark.outcome, Right), isinstance(other.outcome, Right))
        for item, mark in first.marks.items()
        if (other := second.marks.get(item)) is not None
        and not isinstance(mark.outcome, NotRun)
        and not isinstance(other.outcome, NotRun)
    ]
    if not both:
        return None
    return sum(a and not b for a, b in both), sum(b and not a for a, b in both), len(both)


def _unpaired(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, str]]:
    mine, theirs = (
        {f"{t.family}/l{t.level}": t for t in record.spec.tasks} for record in (first, second)
    )
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in mine or name not in theirs:
            yield name, f"only {(first if name in mine else second).id} has it"
        elif (ours := mine[name]) != (other := theirs[name]):
            same = ("seed", "split", "revision", "private_seed")
            changed = [key for key in same if getattr(ours, key) != getattr(other, key)]
            if changed:
                yield name, f"other {', '.join(changed)}, so other items"


def _tasks(record: RunRecord) -> dict[str, Section]:
    return {section.name: section for section in record.sections if section.kind == "task"}


def _marked(sections: Sequence[Section]) -> Marked:
    """Key marks by task and item: two tasks may use one id."""
    return Marked(
        {f"{s.name}/{item}": mark for s in sections for item, mark in s.marks.items()},
        {f"{s.name}/{item}": f"{s.name}/{c}" for s in sections for item, c in s.clusters.items()},
    )
