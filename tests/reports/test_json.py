"""The summary file: whole, canonical, and read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.reports import example_summary as example

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured
from steelyard.reports import json as summary_json


def test_the_same_summary_gives_the_same_bytes() -> None:
    assert summary_json.write(example.summary()) == summary_json.write(example.summary())


def test_the_order_in_which_a_mapping_was_filled_does_not_show() -> None:
    one = example.summary()
    other = replace(one, phases_s=dict(reversed(list(one.phases_s.items()))))
    assert summary_json.write(one) == summary_json.write(other)


def test_what_was_written_is_read_back_as_it_was() -> None:
    text = summary_json.write(example.summary())
    assert summary_json.read(text, source="it") == example.summary()


def test_a_value_has_its_source_and_an_absence_its_reason() -> None:
    raw = json.loads(summary_json.write(example.summary()))
    first, last = raw["per_quant"][0], raw["per_quant"][-1]
    assert first["memory_bytes"] == {"value": 49287434, "source": "client"}
    assert last["memory_bytes"]["missing"] == "run_failed"
    assert "139" in last["memory_bytes"]["detail"]


def test_fields_at_their_default_are_written_too() -> None:
    raw = json.loads(summary_json.write(example.summary()))
    assert raw["schema_version"] == 1
    assert raw["include_polluted"] is False
    assert raw["controls"]["sampling"]["top_k"] is None


def test_a_number_that_is_none_is_refused() -> None:
    broken = replace(example.summary(), elapsed_s=Measured(float("nan"), "derived"))
    with pytest.raises(ValueError, match="nan"):
        summary_json.write(broken)


def test_a_name_that_is_not_utf8_can_be_written() -> None:
    odd = replace(example.summary(), model="weights-\udcff.gguf")
    assert "weights-?.gguf" in summary_json.write(odd)


@pytest.mark.parametrize(("text", "named"), [("{", "not JSON"), ("{}", "campaign_id")])
def test_a_damaged_file_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(BadInput, match=rf"old\.json.*{named}"):
        summary_json.read(text, source="old.json")


def test_a_soak_is_read_back_and_so_is_its_absence() -> None:
    for made in (example.soaked(), example.summary()):
        assert summary_json.read(summary_json.write(made), source="it") == made
    raw = json.loads(summary_json.write(example.summary()))
    assert raw["soak"]["missing"] == "not_asked"
