"""A deal: a fair order of items that are independent of each other, the same every time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from steelyard.app.choosing.deal import deal
from steelyard.domain.task import Task
from steelyard.tasks.items import split_of

NUMBERS = 280
FAMILIES = f"""
from steelyard.tasks.items import Cluster, Draft
from steelyard.tasks.scoring import NumberScorer
from fractions import Fraction

class Short:
    name, revision, levels, said = "short", 1, (1,), ("after",)

    def kinds(self, level):
        return ("sum",)

    def draft(self, kind, level, rng):
        number = rng.randrange({NUMBERS})
        drafts = tuple(
            Draft(kind, (word, str(number)), f"What is {{word}} {{number}}?", str(number), 8,
                  NumberScorer(Fraction(number)))
            for word in self.said
        )
        return Cluster((str(number),), drafts)

class Pairs(Short):
    name, said = "pairs", ("after", "before")
"""
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


def test_a_family_with_fewer_items_gives_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package's families: one question on each of their numbers, or two that share it."""
    info = tmp_path / "short-1.0.dist-info"
    info.mkdir()
    (tmp_path / "short_families.py").write_text(FAMILIES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: short\nVersion: 1.0\n")
    lines = ["[steelyard.tasks]", "short = short_families:Short", "pairs = short_families:Pairs"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = [(str(number),) for number in range(NUMBERS)]
    there = sum(split_of("short", key) == "held_out" for key in numbers)
    assert there * 3 / 4 <= len(deal((Task("short"),), 400, seed=1).items) <= there
    there = sum(split_of("pairs", key) == "held_out" for key in numbers)
    alone = deal((Task("pairs"),), 400, seed=1).items
    assert len({one.item.cluster for one in alone}) == len(alone) >= there / 2
