"""A deal: a fair order of items that are independent of each other, the same every time."""

from __future__ import annotations

from collections import Counter

import pytest

from steelyard.app.choosing.deal import deal
from steelyard.domain.errors import BadInput
from steelyard.domain.task import Item, Task
from steelyard.tasks import registry

TASKS = (Task("math_words"), Task("reading"), Task("logic"))


def test_of_items_that_share_a_passage_one_is_dealt() -> None:
    dealt = deal(TASKS, 300, seed=1)
    assert len(dealt.items) == 300
    clusters = [(one.task, one.item.cluster) for one in dealt.items]
    assert len(set(clusters)) == 300
    assert dealt.tasks[1].items >= 4 * sum(one.task == 1 for one in dealt.items)


def test_wherever_it_ends_every_task_has_had_its_share() -> None:
    dealt = deal(TASKS, 300, seed=1)
    for count in (60, 150, 300):
        shares = Counter(one.task for one in dealt.items[:count])
        assert min(shares.values()) > count / 3 - 3 * count**0.5
    assert len(set(Counter(one.task for one in dealt.items).values())) > 1  # drawn by lot


def test_the_same_seed_deals_the_same_and_another_one_another_order() -> None:
    first, again, other = deal(TASKS, 90, 1), deal(TASKS, 90, 1), deal(TASKS, 90, 2)
    order = [[one.item.id for one in dealt.items] for dealt in (first, again, other)]
    assert order[0] == order[1] != order[2]


def test_a_part_holds_its_items_task_by_task() -> None:
    dealt = deal(TASKS, 90, 1)
    part = dealt.part(10, 40)
    ids = sorted(item.id for _, items in part for item in items)
    assert ids == sorted(one.item.id for one in dealt.items[10:40])
    assert [task.family for task, _ in part] == ["math_words", "reading", "logic"]


def test_a_family_with_fewer_items_gives_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = registry.generate

    def few(task: Task) -> list[Item]:
        if task.items > 70:
            raise BadInput(f"only 70 different items; {task.items} were asked for")
        return whole(task)

    monkeypatch.setattr(registry, "generate", few)
    assert 50 <= len(deal((Task("logic"),), 400, seed=1).items) <= 70
    assert 12 <= len(deal((Task("reading"),), 60, seed=1).items) <= 18
