"""The kinds of a run's items: a record keeps marks by item id only, so stored ones are drawn again.

Not aware of how items are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import evaluation, exploring
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Contrast
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Item, NotRun, Right, Task, sample_key
from steelyard.tasks import registry

_FEW: Final = 8  # of more kinds, such as the forms of every family, a line is no help


def explored(found: Contrast, first: RunRecord, second: RunRecord) -> Contrast:
    """Add to a comparison which kinds of items differ."""
    sides, _ = evaluation.shared(first, second)
    kinds, left_out = _kinds(first, sides)
    return replace(found, explored=exploring.explore(sides, kinds, left_out))


def counts_text(record: RunRecord, drawn: Mapping[Task, Sequence[Item]]) -> str:
    """Return how many items of each kind were right, a line for each task with a few kinds."""
    # Those in several forms have a table of these.
    plain = {task: each for task, each in drawn.items() if not task.vary}
    items = {task.section: _kinds_of(task, each) for task, each in plain.items()}
    lines = (_counts(section, items.get(section.name, {})) for section in record.sections)
    return "\n".join(filter(None, lines))


def _counts(section: Section, known: Mapping[str, str]) -> str:
    right, asked = Counter[str](), Counter[str]()
    for sample, kind in known.items():
        mark = section.marks.get(sample)
        if mark is not None and not isinstance(mark.outcome, NotRun):
            asked[kind] += 1
            right[kind] += isinstance(mark.outcome, Right)
    if not 1 < len(asked) <= _FEW:
        return ""
    told = ", ".join(f"{kind} {right[kind]} of {count}" for kind, count in asked.items())
    return f"  {section.name}, right by kind: {told}"


def _kinds_of(task: Task, items: Sequence[Item]) -> dict[str, str]:
    """Return the kind of each sample of these items."""
    return {
        sample_key(item.id, number): str(getattr(item, "kind", ""))
        for item in items
        for number in range(task.samples)
    }


def _kinds(record: RunRecord, names: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the kind of each item of these tasks, and why those of some cannot be told."""
    kinds: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for task in record.spec.tasks:
        name = task.section
        if name not in names:
            continue
        try:
            found = _kinds_of(task, registry.drawn(task))
            kinds |= {f"{name}/{sample}": kind for sample, kind in found.items()}
        except BadInput as refused:  # another revision, or a family that is gone
            left_out[name] = str(refused)
    return kinds, left_out
