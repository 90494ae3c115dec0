"""The tools that families call: what each does, what it takes, and requests that need them.

A tool does one thing (`Action`) to one kind of object, so that each has near-duplicates: other
things to do to the same object, the same thing done to another one. A request says what it wants
in other words than the tools do. A `Wish` is a catalogue with a request and the calls that it
needs. How a catalogue is shown and a call is written is the families' business: as text in
`tools_prompted`, through the tools API in `tools`.
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

# What tools are about, and what requests call it.
SAID: Final[Mapping[str, str]] = {
    "order": "sale", "standing order": "recurring sale",
    "invoice": "bill", "draft invoice": "unsent bill",
    "ticket": "support case", "travel ticket": "boarding pass",
    "booking": "reservation", "group booking": "party reservation",
    "meeting": "gathering", "board meeting": "executive gathering",
    "task": "chore", "side task": "minor chore",
    "contract": "agreement", "work contract": "employment agreement",
}  # fmt: skip
OBJECTS: Final = tuple(SAID)
_PRIORITIES: Final = ("low", "normal", "high", "urgent")
_COLOURS: Final = ("red", "blue", "green", "yellow")
SIZES: Final = {1: 4, 2: 8, 3: 24, 4: 64}
# Actions and objects of the tools from which a catalogue is drawn: more than it takes.
_GRIDS: Final = {1: (2, 3), 2: (3, 3), 3: (5, 5), 4: (8, 9)}
KINDS: Final = ("simple", "multiple", "parallel", "irrelevant", "missing")
_TOLD: Final = 0.5


@final
@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to an object: one tool for each of the objects.

    `asks` word the request, in other words than the description, and `vague` the one that leaves
    the argument out. Where `tells`, an optional `notify` says whether the customer hears of it.
    """

    verb: str
    does: str
    asks: tuple[str, ...] = ()
    vague: str = ""
    argument: tuple[str, Kind] | None = None
    tells: bool = False


_ACTIONS: Final = (
    Action("cancel", "Call off {a} for good",
           ("Drop {o} once and for all", "Nobody will ever need {o} again, so scrap it"),
           tells=True),
    Action("archive", "Put {a} away with closed ones",
           ("File {o}, it is over and done with", "Everything about {o} is settled, so file it")),
    Action("pause", "Put {a} on hold until a date",
           ("Freeze {o}, we go on with it on {x}", "Nothing is to happen with {o} before {x}"),
           "Freeze {o} for a while", ("until", "date"), tells=True),
    Action("move", "Give {a} another date",
           ("Reschedule {o} to {x}", "The day of {o} is now {x}"),
           "Reschedule {o}, the old day does not suit us", ("date", "date"), tells=True),
    Action("extend", "Let {a} run some days longer",
           ("Lengthen {o} by {x} days", "Everybody needs {x} days more for {o}"),
           "Lengthen {o}, it needs more time", ("days", "count"), tells=True),
    Action("assign", "Make a person responsible for {a}",
           ("From now on {x} looks after {o}", "Put {o} into the hands of {x}"),
           "Put {o} into the hands of a colleague", ("person", "person")),
    Action("share", "Let a person read {a}",
           ("Show {x} what is in {o}", "Open {o} to the eyes of {x}"),
           "Show a colleague what is in {o}", ("person", "person")),
    Action("rank", "Set the priority of {a}",
           ("Handle {o} as {x}", "The importance of {o} is {x} now"),
           "The importance of {o} has changed", ("priority", "priority")),
    Action("label", "Mark {a} with a colour",
           ("Paint {o} {x} in the list", "In the list, {o} is to show up {x}"),
           "Paint {o} differently in the list", ("colour", "colour")),
    Action("price", "Set what {a} costs, in euros",
           ("The sum for {o} is {x} EUR now", "Sell {o} at {x} EUR"),
           "The sum for {o} has changed", ("amount", "amount"), tells=True),
    Action("discount", "Take some euros off the price of {a}",
           ("Reduce {o} by {x} EUR", "Grant a rebate of {x} EUR on {o}"),
           "Grant a rebate on {o}", ("amount", "amount"), tells=True),
    Action("print", "Print copies of {a} on paper",
           ("Run {o} off {x} times for the folder", "Bring me {o} {x} times, in ink on sheets"),
           "Run {o} off for the folder, more than once", ("copies", "count")),
)  # fmt: skip
# Looks something up and changes nothing.
FIND: Final = Action("find", "List every {o} of a customer, with id, date and price",
                     argument=("customer", "person"))  # fmt: skip
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

    @property
    def last(self) -> str:
        """The name of its last required argument."""
        return list(self.required)[-1]

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
    given = {name: value(rng, kind, level) for name, kind in tool.required.items()}
    last = list(given)[-1]
    named = SAID[tool.thing]
    which = f"the {named}" if missing and last == "id" else f"{named} {given['id']}"
    said = worded(rng, tool.action, which, given[last], vague=missing)
    if missing:
        del given[last]
    if tool.action.tells and rng.random() < _TOLD:
        given["notify"] = told = rng.random() < _TOLD
        said += notified(told=told)
    return f"{said}.", given


