"""What a judge said, as plain text, under what was right and wrong. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from steelyard.app.evals.texts import counted, number, table
from steelyard.domain.evaluation import Evaluation, Graded, JudgedBy, TaskScore
from steelyard.domain.reading import Measured

_DIGITS: Final = 12
UNPROVEN: Final = (
    "The judge is unproven: nobody has held its scores against those of people. Read them as its "
    "opinion."
)


def judging_text(found: Evaluation) -> str:
    """Return the judge's scores, one line a task, with who it was; empty where none was asked."""
    return "\n".join(_judging(found))


def _judging(found: Evaluation) -> Iterator[str]:
    told = [(score, score.judge) for score in found.tasks if score.judge is not None]
    if not told:
        return
    yield ""
    heads = ("judge score, 0 to 1", "mean", "95 %", "n", "unscorable", "no judge needed", "waiting")
    rows = [
        (
            score.task,
            number(judge.score.value, 2),
            f"[{number(judge.score.low, 2)}, {number(judge.score.high, 2)}]",
            str(judge.score.n),
            str(sum(judge.unscorable.values())),
            str(judge.unasked),
            str(judge.waiting),
        )
        for score, judge in told
    ]
    yield table([heads, *rows])
    yield from filter(None, (_why(score) for score, _ in told))
    if found.judging is None:
        yield "No judge has been asked yet."
        return
    yield from who(found.judging)


def contrast_text(found: Mapping[str, Graded]) -> Iterator[str]:
    """Return what the second of two runs lost of one judge's score."""
    if not found:
        return
    yield "Judge score lost, second against first, on a scale from 0 to 1"
    heads = ("task", "lost", "95 %", "n", "Cohen's d")
    yield table([heads, *(_lost(task, each) for task, each in found.items())])
    yield UNPROVEN


def _lost(task: str, each: Graded) -> tuple[str, ...]:
    value, low, high = (number(one, 2) for one in (each.loss.value, each.loss.low, each.loss.high))
    return task, value, f"[{low}, {high}]", str(each.loss.n), number(each.d, 2)


def _why(score: TaskScore) -> str:
    if score.judge is None or not score.judge.unscorable:
        return ""
    counts = ", ".join(f"{count} {why}" for why, count in score.judge.unscorable.items())
    return f"  {score.task}: no score: {counts}"


def who(by: JudgedBy) -> Iterator[str]:
    """Say who judged, by which rubric, what it took, and that nothing vouches for it."""
    content = f", sha256 {by.sha256[:_DIGITS]}" if by.sha256 else ""
    yield f"Judged by {by.model} on {by.engine}{content}; replies asked to keep to: {by.bound}"
    rubrics = ", ".join(f"{task} {sha256[:_DIGITS]}" for task, sha256 in by.rubrics.items())
    yield f"  rubric: {rubrics}"
    passes = ", ".join(f"{task} from {score:g} on" for task, score in by.pass_marks.items())
    if passes:
        yield f"  right by the judge's word: {passes}"
    parts = [
        counted(by.calls, "request"),
        f"{by.again} of them a second time",
        f"{by.failed} failed",
    ]
    if isinstance(by.prompt_tokens, Measured) and isinstance(by.output_tokens, Measured):
        parts.append(f"{by.prompt_tokens.value:,} + {by.output_tokens.value:,} tokens")
    if isinstance(by.billed, Measured):
        parts.append(f"{by.billed.value:.6f} USD")
    yield f"  {', '.join(parts)}: none of it is in the tokens, times and costs above"
    if by.outcome != "completed":
        yield f"  the judge {by.outcome}: {by.reason}; the same command with --out goes on"
    yield UNPROVEN
