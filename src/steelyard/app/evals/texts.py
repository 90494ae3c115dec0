"""What an evaluation says, as plain text. Measures nothing and decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import barred
from steelyard.analysis.bands import STARVED, spanned
from steelyard.analysis.failure_hints import hint
from steelyard.analysis.sizing import USUAL_FLIPS, assumed
from steelyard.analysis.thinking import ROOM, more_room
from steelyard.app.evals import ceilings, fault_texts
from steelyard.app.evals.distinct import Distinct
from steelyard.domain import counts
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Evaluation, TaskScore
from steelyard.domain.judging import ONLY_SCORED
from steelyard.domain.ledger import Worth
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Marks, Thinking
from steelyard.reports.figures import LEAST_P, NOTHING
from steelyard.stats.power import smallest_visible_loss

SIMULATED: Final = "SIMULATED: a scripted engine with planted answers, nothing here was measured"
_SEVERAL: Final = 2
_COUNTS: Final = ("", "right", "95 %", "wrong", "invalid", "not run", "band")


def foresight(asked: Distinct) -> str:
    """Say what so many items can show, before they are asked."""
    items, tasks = asked.items, asked.tasks
    least = smallest_visible_loss(items, USUAL_FLIPS, design_effect=asked.effect)
    each = counted(items) if tasks == 1 else f"{counted(items)} in {tasks} tasks"
    if least >= 1:
        return f"{each}: beside another run of them, so few show nothing, not even the loss of all"
    return (
        f"{each}: beside another run of them, a loss of {least:.1%} or more will be seen "
        f"({assumed(asked.effect)}); a smaller one may not"
    )


def too_few(least: Mapping[str, float]) -> str:
    """Name the families of several whose items rule no loss of the margin out, whatever flips."""
    margin = Gates().margin
    few = [f"{family} {loss:.1%}" for family, loss in least.items() if loss >= margin]
    if len(least) <= 1 or not few:
        return ""
    return (
        f"by family, so few items leave a loss of {margin:.1%} possible even where none flips "
        f"(more --items rule it out, or the row over all): {', '.join(few)}"
    )


def shown_from(items: int, least: float) -> str:
    """Say the smallest loss that so many items show, as they flipped."""
    if least >= 1:
        return f"{counted(items)} cannot show a loss, however large it is"
    return f"{counted(items)} show a loss from {least:.1%} on"


def counted(number: int, one: str = "item") -> str:
    """Return a number of items in words, or of what `one` of them is called."""
    return counts.counted(number, one)


def unscored(items: int) -> str:
    """Say what comes of prompts without known answers."""
    told = counted(items, "prompt")
    return f"{told} without a known answer: what is said is kept, nothing is scored"


def only_scored(items: int) -> str:
    """Say what comes of answers that a judge scores without a pass mark."""
    told = counted(items, "answer")
    return f"{told} for a judge to score, and none is right or wrong without a pass mark"


def evaluation_text(found: Evaluation, *, by_level: bool = False) -> str:
    """Return the scores, one line a family; with `by_level` one for each of its tasks as well."""
    return "\n".join(_evaluation(found, by_level=by_level))


def _evaluation(found: Evaluation, *, by_level: bool) -> Iterator[str]:
    if found.simulated:
        yield SIMULATED
    yield f"{found.model} on {found.engine}, run {found.run}"
    if found.outcome != "completed":
        yield f"{found.outcome}: {found.reason}"
    named = row_names(found.pooled)
    families = [replace(score, task=named[score.task]) for score in found.families]
    scores = [*families, *([found.overall] if len(found.tasks) > 1 else [])]
    yield table([_COUNTS, *map(_row, scores)])
    yield from _shares(found)
    if by_level and len(found.tasks) > len(families):
        yield "By level"
        yield table([_COUNTS, *map(_row, found.tasks)])
        scores = [*scores[: len(families)], *found.tasks, *scores[len(families) :]]
    yield from filter(None, map(_why, scores))
    yield from filter(None, map(_thought, scores))
    yield from _room(scores)
    yield from (f"  {said}" for said in ceilings.of_evaluation(found))
    yield "What answers took"
    yield table([("", "format kept", "tokens", "s", ""), *map(_took, scores)])
    for score in families:
        yield from _parts(score)
    yield from _worth(found.overall.worth)
    if found.stopped:
        yield f"STOPPED EARLY: {found.stopped}"
    yield from (f"Not asked: {family}, {why}" for family, why in found.left_out.items())
    yield from _passing(scores)
    yield from fault_texts.lines(found.faults)


def row_names(pooled: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return how each family is shown: one of a single task by that, which names the level too."""
    return {family: tasks[0] if len(tasks) == 1 else family for family, tasks in pooled.items()}


