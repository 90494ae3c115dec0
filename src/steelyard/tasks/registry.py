"""Families by name, and the sets of items that a task stands for.

The same task gives the same items on every machine: draws come from a hash of the task, each kind
gets its turn, and a cluster is kept only if its content is on the asked side of the split.
Families register as entry points `steelyard.tasks`; the shipped ones are always known. A sweep asks
four of them (`FAMILIES`), or all that it can of `FULL`; the others run where they are named.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from random import Random
from typing import Final, TypeAlias

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.task import Item, Task
from steelyard.tasks import guards, varying
from steelyard.tasks.audio import Audio
from steelyard.tasks.business import Business
from steelyard.tasks.code.family import Code
from steelyard.tasks.code.suites import SuiteScorer
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.errand import Errand, ErrandDraft
from steelyard.tasks.formats import Formats
from steelyard.tasks.given import shelf
from steelyard.tasks.items import (
    Cluster,
    Dialogue,
    Draft,
    Family,
    Question,
    Settled,
    content_hash,
    split_of,
)
from steelyard.tasks.logic import Logic
from steelyard.tasks.long_context import LongContext
from steelyard.tasks.math_words import MathWords
from steelyard.tasks.multi_turn import MultiTurn
from steelyard.tasks.rag import Rag
from steelyard.tasks.reading import Reading
from steelyard.tasks.robustness import Robustness
from steelyard.tasks.thinking import roomier
from steelyard.tasks.tools import Tools
from steelyard.tasks.tools_prompted import ToolsPrompted
from steelyard.tasks.video import Video
from steelyard.tasks.vision import Vision

Drawn: TypeAlias = Question | Conversation | Errand

FAMILIES: Final = ("math_words", "reading", "logic", "formats")
# Those of the full suite: all that are of text or pictures, as far as what is swept can be asked.
FULL: Final = (
    *(*FAMILIES, "multi_turn", "business", "tools_prompted", "robustness"),
    *("tools", "rag", "code", "long_context", "vision"),
)
# Those that no sweep asks, and why; `steelyard eval` asks all of them.
NOT_SWEPT: Final = {
    "audio": "it needs a model that hears, and few engines serve one",
    "video": "it needs a model that sees films, and few engines serve one",
}
_SHIPPED: Final[dict[str, type[Family]]] = {
    "math_words": MathWords,
    "reading": Reading,
    "logic": Logic,
    "formats": Formats,
    "multi_turn": MultiTurn,
    "business": Business,
    "tools": Tools,
    "tools_prompted": ToolsPrompted,
    "robustness": Robustness,
    "long_context": LongContext,
    "vision": Vision,
    "audio": Audio,
    "video": Video,
    "rag": Rag,
    "code": Code,
}
_MEMBERS: Final = ("name", "revision", "levels", "kinds", "draft")
_FRUITLESS: Final = 4000  # draws of one kind without a new item: there are no more


def names() -> tuple[str, ...]:
    """Return the names of all families that are installed, the shipped ones first."""
    others = sorted(point.name for point in entry_points(group="steelyard.tasks"))
    return (*_SHIPPED, *(name for name in others if name not in _SHIPPED))


def family(name: str) -> Family:
    """Return the family of this name: a shipped one, or an entry point."""
    if name in _SHIPPED:
        return _SHIPPED[name]()
    found = {point.name: point for point in entry_points(group="steelyard.tasks")}
    if name not in found:
        raise UnknownName.among("task family", name, {*_SHIPPED, *found})
    return _made(found[name])


def _made(point: EntryPoint) -> Family:
    """Return the family of an entry point; raise `BadInput` where it is not fit for one."""
    whose = point.dist.name if point.dist is not None else "an unknown package"
    where = f"the task family {point.name} ({point.value}, of {whose})"
    hint = f"mend or remove {whose}"
    try:
        made = point.load()()
        lacking = [name for name in _MEMBERS if not hasattr(made, name)]
    except Exception as error:  # noqa: BLE001 - what somebody else's code may raise
        raise BadInput(f"{where} cannot be loaded: {error!r}", hint=hint) from None
    if lacking or not callable(made.kinds) or not callable(made.draft):
        said = f"it has no {lacking[0]}" if lacking else "kinds and draft are no methods"
        raise BadInput(f"{where} is no family, but a {type(made).__name__}: {said}", hint=hint)
    if made.name != point.name or not made.levels:
        said = "has no levels" if not made.levels else f"calls itself {made.name!r}"
        raise BadInput(f"{where} {said}", hint=hint)
    family: Family = made
    return family


def require(task: Task) -> None:
    """Raise an error of ours where the task's items cannot be had here."""
    if task.source is None:
        family(task.family)
    else:
        shelf.questions(task, task.source)


def runs_code(task: Task) -> bool:
    """Say whether answers of a task are programs, which only the sandbox may run."""
    if task.source is None:
        return isinstance(family(task.family), Code)
    items = shelf.questions(task, task.source)
    return any(isinstance(item.scorer, SuiteScorer) for item in items)


