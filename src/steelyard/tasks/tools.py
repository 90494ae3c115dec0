"""Tool calling through the engine's native tools API: real `tools` sent, real `tool_calls` read.

A catalogue is sent with the request, and only what comes back as a call counts as one. Kinds: one
tool only, one out of several, several calls at once, no tool that fits, a required argument that is
not given, and errands: look something up in a simulated world, act on it, and say what was done.
Catalogues have up to 4, 8, 24 and 64 tools at levels 1 to 4, about half of them near-duplicates of
what is wanted. The same requests with the catalogue in the prompt are `tools_prompted`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias, final

from steelyard.tasks.errand import ErrandDraft
from steelyard.tasks.items import Cluster, Draft, coin
from steelyard.tasks.tool_calls import NO_TOOL, ToolScorer
from steelyard.tasks.tool_catalogue import (
    FIND,
    FINDERS,
    KINDS,
    SAID,
    SIZES,
    Tool,
    Value,
    aside,
    catalogue,
    grid,
    notified,
    value,
    wish,
    worded,
)
from steelyard.tasks.tool_world import World
from steelyard.tasks.words import NAMES, first

Step: TypeAlias = tuple[Tool, Mapping[str, Value]]

_ERRAND: Final = "errand"
_DEMAND: Final = (
    "Use the tools to do what is asked, with one call for each thing and without arguments that "
    "the request does not give. If no tool does exactly what is asked, call none and reply: "
    f"{NO_TOOL}. If a required argument is not given, call none and reply: missing: NAME, with the "
    "name of the argument."
)
_ERRAND_DEMAND: Final = (
    "Use the tools to do what is asked: look up what you need to know, change nothing else, and "
    "leave out arguments that the request does not give."
)
_TOKENS_A_CALL: Final = 96
_TOKENS_A_STEP: Final = 192
_FORMS: Final = {1: ("plain",), 2: ("choice",), 3: ("condition",), 4: ("choice", "condition")}
# Above every year, so that no date is taken for an id.
_IDS: Final = range(3000, 10_000)
_CHOICES: Final = {
    "cheaper": ("price", False),
    "dearer": ("price", True),
    "earlier": ("date", False),
    "later": ("date", True),
}


def _single(rng: Random, kind: str, level: int) -> Cluster:
    drawn = wish(rng, kind, level)
    calls = [{"tool": tool.name, "arguments": given} for tool, given in drawn.calls]
    said = f"missing: {drawn.missing}" if drawn.missing else "" if calls else NO_TOOL
    draft = Draft(
        kind,
        ("\n".join(tool.line for tool in drawn.tools), drawn.request),
        f"{_DEMAND}\n\nRequest: {drawn.request}",
        said or json.dumps({"calls": calls}),
        _TOKENS_A_CALL * (drawn.asked + 1),
        ToolScorer(drawn.tools, tuple((tool.name, given) for tool, given in drawn.calls), said),
        tools=tuple(tool.api for tool in drawn.tools),
    )
    # The same content as in prompts: what one trains on, the other may not ask.
    return Cluster(draft.key, (draft,), family="tools_prompted")


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """One thing to do of an errand: how it is said, what it takes, and what it changes."""

    said: str
    steps: tuple[Step, ...]
    id: int
    tools: tuple[Tool, ...]


def _errand(rng: Random, level: int) -> Cluster:
    cells = grid(rng, level, finders=True)
    thing, forms = rng.choice(sorted({tool.thing for tool in cells})), _FORMS[level]
    own = [tool for tool in cells if tool.thing == thing and tool.action is not FIND]
    people = rng.sample(first(NAMES, level), 3 + level)
    records = _records(rng, people, forms, level)
    parts = [
        _part(rng, form, own, [r for r in records if r["customer"] == who], level)
        for form, who in zip(forms, people, strict=False)
    ]
    wanted = tuple(step for part in parts for step in part.steps)
    needed = list(dict.fromkeys(tool for part in parts for tool in part.tools))
    size = rng.randint(len(needed), SIZES[level]) if level == 1 else SIZES[level]
    tools = catalogue(rng, size, cells, needed)
    beside = aside(rng, [tool for tool in tools if tool.action is not FIND])
    told = " ".join((beside, *(part.said for part in parts)))
    closing = (
        "When it is done, reply with its id."
        if len(parts) == 1
        else "When both are done, reply with the two ids, in this order."
    )
    ids = tuple(part.id for part in parts)
    draft = ErrandDraft(
        _ERRAND,
        ("\n".join(tool.line for tool in tools), told, json.dumps(records)),
        f"{_ERRAND_DEMAND}\n\nRequest: {told} {closing}",
        tuple(tools),
        World(thing, records),
        wanted,
        ids,
        _TOKENS_A_STEP,
    )
    return Cluster(draft.key, late=lambda: (draft,))


def _records(
    rng: Random, people: list[str], forms: tuple[str, ...], level: int
) -> list[dict[str, Any]]:
    """Draw one record a person, and two for whom a choice is to be made."""
    owners = [who for who, form in zip(people, forms, strict=False) if form == "choice"] + people
    prices = rng.sample(range(1_000, 90_000), len(owners))
    dates: dict[str, None] = {}
    while len(dates) < len(owners):
        dates[str(value(rng, "date", level))] = None
    found = [
        {
            "id": number,
            "customer": who,
            "date": date,
            "price": cents // 100 if level == 1 else cents / 100,
        }
        for number, who, date, cents in zip(
            rng.sample(_IDS, len(owners)), owners, dates, prices, strict=True
        )
    ]
    return rng.sample(found, len(found))


def _part(
    rng: Random, form: str, tools: list[Tool], own: list[dict[str, Any]], level: int
) -> _Part:
    """Draw one thing to do with one of these tools; `own` are the records of who is asked about."""
    who, thing = own[0]["customer"], tools[0].thing
    finder = FINDERS[thing]
    look: Step = (finder, {"customer": who})
    if form == "condition":
        return _condition(rng, tools, own[0], look, level)
    chosen, which = own[0], SAID[thing]
    if form == "choice":
        word, (key, most) = rng.choice(list(_CHOICES.items()))
        pick = max if most else min
        chosen, which = pick(own, key=lambda record: record[key]), f"{word} {which}"
    said, step = _action(rng, rng.choice(tools), f"the {which} of {who}", chosen["id"], level)
    return _Part(f"{said}.", (look, step), chosen["id"], (finder, step[0]))


def _condition(
    rng: Random, tools: list[Tool], record: dict[str, Any], look: Step, level: int
) -> _Part:
    holds = coin(rng)
    apart = rng.randint(1, 9)
    limit = int(record["price"]) + (-apart if holds else apart)
    named = SAID[tools[0].thing]
    one, other = (
        _action(rng, tool, f"that {named}", record["id"], level) for tool in rng.sample(tools, 2)
    )
    said = (
        f"If the {named} of {record['customer']} comes to more than {limit} EUR, "
        f"{_small(one[0])}; if not, {_small(other[0])}."
    )
    step = one[1] if holds else other[1]
    return _Part(said, (look, step), record["id"], (look[0], one[1][0], other[1][0]))


def _action(rng: Random, tool: Tool, named: str, number: int, level: int) -> tuple[str, Step]:
    """Say what a tool is to do to what is `named`; return it with the call."""
    given: dict[str, Value] = {"id": number}
    given |= {name: value(rng, kind, level) for name, kind in tool.required.items() if name != "id"}
    said = worded(rng, tool.action, named, given[tool.last])
    if tool.action.tells and coin(rng):
        given["notify"] = told = coin(rng)
        said += notified(told=told)
    return said, (tool, given)


def _small(said: str) -> str:
    """Put a sentence inside another one; a name keeps its capital."""
    return said[0].lower() + said[1:]


@final
class Tools:
    """The family behind `tools`."""

    name: Final = "tools"
    revision: Final = 2
    levels: Final = (1, 2, 3, 4)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return what a request is like, the same at every level."""
        return (*KINDS, _ERRAND)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one catalogue and one request."""
        return _errand(rng, level) if kind == _ERRAND else _single(rng, kind, level)
