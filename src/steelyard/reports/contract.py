"""The JSON Schema of `sweep_summary.json`: generated from the dataclasses, shipped as a file.

The shipped file is what other programs validate with; a test holds the two together. Within one
schema version a file may only grow: `breaking_changes` names what would break a reader. Version 2
is that of a server's models, whose facts are the server's word; of files it stays 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from steelyard.domain.summary import SERVED_VERSION, SUMMARY_VERSION, SweepSummary

Schema = dict[str, Any]

FILE_NAME: Final = f"sweep_summary.v{SUMMARY_VERSION}.json"
_SERVED: Final = "ServedFacts"


def shipped(version: int = SUMMARY_VERSION) -> Schema:
    """Return the schema that is part of the package."""
    name = f"sweep_summary.v{version}.json"
    text = files("steelyard.reports").joinpath("schema", name).read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def generate() -> Schema:
    """Return the schema of what `reports.json` writes today."""
    schema = schema_of(SweepSummary, "sweep-summary", SUMMARY_VERSION)
    facts = schema["$defs"]["Variant"]["properties"]["facts"]
    (of_files,) = (b for b in facts["anyOf"] if not b["$ref"].endswith(_SERVED))
    schema["$defs"]["Variant"]["properties"]["facts"] = of_files
    del schema["$defs"][_SERVED]
    return schema


def generate_served() -> Schema:
    """Return the schema of what it writes of the models of a server."""
    return schema_of(SweepSummary, "sweep-summary", SERVED_VERSION)


def schema_of(kind: type[object], name: str, version: int) -> Schema:
    """Return the schema of a summary as its file has it."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema(mode="serialization")
    for node in _objects(schema):
        properties = node["properties"]
        if node.get("title") == "Missing":
            node["properties"] = {"missing": properties["code"], "detail": properties["detail"]}
        for field in node["properties"].values():
            field.pop("default", None)
        node["required"] = sorted(node["properties"])
    schema["properties"]["schema_version"] = {"const": version}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:steelyard:{name}:{version}",
        **schema,
    }


def text(schema: Schema) -> str:
    """Return a schema as the package keeps it."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Return what a reader of `old` files would miss or misread in `new` ones."""
    return sorted(_breaks(old, new, (old, new), "summary", set()))


def _objects(schema: Schema) -> Iterator[Schema]:
    for node in (schema, *schema.get("$defs", {}).values()):
        if "properties" in node:
            yield node


def _breaks(
    old: Schema, new: Schema, roots: tuple[Schema, Schema], where: str, seen: set[tuple[str, str]]
) -> Iterator[str]:
    pair = (str(old.get("$ref")), str(new.get("$ref")))
    if "$ref" in old or "$ref" in new:
        if pair in seen:
            return
        seen.add(pair)
    old, new = _resolved(old, roots[0]), _resolved(new, roots[1])
    if "const" in old and old != new:
        yield f"{where}: was always {old['const']}"
    if excess := _kinds(new) - _kinds(old):
        yield f"{where}: may now be {', '.join(sorted(excess))}"
    for name, field in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{where}.{name}: is gone"
            continue
        if name in old.get("required", ()) and name not in new.get("required", ()):
            yield f"{where}.{name}: may now be absent"
        yield from _breaks(field, new["properties"][name], roots, f"{where}.{name}", seen)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from _breaks(old[key], new[key], roots, f"{where}[]", seen)
    yield from _branch_breaks(old, new, roots, where, seen)


def _branch_breaks(
    old: Schema, new: Schema, roots: tuple[Schema, Schema], where: str, seen: set[tuple[str, str]]
) -> Iterator[str]:
    """Compare the members of a union that both sides name alike."""
    news = {_name(branch): branch for branch in new.get("anyOf", ())}
    for branch in old.get("anyOf", ()):
        if (same := news.get(_name(branch))) is not None:
            yield from _breaks(branch, same, roots, where, seen)


def _name(branch: Schema) -> str:
    return str(branch.get("$ref") or branch.get("type") or branch.get("const"))


def _resolved(node: Schema, root: Schema) -> Schema:
    if "$ref" not in node:
        return node
    target: Schema = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return target


def _kinds(node: Schema) -> set[str]:
    """Return the values a node allows, as words: types, or the members of an enumeration."""
    if "anyOf" in node:
        return {_name(branch) for branch in node["anyOf"]}
    if "enum" in node:
        return {repr(member) for member in node["enum"]}
    return {str(node["type"])} if "type" in node else set()
