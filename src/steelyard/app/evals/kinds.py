"""The kinds of a run's items: they are drawn again, since a record keeps marks by item id only.

Not aware of how items are compared.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from steelyard.analysis import evaluation, exploring
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Contrast
from steelyard.domain.run import RunRecord
from steelyard.runs.judged import name_of
from steelyard.tasks.registry import drawn


def explored(found: Contrast, first: RunRecord, second: RunRecord) -> Contrast:
    """Add to a comparison which kinds of items differ."""
    sides, _ = evaluation.shared(first, second)
    kinds, left_out = _kinds(first, sides)
    return replace(found, explored=exploring.explore(sides, kinds, left_out))


def _kinds(record: RunRecord, names: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the kind of each item of these tasks, and why those of some cannot be told."""
    kinds: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for task in record.spec.tasks:
        name = name_of(task)
        if name not in names:
            continue
        try:
            kinds |= {f"{name}/{item.id}": item.kind for item in drawn(task)}
        except BadInput as refused:  # another revision, or a family that is gone
            left_out[name] = str(refused)
    return kinds, left_out
