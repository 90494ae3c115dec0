"""What a judge's scores say of a task, and what the judging took.

The mean has the interval of `stats.proportions`: a score between 0 and 1 scatters no more than a
trial does. An answer without a score is in no mean and counted by its reason. A judge that was not
held against human labels proves nothing of the answers; that is said wherever scores are shown. Not
aware of replies or rubrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from steelyard.domain.evaluation import JudgedBy, JudgeScore
from steelyard.domain.judging import NOT_JUDGED, Judging
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt, Usage
from steelyard.domain.task import Invalid, Mark, NotRun, Wrong
from steelyard.stats.proportions import mean_share_estimate


def scores(marks: Mapping[str, Mark], clusters: Mapping[str, str]) -> JudgeScore | None:
    """Return the mean score with its interval; None where no judge was to be asked of anything."""
    given = {item: mark.judge for item, mark in marks.items() if mark.judge is not None}
    waiting = sum(_waits(mark) for mark in marks.values())
    if not given and not waiting:
        return None
    known = {item: one.value for item, one in given.items() if isinstance(one, Measured)}
    ids = sorted(known)
    missing = (one.code for one in given.values() if isinstance(one, Missing))
    return JudgeScore(
        score=mean_share_estimate(
            [known[item] for item in ids], [clusters.get(item, item) for item in ids], len(ids)
        ),
        unscorable=dict(sorted(Counter(missing).items())),
        unasked=sum(
            mark.judge is None and isinstance(mark.outcome, Wrong | Invalid)
            for mark in marks.values()
        ),
        waiting=waiting,
    )


def judged_by(record: RunRecord) -> JudgedBy | None:
    """Return who judged a run and what it took, the requests included that came to nothing."""
    judging = record.judging
    if judging is None:
        return None
    asked = [attempt for each in judging.attempts.values() for attempt in each]
    every = [*judging.trial, *asked]
    artifact = judging.judge.artifact
    return JudgedBy(
        model=artifact.name,
        sha256=artifact.sha256,
        engine=judging.judge.engine,
        bound=judging.bound,
        rubrics=judging.rubrics,
        outcome=judging.outcome,
        reason=judging.reason,
        calls=len(every),
        again=sum(attempt.ask > 0 or attempt.tries > 0 for attempt in asked),
        failed=sum(attempt.outcome.kind == "failed" for attempt in every),
        prompt_tokens=_tokens(every, lambda usage: usage.prompt_tokens),
        output_tokens=_tokens(every, lambda usage: usage.output_tokens),
        billed=_billed(every),
        pass_marks=judging.pass_marks,
    )


def other_judge(first: Judging | None, second: Judging | None, task: str) -> str:
    """Return what keeps a task of two runs from being put side by side; empty for nothing.

    Where either needed no judge, both were marked by the same check. The rubric and the pass mark
    are part of a task's own identity, so that others make another task already.
    """
    both = [one for one in (first, second) if one is not None and task in one.attempts]
    if len(both) < 2:  # noqa: PLR2004 - of a pair
        return ""
    mine, theirs = both
    if (mine.judge.artifact, mine.judge.engine) != (theirs.judge.artifact, theirs.judge.engine):
        names = (f"{one.judge.artifact.name} on {one.judge.engine}" for one in both)
        return f"judged by {' and by '.join(names)}: each has a scale of its own"
    if mine.revision != theirs.revision:
        return "judged under other instructions"
    if mine.bound != theirs.bound:
        return f"the judge was asked to keep to {mine.bound}, and to {theirs.bound}"
    return ""


def _waits(mark: Mark) -> bool:
    return isinstance(mark.outcome, NotRun) and mark.outcome.why == NOT_JUDGED


def _tokens(attempts: Sequence[Attempt], count: Callable[[Usage], int]) -> Reading[int]:
    """Return the sum over all answered requests, or why one of them was not counted."""
    total = 0
    for attempt in attempts:
        if attempt.outcome.kind != "completed":
            continue
        if isinstance(attempt.usage, Missing):
            return attempt.usage
        total += count(attempt.usage.value)
    return Measured(total, "derived")


def _billed(attempts: Sequence[Attempt]) -> Reading[float]:
    total = 0.0
    for attempt in attempts:
        if attempt.outcome.kind != "completed":
            continue
        if isinstance(attempt.cost, Missing):
            return attempt.cost
        total += attempt.cost.value
    return Measured(total, "derived")