def worded(rng: Random, action: Action, which: str, last: Value, *, vague: bool = False) -> str:
    """Say what is to be done to an object; `last` is the value of the last argument."""
    ask = action.vague if vague and action.vague else rng.choice(action.asks)
    return ask.format(o=which, x=spoken(last))


def notified(*, told: bool) -> str:
    """Return how a request says whether the customer hears of it."""
    return "; let the client know" if told else "; the client is not to hear of it"


def aside(rng: Random, tools: Sequence[Tool]) -> str:
    """Name a chance tool of a catalogue in its own words, beside the request.

    Whoever takes the tool that shares most words with the request then takes a chance one.
    """
    about = json.loads(rng.choice(tools).line)["description"]
    return f'Subject of the mail before this one: "{about}"'


def spoken(value: Value) -> str:
    """Return a value as a request says it."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def grid(
    rng: Random, level: int, actions: Sequence[Action] = _ACTIONS, *, finders: bool = False
) -> list[Tool]:
    """Draw a few actions on a few objects: every tool has as many near-duplicates as another.

    What is wanted is drawn from them afterwards, so that a catalogue does not tell which it is.
    With `finders`, one of the actions is looking up.
    """
    verbs, things = _GRIDS[level]
    chosen = rng.sample(actions, verbs - finders)
    about = rng.sample(OBJECTS, things)
    cells = [tool for tool in EVERY if tool.action in chosen and tool.thing in about]
    return [*cells, *(FINDERS[thing] for thing in about if finders)]


def catalogue(rng: Random, size: int, cells: Sequence[Tool], wanted: Sequence[Tool]) -> list[Tool]:
    """Return `size` tools of a grid, in any order, the wanted ones among them."""
    rest = [tool for tool in cells if tool not in wanted]
    tools = [*wanted, *rng.sample(rest, max(0, size - len(wanted)))]
    return rng.sample(tools, len(tools))


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
    # In a short catalogue, a request that says neither which one nor when would come again soon.
    terse = kind == "missing" and level == 1
    cells = grid(rng, level, [a for a in _ACTIONS if a.argument] if terse else _ACTIONS)
    size = rng.randint(1, SIZES[level]) if level == 1 else SIZES[level]
    tools = catalogue(rng, 1 if kind == "simple" else size, cells, ())
    wanted = _wanted(rng, kind, cells, tools)
    requests = [request(rng, tool, level, missing=kind == "missing") for tool in wanted]
    calls = [(tool, given) for tool, (_, given) in zip(wanted, requests, strict=True)]
    return Wish(
        tuple(tools),
        " ".join((aside(rng, tools), *(said for said, _ in requests))),
        () if kind in {"irrelevant", "missing"} else tuple(calls),
        wanted[0].last if kind == "missing" else "",
        len(wanted),
    )


def _wanted(rng: Random, kind: str, cells: list[Tool], tools: list[Tool]) -> list[Tool]:
    """Draw what is wanted: of a catalogue each as likely, or what it lacks."""
    if kind == "irrelevant":
        return [rng.choice([tool for tool in cells if tool not in tools])]
    if kind == "missing":
        # The argument first: one that more tools take would else be the likelier answer.
        last = rng.choice(sorted({tool.last for tool in tools}))
        return [rng.choice([tool for tool in tools if tool.last == last])]
    if kind != "parallel":
        return [rng.choice(tools)]
    # Several calls may go to one tool: once each, or all to the same.
    count = rng.randint(2, 3)
    return rng.choices(rng.sample(tools, min(count, len(tools))), k=count)
