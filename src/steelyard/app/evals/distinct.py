"""How many different items an evaluation asks: samples and forms are more answers to the same one.

What so many items can show rests on these. Items of one cluster are taken to hang together as
`stats.clusters` expects before any flip is seen. Not aware of how items are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from steelyard.analysis import strata
from steelyard.analysis.verdict import strictest_level
from steelyard.app.results import forms
from steelyard.domain.campaign import Gates
from steelyard.domain.task import Item, Task
from steelyard.stats.clusters import moderated_effect
from steelyard.stats.paired import loss_interval
from steelyard.tasks.varying import decided


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
        for item in filter(decided, items):
            clusters.setdefault((task.base, origins[item.id]), f"{task.base}/{item.cluster}")
    effect = moderated_effect([0] * len(clusters), list(clusters.values())) if clusters else 1.0
    return Distinct(len(clusters), len({task.base for task in drawn}), effect)


def least_ruled_out(drawn: Mapping[Task, Sequence[Item]]) -> dict[str, float]:
    """Return of each family the least loss that its items rule out where not one of them flips.

    The families share the error, as they do once two runs are compared.
    """
    sections = {task.section: items for task, items in drawn.items()}
    grouped = strata.families(drawn, sections)
    alpha = strictest_level(Gates(), len(grouped))
    found = {}
    for family, names in grouped.items():
        owners = [f"{name}/{i.cluster}" for name in names for i in sections[name] if decided(i)]
        if owners:
            high = loss_interval([0] * len(owners), owners, alpha, alpha).high
            found[names[0] if len(names) == 1 else family] = high
    return found
