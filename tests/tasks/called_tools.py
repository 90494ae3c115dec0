"""Items of the tools family, and answers that call: what a test asks and plays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from tests.tasks.tool_solver import solve

from steelyard.domain.task import Answer, Ask, Call, Mark, Task, Trial
from steelyard.tasks.errand import Errand
from steelyard.tasks.items import Question
from steelyard.tasks.registry import drawn
from steelyard.tasks.tool_calls import ToolScorer

Item: TypeAlias = Question | Errand


_CACHE: dict[tuple[int, int], list[Item]] = {}


def items(level: int = 1, count: int = 240) -> list[Item]:
    key = (level, count)
    if key not in _CACHE:
        _CACHE[key] = asked(Task("tools", revision=2, level=level, items=count))
    return _CACHE[key]


def asked(task: Task) -> list[Item]:
    return [item for item in drawn(task) if isinstance(item, Question | Errand)]


def played(item: Item, *instead: Answer) -> Mark:
    """Answer as the solver does, save for the first answers."""
    step: Ask | Mark | Trial = item.start()
    said = list(instead)
    while isinstance(step, Ask):
        step = item.on(said.pop(0) if said else solve(step))
    assert isinstance(step, Mark)
    return step


def of_kind(kind: str, level: int = 1) -> Item:
    return next(item for item in items(level) if item.kind == kind)


def question(kind: str, level: int = 2) -> Question:
    found = of_kind(kind, level)
    assert isinstance(found, Question)
    return found


def errand(level: int = 1) -> Errand:
    found = of_kind("errand", level)
    assert isinstance(found, Errand)
    return found


def wanted(item: Question) -> list[tuple[str, dict[str, Any]]]:
    return [(call["tool"], call["arguments"]) for call in json.loads(item.answer)["calls"]]


def called(*calls: tuple[str, Mapping[str, Any] | str], text: str = "") -> Answer:
    made = (Call(n, a if isinstance(a, str) else json.dumps(a)) for n, a in calls)
    return Answer(text, "tool_calls", calls=tuple(made))


def marked(item: Item, answer: Answer) -> Mark:
    item.start()
    mark = item.on(answer)
    assert isinstance(mark, Mark)
    return mark


def failing(mark: Mark) -> set[str]:
    return {name for name, held in mark.demands.items() if not held}


def steps(item: Errand) -> list[tuple[str, dict[str, Any]]]:
    return [(call["tool"], call["arguments"]) for call in json.loads(item.answer)["calls"]]


def catalogue(item: Item) -> tuple[Any, ...]:
    if isinstance(item, Errand):
        return item.draft.tools
    assert isinstance(item, Question)
    assert isinstance(item.scorer, ToolScorer)
    return item.scorer.tools