def level_of(task: str) -> str:
    """Return the part of a task's name behind its family."""
    return task.rpartition("/")[2] or task


def _shares(found: Evaluation) -> Iterator[str]:
    """Say of each family with several levels what share of each was right."""
    right = {one.task: one.marks.right_share.value for one in found.tasks}
    for family, tasks in found.pooled.items():
        if len(tasks) > 1:
            told = ", ".join(f"{level_of(task)} {percent(right[task])}" for task in tasks)
            yield f"  {family}, right by level: {told}"


def _row(score: TaskScore) -> tuple[str, ...]:
    marks = score.marks
    return (
        score.task,
        f"{percent(marks.right_share.value)} {marks.right}",
        _points(marks.right_share),
        str(marks.wrong),
        str(marks.invalid),
        str(marks.not_run),
        score.band.value if isinstance(score.band, Measured) else NOTHING,
    )


def _points(found: Estimate) -> str:
    """Return the interval of a share that stands beside it, in points of a hundred."""
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"[{100 * found.low.value:.1f}, {100 * found.high.value:.1f}]"
    return NOTHING


def _took(score: TaskScore) -> tuple[str, ...]:
    return (
        score.task,
        percent(score.adherence.value),
        number(score.output_tokens, 0),
        number(score.answer_s, 2),
        "",
    )


def _passing(scores: Sequence[TaskScore]) -> Iterator[str]:
    told = [score for score in scores if score.pass_at]
    if not told:
        return
    ks = sorted({k for score in told for k in score.pass_at}, key=int)
    heads = ("one of k samples right", *(word for k in ks for word in (f"pass@{k}", "95 %")))
    yield ""
    yield table([(*heads, "items"), *(_pass_row(score, ks) for score in told)])
    for score in told:
        yield from _repeated(score)


def _repeated(score: TaskScore) -> Iterator[str]:
    """Say how many samples are another's words, and why a number is withheld."""
    if isinstance(score.repeated, Measured):
        same = percent(score.repeated)
        yield f"  {score.task}: {same} of the further samples are their item's first word for word"
    for k, found in score.pass_at.items():
        if isinstance(found.value, Missing) and found.value.code == "seed_ignored":
            yield f"  {score.task}: no pass@{k}: {found.value}"


def _pass_row(score: TaskScore, ks: Sequence[str]) -> tuple[str, ...]:
    cells = [score.task]
    for k in ks:
        found = score.pass_at.get(k)
        cells += [NOTHING] * 2 if found is None else [percent(found.value), interval(found)]
    return (*cells, str(score.pass_at[ks[0]].n) if ks[0] in score.pass_at else NOTHING)


def _why(score: TaskScore) -> str:
    """Name what was invalid or not run, the bands it may be in, and answers read in two ways."""
    marks, parts = score.marks, []
    reached = () if isinstance(score.band, Missing) else spanned(score.task, marks)
    if len(reached) > 1:
        parts.append(f"the interval reaches from {reached[0]} to {reached[-1]}")
    if marks.invalid:
        counts = ", ".join(f"{count} {why}" for why, count in marks.invalid_why.items())
        parts.append(f"invalid: {counts}")
    if marks.not_run and marks.not_run_why.keys() == {"no_known_answer"}:
        parts.append(f"{counted(marks.not_run, 'answer')} kept and not marked: none is known")
    elif marks.not_run and marks.not_run_why.keys() == {ONLY_SCORED}:
        told = counted(marks.not_run, "answer")
        parts.append(f"{told} scored and not marked: there is no pass mark")
    elif marks.not_run:
        counts = ", ".join(f"{count} {why}" for why, count in marks.not_run_why.items())
        parts.append(f"not run: {counts}; {_bounds(marks)}")
        parts += filter(None, map(_advice, marks.not_run_why))
    if isinstance(score.disagreement, Measured) and score.disagreement.value:
        parts.append(
            f"{score.disagreement.value:.1%} of the answers that both readings find differ"
        )
    return f"  {score.task}: {'; '.join(parts)}" if parts else ""


