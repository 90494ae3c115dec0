"""`tasks`: which families of questions there are, and what they ask; as text or as JSON."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from steelyard.domain.task import Task
from steelyard.tasks import registry
from steelyard.tasks.items import Family, Question

_WIDTH: Final = 14


def list_text(*, as_json: bool) -> str:
    """List every family that is installed, one line each."""
    found = [registry.family(name) for name in registry.names()]
    if as_json:
        return json.dumps([_about(family) for family in found], indent=1)
    return "\n".join(
        f"{family.name:<{_WIDTH}} levels {_levels(family):<8} {_what(family)}" for family in found
    )


def show_text(name: str, *, as_json: bool) -> str:
    """Show one family: its levels, the kinds of each, and one question of each kind."""
    family = registry.family(name)
    if as_json:
        return json.dumps(_about(family), indent=1)
    return "\n".join(_shown(family))


def task(name: str, level: int | None, items: int, seed: int, private_seed: str | None) -> Task:
    """Return the task that was typed, at the family's own revision and first level."""
    family = registry.family(name)
    return Task(
        name,
        level=level or family.levels[0],
        items=items,
        seed=seed,
        revision=family.revision,
        private_seed=private_seed,
    )


def sample_text(task: Task, *, answers: bool, as_json: bool) -> str:
    """Print the items of a task, as a run would ask them."""
    found = registry.questions(task)
    if as_json:
        return json.dumps([_row(question) for question in found], indent=1, ensure_ascii=False)
    return "\n\n".join("\n".join(_asked(question, answers=answers)) for question in found)


def _shown(family: Family) -> Iterator[str]:
    yield f"{family.name}: {_what(family)}"
    yield f"revision {family.revision}"
    for level in family.levels:
        yield f"level {level}: {', '.join(dict.fromkeys(family.kinds(level)))}"
    yield ""
    kinds = dict.fromkeys(family.kinds(family.levels[0]))
    task = Task(family.name, family.levels[0], items=4 * len(kinds), revision=family.revision)
    first: dict[str, Question] = {}
    for question in registry.questions(task):
        first.setdefault(question.kind, question)
    yield "\n\n".join("\n".join(_asked(one, answers=True)) for one in first.values())


def _asked(question: Question, *, answers: bool) -> Iterator[str]:
    yield f"── {question.kind}, level {question.level}, item {question.id[:12]}"
    yield question.prompt
    if answers:
        yield f"→ {question.answer}"


def _row(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "cluster": question.cluster,
        "family": question.family,
        "level": question.level,
        "kind": question.kind,
        "prompt": question.prompt,
        "answer": question.answer,
        "max_tokens": question.max_tokens,
    }


def _about(family: Family) -> dict[str, Any]:
    return {
        "name": family.name,
        "revision": family.revision,
        "what": _what(family),
        "levels": {str(n): list(dict.fromkeys(family.kinds(n))) for n in family.levels},
    }


def _levels(family: Family) -> str:
    first, last = family.levels[0], family.levels[-1]
    return str(first) if first == last else f"{first}-{last}"


def _what(family: Family) -> str:
    """Return the first line of the module that a family is written in."""
    text = inspect.getdoc(sys.modules[type(family).__module__]) or ""
    return text.partition("\n")[0]
