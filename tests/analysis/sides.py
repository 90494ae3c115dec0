"""Runs of which every answer is known, to be set side by side."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.answered import Said, section
from tests.store.records import record

from steelyard.domain.run import RunRecord, Section, Stopped
from steelyard.domain.task import Task

READING = Task("reading", items=20)


def task_section(task: Task, letters: str, *, seconds: float = 1.0, cluster: int = 1) -> Section:
    """A letter is an item of one answer."""
    made = section([Said(letter, seconds=seconds) for letter in letters], task.section)
    return replace(made, clusters={item: f"c{n // cluster}" for n, item in enumerate(made.marks)})


def run(name: str, *sides: tuple[Task, Section], stopped: Stopped | None = None) -> RunRecord:
    whole = record(name)
    tasks, sections = zip(*sides, strict=True)
    spec = replace(whole.spec, tasks=tasks)
    return replace(whole, spec=spec, sections=sections, stopped=stopped)


def of_one(name: str, letters: str, task: Task = READING) -> RunRecord:
    return run(name, (task, task_section(task, letters)))
