"""The shipped schema is the generated one, holds what we write, and only grows.

After an additive change to the summary, write the shipped file again:
`python -c "from steelyard.reports import contract as c; print(c.text(c.generate()), end='')"`.
The copy under `published/` is what went out first under this version and stays as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.reports import example_summary as example

from steelyard.domain.subject import ServedFacts
from steelyard.domain.summary import SERVED_VERSION, SUMMARY_VERSION, SweepSummary, VariantRow
from steelyard.reports import contract
from steelyard.reports import json as summary_json

PUBLISHED = Path(__file__).parent / "published" / contract.FILE_NAME


def written() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(summary_json.write(example.summary()))
    return raw


def validate(raw: dict[str, Any]) -> None:
    schema = contract.shipped()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(raw)


def test_the_shipped_schema_is_the_generated_one() -> None:
    assert contract.shipped() == contract.generate()


def test_of_a_servers_models_there_is_a_version_of_its_own() -> None:
    assert contract.shipped(SERVED_VERSION) == contract.generate_served()
    schema = contract.shipped(SERVED_VERSION)
    raw = written()
    for row in raw["per_quant"]:
        row["variant"]["facts"] = summary_json.full(ServedFacts())
    with pytest.raises(jsonschema.ValidationError):
        validate(raw)
    raw["schema_version"] = SERVED_VERSION
    jsonschema.Draft202012Validator(schema).validate(raw)
    read = summary_json.read(json.dumps(raw), source="served")
    assert {row.variant.facts for row in read.per_quant} == {ServedFacts()}


def test_what_we_write_is_valid() -> None:
    validate(written())


def test_no_pick_and_no_verdict_is_valid_too() -> None:
    validate(json.loads(summary_json.write(example.nothing_qualifies())))


def test_the_schema_can_say_no() -> None:
    raw = written()
    raw["per_quant"][0]["memory_bytes"] = None
    with pytest.raises(jsonschema.ValidationError):
        validate(raw)


def test_a_file_of_another_version_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(written() | {"schema_version": SUMMARY_VERSION + 1})


def test_the_schema_has_only_grown_since_it_was_published() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert contract.breaking_changes(published, contract.generate()) == []


def test_a_new_field_breaks_nobody() -> None:
    grown = contract.generate()
    grown["properties"]["colour"] = {"type": "string"}
    assert contract.breaking_changes(contract.generate(), grown) == []


def test_every_break_is_named() -> None:
    old, new = contract.generate(), copy.deepcopy(contract.generate())
    del new["$defs"]["Verdict"]["properties"]["floor"]
    new["$defs"]["Gate"]["properties"]["state"]["enum"].append("skipped")
    new["properties"]["items"] = {"type": "number"}
    new["required"].remove("margin")
    new["properties"]["schema_version"] = {"const": 2}
    assert contract.breaking_changes(old, new) == [
        "summary.items: may now be number",
        "summary.margin: may now be absent",
        "summary.per_quant[].gates[].state: may now be 'skipped'",
        "summary.per_quant[].verdict.value.floor: is gone",
        "summary.schema_version: was always 1",
    ]


def test_every_field_of_the_summary_and_of_a_row_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "summary.md"
    text = page.read_text(encoding="utf-8")
    wanted = [f.name for kind in (SweepSummary, VariantRow) for f in dataclasses.fields(kind)]
    assert [name for name in wanted if f"`{name}`" not in text] == []
