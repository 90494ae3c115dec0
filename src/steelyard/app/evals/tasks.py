"""`tasks`: which families of questions there are, and what they ask; as text or as JSON."""

from __future__ import annotations

import base64
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import BadInput
from steelyard.domain.task import Media, Task
from steelyard.tasks import registry
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.errand import Errand
from steelyard.tasks.items import Family, Question
from steelyard.tasks.registry import Drawn

_WIDTH: Final = 14
_ENDINGS: Final = {"image/png": "png", "audio/wav": "wav", "video/quicktime": "mov"}
_TURN_ITEMS: Final = 16  # so many that every kind of question has had its turn


def list_text(*, as_json: bool) -> str:
    """List every family that is installed, one line each; one that is broken with the reason."""
    found = [_listed(name) for name in registry.names()]
    if as_json:
        rows = [
            {"name": name, "broken": family} if isinstance(family, str) else _about(family)
            for name, family in found
        ]
        return json.dumps(rows, indent=1)
    return "\n".join(
        f"{name:<{_WIDTH}} broken: {family}"
        if isinstance(family, str)
        else f"{name:<{_WIDTH}} levels {_levels(family):<8} {_what(family)}"
        for name, family in found
    )


def _listed(name: str) -> tuple[str, Family | str]:
    """Return a family by its name, or why it cannot be had."""
    try:
        return name, registry.family(name)
    except BadInput as refused:
        return name, str(refused)


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


def sample_text(task: Task, *, answers: bool, as_json: bool, out: Path | None = None) -> str:
    """Print the items of a task, as a run would ask them; write their files into `out`."""
    found = registry.drawn(task)
    if out is not None:
        return f"{_written(found, out)} of {len(found)} items written to {out}"
    if as_json:
        return json.dumps([_row(question) for question in found], indent=1, ensure_ascii=False)
    return items_text(found, answers=answers)


def items_text(items: Iterable[Drawn], *, answers: bool) -> str:
    """Return items with their kinds, and their known answers where those are wanted."""
    return "\n\n".join("\n".join(_asked(item, answers=answers)) for item in items)


