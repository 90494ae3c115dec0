"""The tools that families call: what each does, what it takes, and requests that need them.

A tool does one thing (`Action`) to one kind of object, so that each has near-duplicates: other
things to do to the same object, the same thing done to another one. A `Wish` is a catalogue with a
request and the calls that it needs. How a catalogue is shown and a call is written is the
families' business: as text in `tools_prompted`, through the tools API in `tools`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias, final

from steelyard.tasks.words import NAMES, first

Kind: TypeAlias = Literal["id", "date", "count", "person", "priority", "colour", "amount"]
Value: TypeAlias = str | int | float | bool

OBJECTS: Final = (
    "order", "purchase order", "invoice", "draft invoice", "ticket", "travel ticket", "booking",
    "group booking", "meeting", "board meeting", "task", "side task", "contract", "work contract",
)  # fmt: skip
_PRIORITIES: Final = ("low", "normal", "high", "urgent")
_COLOURS: Final = ("red", "blue", "green", "yellow")
SIZES: Final = {1: 4, 2: 8, 3: 24, 4: 64}
KINDS: Final = ("simple", "multiple", "parallel", "irrelevant", "missing")
_TOLD: Final = 0.5


@final
@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to an object: one tool for each of the objects.

    `ask` words the request, `vague` the one that leaves the last required argument out. Where
    `tells`, an optional `notify` says whether the customer hears of it.
    """

    verb: str
    does: str
    ask: str
    vague: str
    argument: tuple[str, Kind] | None = None
    tells: bool = False


_ACTIONS: Final = (
    Action("cancel", "Call off {a} for good", "Call off {o} {id} for good",
           "Call off the {o} for good", tells=True),
    Action("archive", "Put {a} away with closed ones", "Put {o} {id} away with closed ones",
           "Put the {o} away with closed ones"),
    Action("pause", "Put {a} on hold until a date", "Put {o} {id} on hold until {x}",
           "Put {o} {id} on hold for some time", ("until", "date"), tells=True),
    Action("move", "Give {a} another date", "Shift {o} {id} to {x}",
           "Shift {o} {id} to another date", ("date", "date"), tells=True),
    Action("extend", "Let {a} run some days longer", "Let {o} {id} run {x} days longer",
           "Let {o} {id} run longer", ("days", "count"), tells=True),
    Action("assign", "Make a person responsible for {a}", "Make {x} responsible for {o} {id}",
           "Make somebody else responsible for {o} {id}", ("person", "person")),
    Action("share", "Let a person read {a}", "Let {x} read {o} {id}",
           "Let somebody else read {o} {id}", ("person", "person")),
    Action("rank", "Set the priority of {a}", "Treat {o} {id} with {x} priority",
           "Treat {o} {id} with another priority", ("priority", "priority")),
    Action("label", "Mark {a} with a colour", "Mark {o} {id} in {x}",
           "Mark {o} {id} in another colour", ("colour", "colour")),
    Action("price", "Set what {a} costs, in euros", "Let {o} {id} cost {x} euros",
           "Let {o} {id} cost something else", ("amount", "amount"), tells=True),
    Action("discount", "Take some euros off the price of {a}", "Take {x} euros off {o} {id}",
           "Take something off the price of {o} {id}", ("amount", "amount"), tells=True),
    Action("print", "Print copies of {a} on paper", "Print {x} copies of {o} {id}",
           "Print several copies of {o} {id}", ("copies", "count")),
)  # fmt: skip
# Looks something up and changes nothing.
FIND: Final = Action("find", "List every {o} of a customer, with id, date and price", "", "",
                     ("customer", "person"))  # fmt: skip
