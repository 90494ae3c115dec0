"""How items are worded, as typed: the forms that each is asked in, and the guard before it.

Not aware of how forms are made or compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.run import RunRecord
from steelyard.domain.task import Task
from steelyard.tasks import guards, registry, varying
from steelyard.tasks.rewording import CLEAN, FORMS

_ALL: Final = "all"


@final
@dataclass(frozen=True, slots=True)
class Wording:
    """The options as typed, None for what was not."""

    vary: str | None = None
    guard: str | None = None


def worded(tasks: Sequence[Task], typed: Wording) -> tuple[Task, ...]:
    """Return the tasks with their forms and their guard; raise `BadInput` for what is neither."""
    vary, guard = _forms(typed.vary), _guard(typed.guard)
    return tuple(replace(task, vary=vary, guard=guard) for task in tasks)


def fitting(tasks: Sequence[Task]) -> tuple[tuple[Task, ...], dict[Task, str]]:
    """Return the tasks that can be asked in their forms, and of the others why they cannot."""
    whys = {task: registry.unvaried(task) if task.vary else "" for task in tasks}
    kept = tuple(task for task, why in whys.items() if not why)
    return kept, {task: f"it has no other forms: {why}" for task, why in whys.items() if why}


def notices(tasks: Sequence[Task]) -> Iterator[str]:
    """Say what the model is told before the questions."""
    for guard in dict.fromkeys(task.guard for task in tasks if task.guard):
        yield f"guard, in the system message before every question: {guards.shown(guard)}"


def guard_text(record: RunRecord) -> str:
    """Return what the model was told before the questions of a run; empty for nothing."""
    told = dict.fromkeys(task.guard for task in record.spec.tasks if task.guard)
    return "\n".join(f"  guard {guards.shown(guard)}" for guard in told)


def differing(first: RunRecord, second: RunRecord) -> Iterator[str]:
    """Name the guards of tasks that are paired although they were asked behind others."""
    mine, theirs = ({t.section: t.guard for t in one.spec.tasks} for one in (first, second))
    pairs = [(mine[name], theirs[name]) for name in mine if name in theirs]
    for ours, other in dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]):
        yield f"the guard ({guards.shown(ours)} → {guards.shown(other)})"


def _forms(typed: str | None) -> tuple[str, ...]:
    if typed is None:
        return ()
    names = [word.strip() for word in typed.split(",")]
    if "" in names:
        raise BadInput("--vary has an empty place in its list", hint=f"e.g. {FORMS[5]},{FORMS[-1]}")
    if _ALL in names and len(names) == 1:
        return FORMS
    names = [name for name in names if name != CLEAN]  # it is asked in any case
    if not names:
        raise BadInput("--vary names no form but the clean one", hint=f"{_ALL}, or {FORMS[5]}")
    varying.require_known(names)
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"--vary names {twice[0]} twice")
    return tuple(names)


def _guard(typed: str | None) -> str:
    if typed is None:
        return ""
    said = typed.strip()
    if not said:
        raise BadInput("--guard is empty", hint=f"one of {', '.join(guards.GUARDS)}, or a sentence")
    if said not in guards.GUARDS and len(said.split()) == 1:  # no sentence: a name mistyped
        raise UnknownName.among("guard", said, guards.GUARDS)
    return guards.text_of(said)
