"""What an evaluation and a comparison of two say, as plain text. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from steelyard.domain.evaluation import Contrast, Evaluation, Pairing, TaskScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Marks, Verdict
from steelyard.reports.figures import NOTHING
from steelyard.stats.power import smallest_visible_loss

T = TypeVar("T")

_USUAL_FLIPS: Final = 0.1
_P_FLOOR: Final = 0.001


def foresight(items: int, tasks: int) -> str:
    """Say what so many items can show, before they are asked."""
    least = smallest_visible_loss(items, _USUAL_FLIPS)
    each = f"{items} items" if tasks == 1 else f"{items} items in {tasks} tasks"
    return (
        f"{each}: beside another run of them, a loss of {least:.1%} or more will be seen "
        f"(power 80 %, if {_USUAL_FLIPS:.0%} flip); a smaller one may not"
    )


def evaluation_text(found: Evaluation) -> str:
    """Return the scores, one line a task."""
    return "\n".join(_evaluation(found))


def contrast_text(found: Contrast) -> str:
    """Return two runs side by side with a verdict for each task and for all."""
    return "\n".join(_contrast(found))


def _evaluation(found: Evaluation) -> Iterator[str]:
    if found.simulated:
        yield "SIMULATED: a scripted engine with planted answers, nothing here was measured"
    yield f"{found.model} on {found.engine}, run {found.run}"
    if found.outcome != "completed":
        yield f"{found.outcome}: {found.reason}"
    heads = ("task", "right", "95 %", "wrong", "invalid", "not run", "format kept", "tokens", "s")
    scores = [*found.tasks, *([found.overall] if len(found.tasks) > 1 else [])]
    yield _table([(*heads, "band"), *(_row(score) for score in scores)])
    yield from filter(None, map(_why, scores))


def _row(score: TaskScore) -> tuple[str, ...]:
    marks = score.marks
    return (
        score.task,
        _percent(marks.right_share.value),
        _interval(marks.right_share),
        str(marks.wrong),
        str(marks.invalid),
        str(marks.not_run),
        _percent(score.adherence.value),
        _number(score.output_tokens, 0),
        _number(score.answer_s, 2),
        score.band.value if isinstance(score.band, Measured) else NOTHING,
    )


def _why(score: TaskScore) -> str:
    """Name what was invalid, what was not run, and answers that can be read in two ways."""
    marks, parts = score.marks, []
    if marks.invalid:
        counts = ", ".join(f"{count} {why}" for why, count in marks.invalid_why.items())
        parts.append(f"invalid: {counts}")
    if marks.not_run:
        parts.append(f"{marks.not_run} not run: {_bounds(marks)}")
    if isinstance(score.disagreement, Measured) and score.disagreement.value:
        parts.append(
            f"{score.disagreement.value:.1%} of the answers that both readings find differ"
        )
    return f"  {score.task}: {'; '.join(parts)}" if parts else ""


def _bounds(marks: Marks) -> str:
    low, high = _percent(marks.worst_share), _percent(marks.best_share)
    return f"right is from {low} (all of them wrong) to {high} (all right)"


def _contrast(found: Contrast) -> Iterator[str]:
    if found.simulated:
        yield "SIMULATED: a scripted engine with planted answers, nothing here was measured"
    yield f"first   {found.first_name}, run {found.first}"
    yield f"second  {found.second_name}, run {found.second}"
    yield f"differs {'; '.join(found.differs) or 'nothing: the same again'}"
    heads = ("task", "first", "second", "loss", "interval", "lost", "won", "p", "p (Holm)")
    pairings = [*found.tasks, *([found.overall] if len(found.tasks) > 1 else [])]
    yield _table([(*heads, "verdict"), *(_pairing(one) for one in pairings)])
    for one in pairings:
        yield from _told(one, found.margin)
    yield from (f"  not compared: {task}, {why}" for task, why in found.unpaired.items())


def _pairing(one: Pairing) -> tuple[str, ...]:
    first, second = _percent(one.first_share.value), _percent(one.second_share.value)
    match one.verdict:
        case Missing():
            return (one.task, first, second, *[NOTHING] * 6, NOTHING)
        case Measured(value=verdict):
            return (
                one.task,
                first,
                second,
                f"{verdict.loss:+.1%}",
                f"[{verdict.low:+.1%}, {verdict.high:+.1%}]",
                str(verdict.flips_lost),
                str(verdict.flips_won),
                _p(one.p),
                _p(one.p_adjusted),
                verdict.name,
            )


def _told(one: Pairing, margin: float) -> Iterator[str]:
    match one.verdict:
        case Missing() as why:
            yield f"  {one.task}: {why}"
        case Measured(value=verdict):
            yield f"  {one.task}: {verdict.reason}{_more(verdict, one, margin)}"


def _more(verdict: Verdict, one: Pairing, margin: float) -> str:
    parts = []
    if verdict.name == "undecided" and isinstance(verdict.to_decide_items, Measured):
        parts.append(f"about {verdict.to_decide_items.value:,} items would decide it")
    if isinstance(one.visible, Measured) and one.visible.value > margin:
        parts.append(f"{verdict.items} items show a loss from {one.visible.value:.1%} on")
    if one.left_out:
        parts.append(f"{one.left_out} items were not run on both sides")
    return f"; {'; '.join(parts)}" if parts else ""


def _p(reading: Reading[float]) -> str:
    if isinstance(reading, Missing):
        return NOTHING
    return "<0.001" if reading.value < _P_FLOOR else f"{reading.value:.3f}"


def _percent(reading: Reading[float]) -> str:
    return f"{reading.value:.1%}" if isinstance(reading, Measured) else NOTHING


def _interval(found: Estimate) -> str:
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"[{found.low.value:.1%}, {found.high.value:.1%}]"
    return NOTHING


def _number(reading: Reading[float], digits: int) -> str:
    return f"{reading.value:,.{digits}f}" if isinstance(reading, Measured) else NOTHING


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < n < len(row) - 1 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