_TYPES: Final[Mapping[Kind, Mapping[str, object]]] = {
    "id": {"type": "integer"},
    "count": {"type": "integer"},
    "amount": {"type": "number"},
    "date": {"type": "string", "format": "YYYY-MM-DD"},
    "person": {"type": "string"},
    "priority": {"type": "string", "enum": list(_PRIORITIES)},
    "colour": {"type": "string", "enum": list(_COLOURS)},
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """One entry of a catalogue: its name and required arguments.

    `line` is its JSON as a prompt shows it, `api` that of the chat API.
    """

    action: Action
    thing: str
    name: str
    required: Mapping[str, Kind]
    line: str
    api: str

    def accepts(self, arguments: object) -> bool:
        """Say whether the arguments are all there, known and of the right type."""
        if not isinstance(arguments, dict) or not self.required.keys() <= arguments.keys():
            return False
        kinds = self.required
        for name, value in arguments.items():
            if name == "notify" and self.action.tells:
                if not isinstance(value, bool):
                    return False
            elif name not in kinds or not _fits(kinds[name], value):
                return False
        return True


def _tool(action: Action, thing: str) -> Tool:
    required: dict[str, Kind] = {} if action is FIND else {"id": "id"}
    required |= dict([action.argument] if action.argument else [])
    parameters = {name: dict(_TYPES[kind]) for name, kind in required.items()}
    if action.tells:
        parameters["notify"] = {"type": "boolean", "description": "whether the customer is told"}
    name = f"{action.verb}_{thing.replace(' ', '_')}"
    does = action.does.format(a=f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}", o=thing) + "."
    entry = {
        "name": name,
        "description": does,
        "parameters": parameters,
        "required": list(required),
    }
    return Tool(action, thing, name, required, json.dumps(entry), _api(name, does, parameters))


def _api(name: str, does: str, parameters: Mapping[str, Mapping[str, object]]) -> str:
    """Return a tool as the chat API has it, its arguments by JSON Schema."""
    schema = {
        "type": "object",
        "properties": {key: _standard(shape) for key, shape in parameters.items()},
        "required": [key for key in parameters if key != "notify"],
        "additionalProperties": False,
    }
    function = {"name": name, "description": does, "parameters": schema}
    return json.dumps({"type": "function", "function": function})


def _standard(shape: Mapping[str, object]) -> dict[str, object]:
    """Name the form of a date as JSON Schema does."""
    if "format" not in shape:
        return dict(shape)
    return {**shape, "format": "date", "description": f"as {shape['format']}"}


EVERY: Final = [_tool(action, thing) for action in _ACTIONS for thing in OBJECTS]
FINDERS: Final = {thing: _tool(FIND, thing) for thing in OBJECTS}


def _fits(kind: Kind, value: object) -> bool:
    shape = _TYPES[kind]
    if shape["type"] == "string":
        choices = shape.get("enum")
        return isinstance(value, str) and (not isinstance(choices, list) or value in choices)
    if isinstance(value, bool):
        return False
    return isinstance(value, int if shape["type"] == "integer" else int | float)


def value(rng: Random, kind: Kind, level: int) -> Value:
    """Draw a value for an argument; amounts have cents from level 2 on."""
    match kind:
        case "date":
            return f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        case "person":
            return rng.choice(first(NAMES, level))
        case "priority":
            return rng.choice(_PRIORITIES)
        case "colour":
            return rng.choice(_COLOURS)
        case "amount":
            return rng.randint(5, 900) if level == 1 else rng.randint(500, 90_000) / 100
        case "count":
            return rng.randint(2, 30)
        case "id":
            return rng.randint(10, 9999)


def request(
    rng: Random, tool: Tool, level: int, *, missing: bool = False
) -> tuple[str, dict[str, Value]]:
    """Word a request; return it with the arguments that it gives."""
    action = tool.action
    given = {name: value(rng, kind, level) for name, kind in tool.required.items()}
    last = list(given)[-1]
    template = action.vague if missing else action.ask
    said = template.format(o=tool.thing, id=given["id"], x=spoken(given[last]))
    if missing:
        del given[last]
    if action.tells and rng.random() < _TOLD:
        given["notify"] = rng.random() < _TOLD
        said += " and tell the customer" if given["notify"] else " without telling the customer"
    return f"{said}.", given


def spoken(value: Value) -> str:
    """Return a value as a request says it."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def catalogue(
    rng: Random,
    size: int,
    wanted: Sequence[Tool],
    absent: Tool | None = None,
    pool: Sequence[Tool] = EVERY,
) -> list[Tool]:
    """Return `size` tools with the wanted ones, near-duplicates of those first."""
    close = [*wanted, *([] if absent is None else [absent])]
    things, verbs = {tool.thing for tool in close}, {tool.action.verb for tool in close}
    near = [tool for tool in pool if tool.thing in things or tool.action.verb in verbs]
    # Half of the rest is close to what is wanted, so that one word of a name decides.
    share = (size - len(wanted) + 1) // 2 + len(close)
    rest = [*rng.sample(near, min(share, len(near))), *rng.sample(pool, size + share + 1)]
    picked = {tool.name: tool for tool in wanted}
    for tool in rest:
        if len(picked) < size and tool is not absent:
            picked.setdefault(tool.name, tool)
    return rng.sample(list(picked.values()), len(picked))


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """A catalogue, a request, and what it needs: calls, or the argument that is `missing`.

    With neither, no tool of the catalogue does what is asked.
    """

    tools: tuple[Tool, ...]
    request: str
    calls: tuple[tuple[Tool, Mapping[str, Value]], ...] = ()
    missing: str = ""
    asked: int = 1


def wish(rng: Random, kind: str, level: int) -> Wish:
    """Draw one of `KINDS`."""
    size = 1 if kind == "simple" else SIZES[level]
    if level == 1 and kind != "simple":
        size = rng.randint(1, size)
    count = rng.randint(2, 3) if kind == "parallel" else 1
    # Several calls may go to one tool: once each, or all to the same.
    # In a short catalogue, a request that says neither which one nor when would come again soon.
    terse = kind == "missing" and level == 1
    eligible = [tool for tool in EVERY if tool.action.argument] if terse else EVERY
    wanted = rng.choices(rng.sample(eligible, count), k=count)
    requests = [request(rng, tool, level, missing=kind == "missing") for tool in wanted]
    distinct = list(dict.fromkeys(wanted))
    listed, absent = ([], wanted[0]) if kind == "irrelevant" else (distinct, None)
    tools = catalogue(rng, max(size, len(listed)), listed, absent)
    calls = [(tool, given) for tool, (_, given) in zip(wanted, requests, strict=True)]
    return Wish(
        tuple(tools),
        " ".join(said for said, _ in requests),
        () if kind in {"irrelevant", "missing"} else tuple(calls),
        list(wanted[0].required)[-1] if kind == "missing" else "",
        count,
    )
