"""How many different items an evaluation asks: samples and forms are more answers to the same one.

What so many items can show rests on these. Items of one cluster are taken to hang together as
`stats.clusters` expects before any flip is seen. Not aware of how items are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from steelyard.app.results import forms
from steelyard.domain.task import Item, Task
from steelyard.stats.clusters import moderated_effect
from steelyard.tasks.given.judged import JudgeScorer
from steelyard.tasks.given.texts import Unscored


@final
@dataclass(frozen=True, slots=True)
class Distinct:
    """So many different items that will be right or wrong, of so many tasks.

    `effect` is the design effect to expect of their clusters.
    """

    items: int
    tasks: int
    effect: float = 1.0

    def share(self, asked: int, planned: int) -> Distinct:
        """Return what so many of the planned answers come to."""
        items = max(1, round(self.items * asked / planned)) if self.items else 0
        return Distinct(items, self.tasks, self.effect)


def distinct(drawn: Mapping[Task, Sequence[Item]]) -> Distinct:
    """Count the items; settings of one task share theirs."""
    clusters: dict[tuple[str, str], str] = {}
    for task, items in drawn.items():
        origins = forms.origins(task, items)
        for item in filter(_known, items):
            clusters.setdefault((task.base, origins[item.id]), f"{task.base}/{item.cluster}")
    effect = moderated_effect([0] * len(clusters), list(clusters.values())) if clusters else 1.0
    return Distinct(len(clusters), len({task.base for task in drawn}), effect)


def _known(item: Item) -> bool:
    """Say whether an item will be right or wrong: a file may ask without a known answer."""
    scorer = getattr(item, "scorer", None)
    if isinstance(scorer, JudgeScorer):
        return scorer.pass_mark is not None
    return not isinstance(scorer, Unscored)