def generate(task: Task, *, every: bool = False) -> list[Item]:
    """Return the items of a task, the same ones every time.

    With `every` all questions on a passage are asked, as sets did that were made before they took
    only some of them.
    """
    return list(drawn(task, every=every))


def questions(task: Task) -> list[Question]:
    """Return the items with their wording and known answers: for training and for tests.

    Raises `BadInput` for conversations and errands, which are no single questions.
    """
    return [_single(item) for item in drawn(task)]


def drawn(task: Task, *, every: bool = False) -> list[Drawn]:
    """Return the items of a task, in its forms, behind its guard, and with its room to think."""
    items = _clean(task, every=every)
    if task.vary:
        items = list(varying.with_forms(items, task.vary))
    if task.guard:
        items = guards.told(items, task.guard)
    return [roomier(item, task.thinking) for item in items] if task.thinking else items


def unvaried(task: Task) -> str:
    """Say why a family's items cannot be asked in other forms; empty where they can."""
    kinds = len(family(task.family).kinds(task.level))
    few = replace(task, items=min(task.items, kinds), vary=())
    return varying.obstacle(_clean(few, every=False))


def _clean(task: Task, *, every: bool) -> list[Drawn]:
    """Draw clusters until the task has its items; those of a file or a set are read."""
    if task.source is not None:
        return list(shelf.questions(task, task.source))
    source = family(task.family)
    _refuse(task, source)
    kinds = source.kinds(task.level)
    made: dict[str, Drawn] = {}
    turn = index = fruitless = 0
    whole = False
    while len(made) < task.items and fruitless < _FRUITLESS:
        cluster = source.draft(kinds[turn % len(kinds)], task.level, _random(task, index))
        index, fruitless = index + 1, fruitless + 1
        if split_of(cluster.family or task.family, cluster.key) != task.split:
            continue
        some = None if every else cluster.asked
        asked = _asked(_identified(task, cluster), some, turn // len(kinds))
        fresh = [question for question in asked if question.id not in made]
        made.update((question.id, question) for question in fresh)
        if fresh:
            turn, fruitless, whole = turn + 1, 0, cluster.whole
    if len(made) >= task.items:
        return list(made.values())[: None if whole else task.items]
    raise BadInput(
        f"{task.family} at level {task.level} has only {len(made)} different {task.split} items; "
        f"{task.items} were asked for",
        hint="ask for fewer items, or for another level",
    )


def _single(item: Drawn) -> Question:
    if not isinstance(item, Question):
        raise BadInput(
            f"{item.family} has items that are conversations, not single questions",
            hint=f"take one of {', '.join(FAMILIES)} where single questions are wanted",
        )
    return item


def _refuse(task: Task, source: Family) -> None:
    if task.level not in source.levels:
        raise BadInput(
            f"{task.family} has no level {task.level}",
            hint=f"its levels are {', '.join(map(str, sorted(source.levels)))}",
        )
    if task.revision != source.revision:
        raise BadInput(
            f"{task.family} is at revision {source.revision}; the task asks for {task.revision}",
            hint="items of another revision come from another version of steelyard",
        )
    if isinstance(source, Settled):
        source.settle(task)
    elif task.settings:
        raise BadInput(f"{task.family} takes no settings", hint="leave them out of the task")


def _random(task: Task, index: int) -> Random:
    parts = (task.family, task.level, task.seed, task.split, task.revision, index)
    private = () if task.private_seed is None else (task.private_seed,)
    return Random(content_hash(*map(str, parts), *private))


def _identified(task: Task, cluster: Cluster) -> list[Drawn]:
    group = content_hash(task.family, "cluster", *cluster.key)[:16]
    return [_item(task, draft, group) for draft in cluster.written()]


def _asked(items: list[Drawn], asked: int | None, turn: int) -> list[Drawn]:
    """Return those of a cluster that are asked: the next so many in every turn."""
    if asked is None:
        return items
    return [items[(turn * asked + number) % len(items)] for number in range(asked)]


def _item(task: Task, draft: Draft | Dialogue | ErrandDraft, cluster: str) -> Drawn:
    named = content_hash(task.family, str(task.revision), draft.kind, *draft.key)[:32]
    if isinstance(draft, ErrandDraft):
        return Errand(named, cluster, task.family, task.level, draft)
    if isinstance(draft, Dialogue):
        return Conversation(
            id=named,
            cluster=cluster,
            family=task.family,
            level=task.level,
            kind=draft.kind,
            turns=draft.turns,
            max_tokens=draft.max_tokens,
        )
    return Question(
        id=named,
        cluster=cluster,
        family=task.family,
        level=task.level,
        kind=draft.kind,
        prompt=draft.prompt,
        answer=draft.answer,
        max_tokens=draft.max_tokens,
        scorer=draft.scorer,
        stretch=draft.stretch,
        show=draft.show,
        source=draft.source,
        tools=draft.tools,
    )
