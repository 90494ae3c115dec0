"""What a broken-off part of a choice leaves in a record: nothing."""

from __future__ import annotations

from dataclasses import replace

from tests.store.records import record

from steelyard.app.choosing.asking import only_asked
from steelyard.app.choosing.deal import deal
from steelyard.domain.run import Section
from steelyard.domain.task import Mark, Right, Task


def test_of_a_broken_off_part_no_task_that_came_first_is_kept() -> None:
    dealt = deal((Task("math_words"), Task("logic"), Task("formats")), 60, seed=1)
    answered = [*dealt.part(0, 20), *dealt.part(20, 40)[:1]]  # the second task took too long
    marks: dict[str, dict[str, Mark]] = {}
    for task, items in answered:
        marks.setdefault(task.section, {}).update({item.id: Mark(Right()) for item in items})
    sections = tuple(
        Section(name, "task", "completed", 0, 1, (), each, dict.fromkeys(each, "c"))
        for name, each in marks.items()
    )
    whole = replace(record("one"), sections=sections)
    kept = only_asked(whole, dealt, 20)
    asked = {(dealt.tasks[one.task].section, one.item.id) for one in dealt.items[:20]}
    assert {(each.name, item) for each in kept.sections for item in each.marks} == asked
    assert all(each.marks.keys() == each.clusters.keys() for each in kept.sections)
    assert only_asked(whole, dealt, 0).sections == ()
