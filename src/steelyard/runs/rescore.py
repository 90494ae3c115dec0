"""Mark stored answers again: the same items, the same texts, today's way of reading them.

No request is sent. An item whose questions were not all answered is `not_run`, as it was. Not aware
of engines or files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from steelyard.analysis import delivery
from steelyard.domain.errors import BadInput
from steelyard.domain.judging import OF_JUDGE
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Answer, Ask, Item, Mark, NotRun, Task, Trial
from steelyard.runs import judges, marking
from steelyard.runs.judged import samples
from steelyard.runs.trials import tried
from steelyard.tasks.code.scoring import UNTRIED
from steelyard.tasks.given.texts import TOO_SLOW
from steelyard.tasks.registry import generate

_READ_AGAIN: Final = (*delivery.REASONS, *UNTRIED, *OF_JUDGE, marking.FAILED, TOO_SLOW)


def rescore(record: RunRecord) -> RunRecord:
    """Return the record with its tasks marked anew, by what a judge said then where one was asked.

    Raises `BadInput` where stored items are none that a family makes today.
    """
    tasks = {task.section: task for task in record.spec.tasks}
    sections = tuple(
        marked(section, tasks[section.name]) if section.name in tasks else section
        for section in record.sections
    )
    return judges.with_scores(replace(record, sections=sections), judges.failures(record))


def marked(section: Section, task: Task) -> Section:
    """Return the section of one task, marked anew."""
    said = {}
    # The last try of a question stands.
    for attempt in sorted(section.attempts, key=lambda a: (a.sample, a.ask, a.tries)):
        if attempt.outcome.kind == "completed":
            said[attempt.sample, attempt.ask] = attempt.answer
    steps = {
        sample: _step(sample, item, said, section.marks[sample])
        for sample, item in _items(section, task).items()
        if sample in section.marks
    }
    marks = {sample: step for sample, step in steps.items() if isinstance(step, Mark)}
    marks |= tried({sample: step for sample, step in steps.items() if isinstance(step, Trial)})
    marks = delivery.settled(section.attempts, marks)
    return replace(section, marks=dict(sorted(marks.items())))


def _items(section: Section, task: Task) -> dict[str, Item]:
    """Return the items of a section by sample, each of those that were marked then among them."""
    found = samples(task, generate(task))
    if section.marks.keys() - found.keys():
        found = samples(task, generate(task, every=True)) | found
    if lacking := section.marks.keys() - found.keys():
        raise BadInput(
            f"{section.name}: {len(lacking):,} of {len(section.marks):,} stored items are none "
            "that this version of steelyard asks",
            hint="rescore with the version that asked them; the stored marks stay as they are",
        )
    return found


def _step(
    sample: str, item: Item, said: dict[tuple[str, int], Answer], before: Mark
) -> Mark | Trial:
    """Return the mark of one sample, or how its answer is tried out."""
    if isinstance(before.outcome, NotRun):
        # What was read out of a whole answer is read again: whether the question came whole, and
        # what could not be tried out where it was asked.
        unread = (sample, 0) not in said
        if unread or before.outcome.why not in _READ_AGAIN:
            return before
    item.start()
    number = 0
    while (answer := said.get((sample, number))) is not None:
        match marking.step(item, answer):
            case Mark() | Trial() as step:
                return step
            case Ask():
                number += 1
    return Mark(NotRun("no_stored_answer"))
