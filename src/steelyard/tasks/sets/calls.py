"""Calls of functions against calls that are accepted, as BFCL's checker of single turns has it.

An accepted call maps each argument to a list of values, of which any is right; an empty text among
them means that the argument may be left out. Texts are compared without case, spaces and `,./-_*^`;
a whole number may stand for a decimal one where the function wants that, not the other way round.
Not aware of files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from steelyard.domain.task import Answer, Call, Mark
from steelyard.tasks import json_text
from steelyard.tasks.scoring import mark_of

_ASIDE: Final = re.compile(r"[ ,./\-_*^]")
_DECIMAL: Final = frozenset({"float", "number"})


def api_name(name: str) -> str:
    """Return a function's name as the tools API takes it: it knows no dots."""
    return name.replace(".", "_")


@final
@dataclass(frozen=True, slots=True)
class CallsScorer:
    """So many calls, in any order, each one accepted. All fields are JSON text.

    `wanted` lists the accepted calls, `functions` has each function's parameters by name.
    """

    wanted: str
    functions: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> CallsScorer:
        """Make a scorer of what lies on the shelf."""
        return cls(json.dumps(spec["wanted"]), json.dumps(spec["functions"]))

    def mark(self, answer: Answer) -> Mark:
        """Right if the calls are the accepted ones; an answer without a call cannot be read."""
        made = [(call.name, _arguments(call)) for call in answer.calls]
        shown = json.dumps([[name, arguments] for name, arguments in made]) if made else None
        unread = any(arguments is None for _, arguments in made)
        right = not unread and self._accepts([(n, a) for n, a in made if a is not None])
        read = None if unread else shown
        held = {"called": bool(made), "arguments_json": bool(made) and not unread}
        return mark_of(answer, read, read, held, right=right)

    def _accepts(self, made: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
        wanted, functions = json.loads(self.wanted), json.loads(self.functions)
        left = list(made)
        if len(left) != len(wanted):
            return False
        for one in wanted:
            ((name, accepted),) = one.items()
            place = next(
                (
                    at
                    for at, (called, arguments) in enumerate(left)
                    if called in (name, api_name(name))
                    and _fits(arguments, accepted, functions[name])
                ),
                None,
            )
            if place is None:
                return False
            left.pop(place)
        return True


def _arguments(call: Call) -> Mapping[str, Any] | None:
    try:
        value = json_text.read(call.arguments or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _fits(
    said: Mapping[str, Any], accepted: Mapping[str, list[Any]], function: Mapping[str, Any]
) -> bool:
    types: Mapping[str, Any] = function["types"]
    if any(name not in said for name in function["required"]):
        return False
    for name, value in said.items():
        if name not in types or name not in accepted:
            return False
        if not any(_same(value, one, types[name]) for one in accepted[name]):
            return False
    return all(name in said or "" in values for name, values in accepted.items())


def _same(said: Any, one: Any, kind: str = "") -> bool:
    """Compare a value with an accepted one of the type that the function names."""
    if isinstance(said, bool) or isinstance(one, bool):
        return said is one
    if isinstance(said, int | float) and isinstance(one, int | float):
        whole = isinstance(said, int)
        return said == one and (whole or kind in _DECIMAL or isinstance(one, float))
    if isinstance(said, str) and isinstance(one, str):
        return _bare(said) == _bare(one)
    if isinstance(said, list) and isinstance(one, list):
        return len(said) == len(one) and all(map(_same, said, one))
    if isinstance(said, dict) and isinstance(one, dict):
        return _same_fields(said, one)
    return said is None and one is None


def _same_fields(said: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Within an object each field of an accepted one lists the values that are right."""
    for name, value in said.items():
        if name not in one or not any(_same(value, each) for each in _values(one[name])):
            return False
    return all(name in said or "" in _values(values) for name, values in one.items())


def _values(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [raw]


def _bare(text: str) -> str:
    return _ASIDE.sub("", text).lower().replace("'", '"')
