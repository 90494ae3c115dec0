"""Answers that wait for a judge: put before it once they all are there, and marked by what it says.

The answers are those of a record, so the judge may come at any time after, and what it said is read
again without asking it. Where there is no score the answer is `not_run`, neither right nor wrong.
Not aware of who judges or how it is reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.judging import NOT_JUDGED, ONLY_SCORED, UNSCORABLE, Bound
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.task import Item, Mark, NotRun, Outcome, Right, Task, Wrong, item_of
from steelyard.judging import case, reply
from steelyard.judging.case import Case, Matter
from steelyard.judging.reply import Fault, Scored
from steelyard.runs import doubtful
from steelyard.tasks.given.judged import JudgeScorer
from steelyard.tasks.items import Question
from steelyard.tasks.registry import generate
from steelyard.tasks.scoring import without_thought

# Why there is no score, where the same request would bring the same again.
_LASTING: Final = frozenset(
    {
        *reply.FAULTS,
        *("context_overflow", "prompt_cut", "content_filter", "template_broken"),
        *("stale_answer", "other_model"),
    }
)


@final
@dataclass(frozen=True, slots=True)
class Waiting:
    """One task's answers that wait: by sample, the question and what was answered to it."""

    task: Task
    matters: Mapping[str, Matter]
    scorer: JudgeScorer

    def cases(self, bound: Bound) -> list[Item]:
        """Return a machine for each of them."""
        return [Case(sample, matter, bound) for sample, matter in self.matters.items()]


def scorers(task: Task) -> dict[str, tuple[Question, JudgeScorer]]:
    """Return the items of a task that a judge marks, by their ids, with their scorers."""
    if task.source is None:
        return {}
    return {
        item.id: (item, item.scorer)
        for item in generate(task)
        if isinstance(item, Question) and isinstance(item.scorer, JudgeScorer)
    }


def waiting(record: RunRecord) -> list[Waiting]:
    """Return all that waits for a judge, task by task, in the order of the record."""
    sections = {section.name: section for section in record.sections}
    found = []
    for task in record.spec.tasks:
        asked = scorers(task)
        if asked and (section := sections.get(task.section)) is not None:
            _, scorer = next(iter(asked.values()))  # a file has one rubric for all of its rows
            matters = dict(_matters(section, asked))
            found.append(Waiting(replace(task, samples=1), matters, scorer))
    return [one for one in found if one.matters]


def _matters(
    section: Section, asked: Mapping[str, tuple[Question, JudgeScorer]]
) -> Iterator[tuple[str, Matter]]:
    last = {a.sample: a for a in sorted(section.attempts, key=lambda a: a.tries)}
    for sample, mark in section.marks.items():
        if not is_waiting(mark) or sample not in last:
            continue
        question, scorer = asked[item_of(sample)]
        yield (
            sample,
            Matter(
                question.prompt,
                without_thought(last[sample].answer),
                scorer.rubric,
                scorer.accepted,
                question.system,
            ),
        )


def is_waiting(mark: Mark) -> bool:
    """Say whether an answer came and nobody has judged it."""
    return isinstance(mark.outcome, NotRun) and mark.outcome.why == NOT_JUDGED


def unanswered(sections: Iterable[Section]) -> dict[str, dict[str, Missing]]:
    """Return of the judge's own sections, by task and sample, why a request came to nothing."""
    return {
        section.name: {
            sample: Missing(mark.outcome.why)
            for sample, mark in section.marks.items()
            if isinstance(mark.outcome, NotRun)
        }
        for section in sections
    }


def unfinished(record: RunRecord) -> bool:
    """Say whether a judge has more to do: it did not come up, or nothing more was answered."""
    return any(
        is_waiting(mark)
        or (isinstance(mark.judge, Missing) and mark.judge.code in doubtful.HOPELESS)
        for section in record.sections
        for mark in section.marks.values()
    )


def may_go_on(record: RunRecord) -> bool:
    """Say whether asking once more may bring scores: it waits, or a request of it failed."""
    return any(
        is_waiting(mark) or (isinstance(mark.judge, Missing) and mark.judge.code not in _LASTING)
        for section in record.sections
        for mark in section.marks.values()
    )


def undone(record: RunRecord) -> RunRecord:
    """Return the record with everything that a judge has marked waiting for one."""
    ours = (case.NUMBER, case.REASON)
    return replace(
        record,
        judging=None,
        sections=tuple(
            replace(
                section,
                marks={
                    sample: mark
                    if mark.judge is None
                    else replace(
                        mark,
                        outcome=NotRun(NOT_JUDGED),
                        judge=None,
                        extracted={k: v for k, v in mark.extracted.items() if k not in ours},
                    )
                    for sample, mark in section.marks.items()
                },
            )
            for section in record.sections
        ),
    )


def with_scores(record: RunRecord, failed: Mapping[str, Mapping[str, Missing]]) -> RunRecord:
    """Return the record with every waiting answer marked by what its judge said of it.

    `failed` says of which samples nothing came, by task. What the judge was never asked waits on.
    """
    if record.judging is None:
        return record
    tasks = {task.section: task for task in record.spec.tasks}
    replies = record.judging.attempts
    return replace(
        record,
        sections=tuple(
            _scored(
                section,
                scorers(tasks[section.name]),
                readings(replies[section.name]),
                failed.get(section.name, {}),
            )
            if section.name in replies and section.name in tasks
            else section
            for section in record.sections
        ),
    )


def failures(record: RunRecord) -> dict[str, dict[str, Missing]]:
    """Return what is known to have come to nothing: no reading of a reply can change that."""
    return {
        section.name: {
            sample: mark.judge
            for sample, mark in section.marks.items()
            if isinstance(mark.judge, Missing) and mark.judge.code not in reply.FAULTS
        }
        for section in record.sections
    }


def readings(attempts: Iterable[Attempt]) -> dict[str, Scored | Fault]:
    """Read the last whole reply about each sample."""
    return {
        attempt.sample: reply.read(attempt.text, attempt.finish_reason)
        for attempt in sorted(attempts, key=lambda a: (a.sample, a.tries, a.ask))
        if isinstance(attempt.outcome, Completed)
    }


def _scored(
    section: Section,
    asked: Mapping[str, tuple[Question, JudgeScorer]],
    replies: Mapping[str, Scored | Fault],
    failed: Mapping[str, Missing],
) -> Section:
    marks = dict(section.marks)
    for sample, mark in section.marks.items():
        if not is_waiting(mark) or (sample not in failed and sample not in replies):
            continue
        _, scorer = asked[item_of(sample)]
        read = replies.get(sample)
        if sample in failed or not isinstance(read, Scored):
            why = failed.get(sample) or Missing(str(read))
            marks[sample] = replace(mark, outcome=NotRun(UNSCORABLE), judge=why)
            continue
        marks[sample] = replace(
            mark,
            outcome=_outcome(read.score, scorer.pass_mark),
            judge=Measured(read.score, "derived"),
            extracted={**mark.extracted, **case.told(read).extracted},
        )
    return replace(section, marks=marks)


def _outcome(score: float, pass_mark: float | None) -> Outcome:
    if pass_mark is None:
        return NotRun(ONLY_SCORED)
    return Right() if score >= pass_mark else Wrong()
