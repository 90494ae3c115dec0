"""A small world that tools look into and change: records of one kind of object, and who owns them.

Each call has one exact effect, so that the world at the end of an errand can be compared with the
one that was wanted. A call that the world cannot do changes nothing and says why. Not aware of
conversations or marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, final

from steelyard.tasks.tool_catalogue import FIND, Tool
from steelyard.tasks.values import JsonObject

Fields: TypeAlias = dict[str, Any]

# What an action leaves in a record: the field, and the argument that it is set to.
_SETS: Final[Mapping[str, tuple[str, str]]] = {
    "pause": ("paused_until", "until"),
    "move": ("date", "date"),
    "assign": ("responsible", "person"),
    "rank": ("priority", "priority"),
    "label": ("colour", "colour"),
}
_STATES: Final = {"cancel": "cancelled", "archive": "archived"}


@final
class World:
    """Records of one kind of object by id; amounts are kept in cents."""

    def __init__(self, thing: str, records: Iterable[Fields]) -> None:
        self._thing = thing
        self._records: dict[int, Fields] = {
            record["id"]: {**record, "cents": round(record["price"] * 100)} for record in records
        }

    def state(self) -> dict[int, Fields]:
        """Return all of it, to be compared."""
        return self._records

    def records(self) -> list[Fields]:
        """Return what is there to be looked up and changed."""
        return [
            {name: value for name, value in record.items() if name != "cents"}
            for record in self._records.values()
        ]

    def copy(self) -> World:
        """Return a world of its own that is the same now."""
        other = World(self._thing, ())
        other._records = {number: dict(record) for number, record in self._records.items()}
        return other

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> JsonObject:
        """Do one call, whose arguments obey the tool's schema, and return what it says."""
        if tool.action is FIND:
            return self._found(tool.thing, arguments["customer"])
        record = self._records.get(arguments["id"]) if tool.thing == self._thing else None
        if record is None:
            return {"error": f"there is no {tool.thing} {arguments['id']}"}
        if "state" in record:
            return {"error": f"{tool.thing} {arguments['id']} is {record['state']}"}
        self._change(record, tool.action.verb, arguments)
        if "notify" in arguments:
            record["told"] = arguments["notify"]
        return {"ok": True}

    def _found(self, thing: str, customer: str) -> JsonObject:
        found = [
            {"id": number, "date": record["date"], "price": record["cents"] / 100}
            for number, record in self._records.items()
            if thing == self._thing and record["customer"] == customer
        ]
        return {"found": found}

    def _change(self, record: Fields, verb: str, arguments: Mapping[str, Any]) -> None:
        if verb in _SETS:
            field, argument = _SETS[verb]
            record[field] = arguments[argument]
        elif verb in _STATES:
            record["state"] = _STATES[verb]
        elif verb == "extend":
            record["days"] = record.get("days", 0) + arguments["days"]
        elif verb == "share":
            record["readers"] = sorted({*record.get("readers", ()), arguments["person"]})
        elif verb == "print":
            record["copies"] = record.get("copies", 0) + arguments["copies"]
        elif verb == "price":
            record["cents"] = round(arguments["amount"] * 100)
        elif verb == "discount":
            record["cents"] -= round(arguments["amount"] * 100)