def _written(found: list[Drawn], out: Path) -> str:
    """Write what the items show, and what is asked about it; say how many files it was."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is not an empty folder", hint="give another --out")
    files = [(item, shown) for item in found for shown in _media(item)]
    if not files:
        raise BadInput(
            f"the items of {found[0].family} show no pictures, sounds or films",
            hint="leave --out out: they are printed",
        )
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (item, shown) in enumerate(files, 1):
        name = f"{number:04}-{item.kind.replace('/', '-')}.{_ENDINGS[shown.type]}"
        (out / name).write_bytes(base64.b64decode(shown.data))
        rows.append({**_row(item), "file": name})
    listing = json.dumps(rows, indent=1, ensure_ascii=False)
    (out / "items.json").write_text(listing + "\n", encoding="utf-8")
    return f"{len(files)} files and items.json"


def _media(item: Drawn) -> tuple[Media, ...]:
    return tuple(shown for turn in item.start().messages for shown in turn.media)


def _shown(family: Family) -> Iterator[str]:
    yield f"{family.name}: {_what(family)}"
    yield f"revision {family.revision}"
    kinds_of = {level: ", ".join(dict.fromkeys(family.kinds(level))) for level in family.levels}
    if len(set(kinds_of.values())) == 1:
        yield f"levels {', '.join(map(str, sorted(kinds_of)))}: {kinds_of[family.levels[0]]}"
    else:
        yield from (f"level {level}: {kinds}" for level, kinds in kinds_of.items())
    yield ""
    kinds = dict.fromkeys(family.kinds(family.levels[0]))
    task = Task(
        family.name, family.levels[0], items=_TURN_ITEMS * len(kinds), revision=family.revision
    )
    first: dict[str, Drawn] = {}
    for item in registry.drawn(task):
        # Of items that other families lend, each form once.
        first.setdefault(item.kind.rpartition("/")[2], item)
    yield "\n\n".join("\n".join(_asked(one, answers=True)) for one in first.values())


def _asked(item: Drawn, *, answers: bool) -> Iterator[str]:
    yield f"── {item.kind}, level {item.level}, item {item.id[:12]}{_stretched(item)}"
    yield from map(_tool, map(json.loads, _tools(item)))
    for number, (prompt, answer) in enumerate(_turns(item), 1):
        yield f"[turn {number}] {prompt}" if isinstance(item, Conversation) else prompt
        if number == 1:
            yield from (_described(shown) for shown in _media(item))
        if answers:
            yield f"→ {answer}"
            yield from (f"  {fact}" for fact in _facts(item))


def _facts(item: Drawn) -> Iterator[str]:
    """Name the sentences of the documents that hold the answer, where it is asked of some."""
    if isinstance(item, Question) and item.source is not None:
        for fact in item.source.needed:
            document, _, at = fact.partition(":")
            passage = item.source.corpus.passage(f"{document}:{at}-{at}")
            yield f"{document}: {passage.text}"


def _stretched(item: Drawn) -> str:
    """Say that what is shown is the short form of a long question."""
    stretch = item.start().stretch
    if stretch is None:
        return ""
    return f", in short: filled up to {stretch.tokens:,} tokens when it is asked"


def _described(shown: Media) -> str:
    size = len(base64.b64decode(shown.data))
    return f"[with it: {shown.type}, {size:,} bytes; `tasks sample --out FOLDER` writes it]"


def _tools(item: Drawn) -> tuple[str, ...]:
    return () if isinstance(item, Conversation) else item.tools


def _tool(raw: dict[str, Any]) -> str:
    """Return a tool as it would be declared: `move_task(id: integer, notify?: boolean)  What.`"""
    function = raw["function"]
    needed = function["parameters"]["required"]
    arguments = ", ".join(
        f"{name}{'' if name in needed else '?'}: {_type(shape)}"
        for name, shape in function["parameters"]["properties"].items()
    )
    return f"[tool] {function['name']}({arguments})  {function['description']}"


def _type(shape: dict[str, Any]) -> str:
    return " | ".join(shape["enum"]) if "enum" in shape else shape.get("format", shape["type"])


def _turns(item: Drawn) -> list[tuple[str, str]]:
    if isinstance(item, Conversation):
        return [(turn.prompt, turn.answer) for turn in item.turns]
    return [(item.prompt, item.answer)]


def _row(item: Drawn) -> dict[str, Any]:
    about = {
        "id": item.id,
        "cluster": item.cluster,
        "family": item.family,
        "level": item.level,
        "kind": item.kind,
    }
    said = [{"prompt": prompt, "answer": answer} for prompt, answer in _turns(item)]
    told: dict[str, Any] = {"turns": said} if isinstance(item, Conversation) else said[0]
    if tools := _tools(item):
        told |= {"tools": [json.loads(tool) for tool in tools]}
    if isinstance(item, Errand):
        told |= {"records": item.draft.world.records()}
    stretch = item.start().stretch
    length = {} if stretch is None else {"tokens": stretch.tokens}
    facts = {"facts": found} if (found := list(_facts(item))) else {}
    return {**about, **told, **facts, "max_tokens": item.max_tokens, **length}


def _about(family: Family) -> dict[str, Any]:
    return {
        "name": family.name,
        "revision": family.revision,
        "what": _what(family),
        "levels": {str(n): list(dict.fromkeys(family.kinds(n))) for n in family.levels},
    }


def _levels(family: Family) -> str:
    first, last = min(family.levels), max(family.levels)
    return str(first) if first == last else f"{first}-{last}"


def _what(family: Family) -> str:
    """Return the first line of the module that a family is written in."""
    text = inspect.getdoc(sys.modules[type(family).__module__]) or ""
    return text.partition("\n")[0]