def _advice(why: str) -> str:
    """Say what an item was not run for, where that was found out beforehand, or what to do."""
    said = barred.BEFORE.get(why) or hint(why)
    return f"{why}: {said}" if said else ""


def _thought(score: TaskScore) -> str:
    said = thought(score.thinking)
    return f"  {score.task}: {said}" if said else ""


def thought(found: Thinking) -> str:
    """Say how answers were thought about, where anything is to be said."""
    parts = []
    if found.thought:
        about = "about " if _estimated(found.tokens.value) else ""
        tokens = number(found.tokens.value, 0)
        parts.append(
            f"{found.thought} of {found.answers} answers think, {about}{tokens} tokens each, "
            f"{about}{percent(found.share)} of all output"
        )
    if found.cut:
        within = f", {found.cut_thinking} of them while thinking" if found.cut_thinking else ""
        parts.append(f"{found.cut} ended at the limit{within}")
    if found.loops:
        parts.append(f"{found.loops} go round in circles")
    return "; ".join(parts)


def _room(scores: Sequence[TaskScore]) -> Iterator[str]:
    """Advise on all tasks together, or else on those that need it."""
    last = scores[-1:]
    told = last if any(map(room_advice, last)) else scores
    yield from (f"  {one.task}: {advice}" for one in told if (advice := room_advice(one)))


def room_advice(score: TaskScore) -> str:
    """Say how to give more room where most answers ended at their limit; else nothing."""
    if isinstance(score.band, Missing) and score.band.code == STARVED:
        return f"{score.band.detail}, so there is no band: `--thinking 4096` gives {ROOM}"
    return more_room(score.thinking)


def _estimated(reading: Reading[float]) -> bool:
    return isinstance(reading, Measured) and reading.source == "estimated"


def _worth(found: Worth) -> Iterator[str]:
    parts = [
        f"{spread(estimate, fine(estimate, digits))} {unit}"
        for estimate, digits, unit in (
            (found.seconds, 2, "s"),
            (found.tokens, 1, "tokens"),
            (found.joules, 1, "J"),
            (found.billed, 6, "USD"),
        )
        if isinstance(estimate.value, Measured)
    ]
    if parts:
        yield f"A right answer takes {', '.join(parts)}: wrong ones and thinking are in it"
    if found.unbilled and isinstance(found.billed.value, Measured):
        failed = counted(found.unbilled, "failed request")
        yield f"  or more USD: {failed} may have been charged too"


def fine(found: Estimate, digits: int) -> int:
    """Return so many digits, or more where a small number would lose its second one."""
    if isinstance(found.value, Missing) or not found.value.value:
        return digits
    return max(digits, 1 - math.floor(math.log10(abs(found.value.value))))


def spread(found: Estimate, digits: int) -> str:
    """Return a number with its interval, where it has one."""
    said = number(found.value, digits)
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"{said} [{number(found.low, digits)}, {number(found.high, digits)}]"
    return said


def _parts(score: TaskScore) -> Iterator[str]:
    """List what was demanded of the answers, part by part, where there are several."""
    if len(score.parts) < _SEVERAL:
        return
    yield f"  {score.task}: what held of the answers"
    rows = [
        (f"    {name}", percent(held.value), interval(held), f"n={held.n}", "")
        for name, held in score.parts.items()
    ]
    yield table(rows)


def _bounds(marks: Marks) -> str:
    low, high = percent(marks.worst_share), percent(marks.best_share)
    return f"right is from {low} (all of them wrong) to {high} (all right)"


def percent(reading: Reading[float]) -> str:
    """Return a share with one digit, or the sign for nothing."""
    return f"{reading.value:.1%}" if isinstance(reading, Measured) else NOTHING


def interval(found: Estimate) -> str:
    """Return the interval of a share, or the sign for nothing."""
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"[{found.low.value:.1%}, {found.high.value:.1%}]"
    return NOTHING


def p_value(reading: Reading[float]) -> str:
    """Return a p-value, small ones as a bound, or the sign for nothing."""
    if isinstance(reading, Missing):
        return NOTHING
    return f"<{LEAST_P}" if reading.value < LEAST_P else f"{reading.value:.3f}"


def number(reading: Reading[float], digits: int) -> str:
    """Return a number with so many digits, or the sign for nothing."""
    return f"{reading.value:,.{digits}f}" if isinstance(reading, Measured) else NOTHING


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns, all but the first and the last to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < n < len(row) - 1 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
