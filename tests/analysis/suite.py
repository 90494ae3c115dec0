"""Records of two levels of several families, with planted flips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.analysis.marked import OUTCOMES
from tests.store.records import record

from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Mark, Task


def ran(run_id: str, letters: Mapping[Task, str]) -> RunRecord:
    """Return a run of these tasks: one letter is one item, r right, w wrong, - not run."""
    base = record(run_id)
    sections = tuple(
        Section(
            name=task.section,
            kind="task",
            outcome="completed",
            started_ns=0,
            ended_ns=10**9,
            attempts=(),
            marks={f"i{n:04}": Mark(OUTCOMES[letter]) for n, letter in enumerate(marks)},
            clusters={f"i{n:04}": f"i{n:04}" for n in range(len(marks))},
        )
        for task, marks in letters.items()
    )
    return replace(base, spec=replace(base.spec, tasks=tuple(letters)), sections=sections)


def lost(items: int, lost: int, won: int = 0) -> tuple[str, str]:
    """Return two sides of so many items of which these flip."""
    same = items - lost - won
    return "r" * (same + lost) + "w" * won, "r" * same + "w" * lost + "r" * won


def both(planted: Mapping[Task, tuple[int, int, int]]) -> tuple[RunRecord, RunRecord]:
    """Return two runs with so many items, lost and won, of each task."""
    sides = {task: lost(*numbers) for task, numbers in planted.items()}
    first = ran("first", {task: side[0] for task, side in sides.items()})
    return first, ran("second", {task: side[1] for task, side in sides.items()})
