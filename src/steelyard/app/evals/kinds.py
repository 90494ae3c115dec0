"""The kinds of a run's items: they are drawn again, since a record keeps marks by item id only.

Not aware of how items are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from steelyard.analysis import evaluation, exploring
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Contrast
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import NotRun, Right, sample_key
from steelyard.runs.judged import name_of
from steelyard.tasks.registry import drawn

_FEW: Final = 8  # of more kinds, such as the forms of every family, a line is no help


def explored(found: Contrast, first: RunRecord, second: RunRecord) -> Contrast:
    """Add to a comparison which kinds of items differ."""
    sides, _ = evaluation.shared(first, second)
    kinds, left_out = _kinds(first, sides)
    return replace(found, explored=exploring.explore(sides, kinds, left_out))


def counts_text(record: RunRecord) -> str:
    """Return how many items of each kind were right, a line for each task with a few kinds."""
    return "\n".join(filter(None, (_counts(record, s) for s in record.sections)))


def _counts(record: RunRecord, section: Section) -> str:
    known, _ = _kinds(record, [section.name])
    right, asked = Counter[str](), Counter[str]()
    for item, kind in known.items():
        mark = section.marks.get(item.removeprefix(f"{section.name}/"))
        if mark is not None and not isinstance(mark.outcome, NotRun):
            asked[kind] += 1
            right[kind] += isinstance(mark.outcome, Right)
    if not 1 < len(asked) <= _FEW:
        return ""
    told = ", ".join(f"{kind} {right[kind]} of {count}" for kind, count in asked.items())
    return f"  {section.name}, right by kind: {told}"


def _kinds(record: RunRecord, names: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the kind of each item of these tasks, and why those of some cannot be told."""
    kinds: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for task in record.spec.tasks:
        name = name_of(task)
        if name not in names:
            continue
        try:
            kinds |= {
                f"{name}/{sample_key(item.id, number)}": item.kind
                for item in drawn(task)
                for number in range(task.samples)
            }
        except BadInput as refused:  # another revision, or a family that is gone
            left_out[name] = str(refused)
    return kinds, left_out
