"""What is put before a judge: the answer as its scorer read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.analysis.answered import Said, section
from tests.store.records import record

from steelyard.domain.judging import NOT_JUDGED
from steelyard.domain.task import Mark, NotRun, Source, Task
from steelyard.runs import judges
from steelyard.tasks.given import shelf
from steelyard.tasks.given.row import Row
from steelyard.tasks.registry import questions


def test_a_judge_sees_all_that_was_said_where_thinking_came_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    said = "Seven.\n</think> is only a word here."
    sha256, _ = shelf.lay([Row("3 + 4?", {"name": "judge", "rubric": "It is right."}, ("7",))])
    task = Task("mine", items=1, source=Source("mine", sha256))
    (item,) = questions(task)
    made = section([Said(text=said, reasoning="3 and 4")], task.section)
    attempt = replace(made.attempts[0], sample=item.id)
    mark = item.on(attempt.answer)
    assert isinstance(mark, Mark)
    assert mark.outcome == NotRun(NOT_JUDGED)
    made = replace(made, attempts=(attempt,), marks={item.id: mark}, clusters={item.id: item.id})
    whole = record("one")
    whole = replace(whole, spec=replace(whole.spec, tasks=(task,)), sections=(made,))
    (waiting,) = judges.waiting(whole)
    assert waiting.matters[item.id].answer == said
