"""Tool calling in prompt-only mode: the catalogue stands in the prompt, the call is JSON text.

This is not an engine's native tools API: what it measures is reading a catalogue and writing a
call by a stated schema. Catalogues are full of near-duplicates: other things to do to the same
object, the same thing done to another one. Kinds: one tool only, one out of several, several
calls at once, no tool that fits, a required argument that the request does not give. Levels 1 to
4 show up to 4, 8, 24 and 64 tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.items import Cluster, Draft, alone
from steelyard.tasks.values import JsonObject, bare_object, json_mark, same_json
from steelyard.tasks.words import NAMES, first

Kind: TypeAlias = Literal["id", "date", "count", "person", "priority", "colour", "amount"]
Value: TypeAlias = str | int | float | bool

_DEMAND: Final = (
    'Reply with one JSON object only: {"calls": [{"tool": TOOL, "arguments": {NAME: VALUE}}]}, '
    "with one call for each thing that is asked for and without arguments that the request does "
    'not give. If no tool does exactly what is asked, reply {"calls": []}. If a required argument '
    'is not given, reply {"calls": [], "missing": [NAME]}.'
)
_OBJECTS: Final = (
    "order", "purchase order", "invoice", "draft invoice", "ticket", "travel ticket", "booking",
    "group booking", "meeting", "board meeting", "task", "side task", "contract", "work contract",
)  # fmt: skip
_PRIORITIES: Final = ("low", "normal", "high", "urgent")
_COLOURS: Final = ("red", "blue", "green", "yellow")
_SIZES: Final = {1: 4, 2: 8, 3: 24, 4: 64}
_TOKENS_A_CALL: Final = 64
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
    """One entry of a catalogue: its name, its required arguments, its line of JSON."""

    action: Action
    thing: str
    name: str
    required: Mapping[str, Kind]
    line: str

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
    required: dict[str, Kind] = {"id": "id"}
    required |= dict([action.argument] if action.argument else [])
    parameters = {name: dict(_TYPES[kind]) for name, kind in required.items()}
    if action.tells:
        parameters["notify"] = {"type": "boolean", "description": "whether the customer is told"}
    name = f"{action.verb}_{thing.replace(' ', '_')}"
    entry = {
        "name": name,
        "description": action.does.format(a=f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}")
        + ".",
        "parameters": parameters,
        "required": list(required),
    }
    return Tool(action, thing, name, required, json.dumps(entry))


_EVERY: Final = [_tool(action, thing) for action in _ACTIONS for thing in _OBJECTS]


def _fits(kind: Kind, value: object) -> bool:
    shape = _TYPES[kind]
    if shape["type"] == "string":
        choices = shape.get("enum")
        return isinstance(value, str) and (not isinstance(choices, list) or value in choices)
    if isinstance(value, bool):
        return False
    return isinstance(value, int if shape["type"] == "integer" else int | float)


@final
@dataclass(frozen=True, slots=True)
class CallScorer:
    """Calls by the stated schema, compared without regard to their order."""

    tools: tuple[Tool, ...]
    expected: str

    def mark(self, answer: Answer) -> Mark:
        """Right if the calls are valid, of the right tools and with the right arguments."""
        wanted = bare_object(self.expected) or {}

        def held(found: JsonObject | None) -> dict[str, bool]:
            return {
                "schema_valid": found is not None and self._valid(found),
                "right_tool": found is not None and _tools(found) == _tools(wanted),
                "right_arguments": found is not None and _same(found, wanted),
            }

        return json_mark(answer, lambda found: all(held(found).values()), held)

    def _valid(self, found: JsonObject) -> bool:
        calls, missing = found.get("calls"), found.get("missing", [])
        if not found.keys() <= {"calls", "missing"} or not isinstance(calls, list):
            return False
        if not isinstance(missing, list) or not all(isinstance(name, str) for name in missing):
            return False
        known = {tool.name: tool for tool in self.tools}
        return all(
            isinstance(call, dict)
            and call.keys() == {"tool", "arguments"}
            and isinstance(call["tool"], str)
            and call["tool"] in known
            and known[call["tool"]].accepts(call["arguments"])
            for call in calls
        )


def _calls(found: JsonObject) -> list[dict[str, object]]:
    calls = found.get("calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _tools(found: JsonObject) -> list[str]:
    return sorted(str(call.get("tool")) for call in _calls(found))


def _same(found: JsonObject, wanted: JsonObject) -> bool:
    """Say whether each wanted call is there with its arguments, and what is missing is named."""
    left = _calls(found)
    for call in _calls(wanted):
        twin = next((other for other in left if same_json(other, call)), None)
        if twin is None:
            return False
        left.remove(twin)
    return not left and found.get("missing", []) == wanted.get("missing", [])


def _value(rng: Random, kind: Kind, level: int) -> Value:
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


def _request(
    rng: Random, tool: Tool, level: int, *, missing: bool = False
) -> tuple[str, dict[str, Value]]:
    """Word a request; return it with the arguments that it gives."""
    action = tool.action
    given = {name: _value(rng, kind, level) for name, kind in tool.required.items()}
    last = list(given)[-1]
    template = action.vague if missing else action.ask
    said = template.format(o=tool.thing, id=given["id"], x=_spoken(given[last]))
    if missing:
        del given[last]
    if action.tells and rng.random() < _TOLD:
        given["notify"] = rng.random() < _TOLD
        said += " and tell the customer" if given["notify"] else " without telling the customer"
    return f"{said}.", given


def _spoken(value: Value) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _catalogue(rng: Random, size: int, wanted: list[Tool], absent: Tool | None) -> list[Tool]:
    """Return `size` tools with the wanted ones, near-duplicates of those first."""
    close = [*wanted, *([] if absent is None else [absent])]
    things, verbs = {tool.thing for tool in close}, {tool.action.verb for tool in close}
    near = [tool for tool in _EVERY if tool.thing in things or tool.action.verb in verbs]
    # Half of the rest is close to what is wanted, so that one word of a name decides.
    share = (size - len(wanted) + 1) // 2 + len(close)
    rest = [*rng.sample(near, min(share, len(near))), *rng.sample(_EVERY, size + share + 1)]
    picked = {tool.name: tool for tool in wanted}
    for tool in rest:
        if len(picked) < size and tool is not absent:
            picked.setdefault(tool.name, tool)
    return rng.sample(list(picked.values()), len(picked))


def _draft(rng: Random, kind: str, level: int) -> Draft:
    size = 1 if kind == "simple" else _SIZES[level]
    if level == 1 and kind != "simple":
        size = rng.randint(1, size)
    count = rng.randint(2, 3) if kind == "parallel" else 1
    # Several calls may go to one tool: once each, or all to the same.
    # In a short catalogue, a request that says neither which one nor when would come again soon.
    terse = kind == "missing" and level == 1
    eligible = [tool for tool in _EVERY if tool.action.argument] if terse else _EVERY
    wanted = rng.choices(rng.sample(eligible, count), k=count)
    requests = [_request(rng, tool, level, missing=kind == "missing") for tool in wanted]
    calls: list[object] = [
        {"tool": tool.name, "arguments": given}
        for tool, (_, given) in zip(wanted, requests, strict=True)
    ]
    answer: dict[str, list[object]] = {"calls": calls}
    if kind == "irrelevant":
        answer["calls"] = []
    if kind == "missing":
        answer = {"calls": [], "missing": [list(wanted[0].required)[-1]]}
    distinct = list(dict.fromkeys(wanted))
    listed, absent = ([], wanted[0]) if kind == "irrelevant" else (distinct, None)
    tools = _catalogue(rng, max(size, len(listed)), listed, absent)
    shown = "\n".join(tool.line for tool in tools)
    request = " ".join(said for said, _ in requests)
    expected = json.dumps(answer)
    return Draft(
        kind,
        (shown, request),
        f"You can use these tools:\n{shown}\n\n{_DEMAND}\n\nRequest: {request}",
        expected,
        _TOKENS_A_CALL * (count + 1),
        CallScorer(tuple(tools), expected),
    )


@final
class ToolsPrompted:
    """The family behind `tools_prompted`."""

    name: Final = "tools_prompted"
    revision: Final = 1
    levels: Final = (1, 2, 3, 4)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return what a request is like, the same at every level."""
        return ("simple", "multiple", "parallel", "irrelevant", "missing")

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one catalogue and one request."""
        return alone(_draft(rng, kind, level))
