"""The items of tasks in the order in which they are asked, so that one may stop after any of them.

Each next item is drawn from a task that is drawn by lot, in a shuffled order of that task's own,
so whatever was asked so far is a fair sample of all tasks. Of items that share a passage or a
template only one is dealt: the others would say less, and are not independent of it. The same
tasks, number and seed deal the same items. Not aware of engines or statistics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Item, Task
from steelyard.tasks import registry

_CLUSTERED_MOST: Final = 16  # so many items may share a cluster before a task is given up on
_SPARE: Final = 3.0  # standard deviations of how often the lot falls on one task


@final
@dataclass(frozen=True, slots=True)
class Dealt:
    """One item and the task that it belongs to, by its place among the deal's tasks."""

    task: int
    item: Item


@final
@dataclass(frozen=True, slots=True)
class Deal:
    """The items in order. Each task is as large as it took to draw what is dealt of it."""

    tasks: tuple[Task, ...]
    items: tuple[Dealt, ...]

    def part(self, start: int, stop: int) -> list[tuple[Task, list[Item]]]:
        """Return the items from `start` up to `stop`, task by task."""
        held: dict[int, list[Item]] = {}
        for dealt in self.items[start:stop]:
            held.setdefault(dealt.task, []).append(dealt.item)
        return [(self.tasks[task], items) for task, items in sorted(held.items())]


def deal(tasks: Sequence[Task], count: int, seed: int) -> Deal:
    """Deal `count` items of the tasks, or as many as there are, whatever size they say."""
    share = count / len(tasks)
    wanted = math.ceil(share + (_SPARE * math.sqrt(share) if len(tasks) > 1 else 0))
    drawn = [_independent(task, wanted) for task in tasks]
    lot = Random(seed)
    pools = [lot.sample(items, len(items)) for _, items in drawn]
    dealt: list[Dealt] = []
    while len(dealt) < count and any(pools):
        place = lot.randrange(len(pools))
        if pools[place]:
            dealt.append(Dealt(place, pools[place].pop()))
    return Deal(tuple(task for task, _ in drawn), tuple(dealt))


def _independent(task: Task, wanted: int) -> tuple[Task, list[Item]]:
    """Return so many items of clusters of their own, as far as there are, and the task drawn."""
    size, best = wanted, (task, list[Item]())
    while size <= wanted * _CLUSTERED_MOST:
        larger = replace(task, items=size)
        try:
            items = registry.generate(larger)
        except BadInput:
            if not best[1]:
                size = size * 3 // 4  # a small family: take what it has
                if size:
                    continue
                raise
            break
        chosen = _one_each(items)
        best = (larger, chosen)
        if len(chosen) >= wanted or size < wanted:
            break
        size = math.ceil(size * wanted / len(chosen) * 1.1)
    return best[0], best[1][:wanted]


def _one_each(items: Sequence[Item]) -> list[Item]:
    """Choose one item of each cluster, taking turns among its first, second, third …"""
    clusters: dict[str, list[Item]] = {}
    for item in items:
        clusters.setdefault(item.cluster, []).append(item)
    return [members[turn % len(members)] for turn, members in enumerate(clusters.values())]
