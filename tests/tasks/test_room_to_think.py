"""Room to think: the same questions and ids, longer answers, and a context that holds both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.app.evals import budgeted, room
from steelyard.domain.ids import plain
from steelyard.domain.task import Task
from steelyard.tasks import registry

MORE = 5000


@pytest.mark.parametrize("family", ["logic", "multi_turn", "tools", "long_context"])
def test_every_answer_has_so_many_tokens_more_and_no_question_changes(family: str) -> None:
    task = Task(family, items=4, revision=registry.family(family).revision)
    before, after = (registry.drawn(each) for each in (task, replace(task, thinking=MORE)))
    assert [item.id for item in before] == [item.id for item in after]
    for one, other in zip(before, after, strict=True):
        mine, theirs = one.start(), other.start()
        assert mine.messages == theirs.messages
        assert theirs.max_tokens == mine.max_tokens + MORE
        if mine.stretch is not None and theirs.stretch is not None:
            assert theirs.stretch.tokens == mine.stretch.tokens + MORE
            assert theirs.stretch.messages(3) == mine.stretch.messages(3)


def test_the_context_holds_thinking_once_however_many_turns_there_are() -> None:
    task = Task("multi_turn", items=4, revision=registry.family("multi_turn").revision)
    without = room.context(registry.generate(task))
    within = room.context(registry.generate(replace(task, thinking=MORE)), MORE)
    assert within == without + MORE


def test_a_task_without_room_to_think_has_the_identity_that_it_had() -> None:
    before = {"family": "logic"}
    assert plain(Task("logic")) == before
    assert plain(Task("logic", thinking=64)) == {**before, "thinking": 64}


def test_a_budget_counts_on_the_thinking_and_says_so() -> None:
    usual = budgeted.foresight(600, 1000, None, 2)
    thinking = budgeted.foresight(600, 1000, None, 2, thinking=MORE)
    assert "with 5,000 tokens of thinking in every answer" in thinking
    allowed = [
        int(text.split("allow about ")[1].split()[0].replace(",", "")) for text in (usual, thinking)
    ]
    assert allowed[0] > 10 * allowed[1]
