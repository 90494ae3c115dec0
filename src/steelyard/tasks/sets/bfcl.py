"""BFCL v3, single turn: one function to call, one out of several, several calls at once.

Two files each, joined by id: `question` (turns of messages) with `function` (name, description,
parameters), and `ground_truth` (accepted calls). The functions are offered through the tools API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import BadInput
from steelyard.tasks.given.row import Row
from steelyard.tasks.given.scorers import CALLS
from steelyard.tasks.sets.adapter import Adapter, Part, Values, records
from steelyard.tasks.sets.calls import api_name

_TYPES: Final = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "any": "string",
    "list": "array",
    "bool": "boolean",
}
_DIFFERS: Final = (
    "through the tools API only (BFCL also has a mode by prompt); dots in names of functions become"
    " underlines for every model"
)


def _read(kind: str, files: Sequence[Path]) -> Iterator[Row]:
    known = {row["id"]: row["ground_truth"] for _, row in records(files[1], ("id", "ground_truth"))}
    for where, row in records(files[0], ("id", "question", "function")):
        if row["id"] not in known:
            raise BadInput(f"{files[1].name} has no accepted calls for {row['id']}")
        system, prompt = _said(row, f"{files[0].name}, {where}")
        functions = row["function"] if isinstance(row["function"], list) else [row["function"]]
        yield Row(
            prompt=prompt,
            system=system,
            scorer={
                "name": CALLS,
                "wanted": known[row["id"]],
                "functions": {one["name"]: _parameters(one) for one in functions},
            },
            kind=kind,
            max_tokens=1024,
            tools=tuple(_tool(one) for one in functions),
            where=where,
            label=str(row["id"]),
        )


def _said(row: Values, where: str) -> tuple[str, str]:
    turns = row["question"]
    messages = turns[0] if turns and isinstance(turns[0], list) else turns
    system = [one["content"] for one in messages if one["role"] == "system"]
    user = [one["content"] for one in messages if one["role"] == "user"]
    if len(user) != 1 or len(user) + len(system) != len(messages):
        raise BadInput(f"{where} is no single question", hint="another version of the set?")
    return "\n".join(system), user[0]


def _parameters(function: Mapping[str, Any]) -> dict[str, Any]:
    raw = function["parameters"]
    types = {name: one.get("type", "any") for name, one in raw.get("properties", {}).items()}
    return {"types": types, "required": raw.get("required", [])}


def _tool(function: Mapping[str, Any]) -> str:
    told = {
        "name": api_name(function["name"]),
        "description": function.get("description", ""),
        "parameters": _schema(function["parameters"]),
    }
    return json.dumps({"type": "function", "function": told}, ensure_ascii=False)


def _schema(raw: Any) -> Any:
    """Return parameters with the type names of JSON schema."""
    if isinstance(raw, list):
        return [_schema(one) for one in raw]
    if not isinstance(raw, dict):
        return raw
    return {
        key: _TYPES.get(value, value)
        if key == "type" and isinstance(value, str)
        else _schema(value)
        for key, value in raw.items()
    }


def _set(kind: str, items: int, what: str) -> Adapter:
    return Adapter(
        name=f"bfcl_{kind}",
        what=what,
        repo="gorilla-llm/Berkeley-Function-Calling-Leaderboard",
        revision="61fc0608cfd831fcfbbaa676ebdfef0ed963eeda",
        parts=(Part(f"BFCL_v3_{kind}.json"), Part(f"possible_answer/BFCL_v3_{kind}.json")),
        licence="Apache-2.0",
        items=items,
        differs=_DIFFERS,
        read=partial(_read, kind),
    )


SIMPLE: Final = _set("simple", 400, "one function to call (BFCL v3)")
MULTIPLE: Final = _set("multiple", 200, "one function out of several (BFCL v3)")
PARALLEL: Final = _set("parallel", 200, "several calls at once (BFCL v3)")
