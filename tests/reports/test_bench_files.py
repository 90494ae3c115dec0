"""JSON, CSV and Markdown of a bench: whole, canonical, read back, inert; the schema only grows.

After an additive change to the summary, write the shipped schema again:
`python -c "from steelyard.reports import bench_json as b, contract as c;
print(c.text(b.generate()), end='')"`. What lies under `published/` went out first under this
version and stays as it is: the example is still read, and the schema still holds it.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.reports import example_bench as example

from steelyard.domain.bench import BENCH_VERSION, BenchSummary
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import value_of
from steelyard.reports import bench_csv, bench_json, bench_markdown, contract

PUBLISHED = Path(__file__).parent / "published" / bench_json.FILE_NAME
PUBLISHED_SCHEMA = PUBLISHED.with_name(f"bench_summary.v{BENCH_VERSION}.schema.json")
ALL = (
    *(example.summary, example.open_bench, example.small_bench, example.comparison),
    example.both_ways,
)


def validate(raw: dict[str, Any]) -> None:
    schema = bench_json.shipped()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(raw)


def rows(summary: BenchSummary) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(bench_csv.write(summary))))


def found(summary: BenchSummary, metric: str, statistic: str = "whole") -> dict[str, str]:
    wanted = (metric, statistic)
    return next(row for row in rows(summary) if (row["metric"], row["statistic"]) == wanted)


def test_what_was_written_is_read_back_as_it_was() -> None:
    for make in ALL:
        text = bench_json.write(make())
        assert bench_json.read(text, source="it") == make()
        assert bench_json.write(make()) == text


def test_a_value_has_its_source_and_an_absence_its_reason() -> None:
    raw = json.loads(bench_json.write(example.small_bench()))
    level = raw["measurements"][0]["levels"][0]
    assert level["tokens"]["output"] == {"value": 8192, "source": "engine"}
    assert level["engine"]["energy_j"] == {
        "missing": "no_counter",
        "detail": "this machine has no power counter",
    }
    assert raw["schema_version"] == BENCH_VERSION


@pytest.mark.parametrize(("text", "named"), [("{", "not JSON"), ("{}", "device")])
def test_a_damaged_file_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(BadInput, match=rf"old\.json.*{named}"):
        bench_json.read(text, source="old.json")


def test_a_number_that_is_none_is_refused() -> None:
    level = example.level(1)
    broken = replace(level, throughput=replace(level.throughput, elapsed_s=float("nan")))
    with pytest.raises(ValueError, match="nan"):
        bench_json.write(example.summary(example.measurement("one", broken)))


def test_the_shipped_schema_is_the_generated_one() -> None:
    assert bench_json.shipped() == bench_json.generate()


def test_what_we_write_is_valid_and_the_schema_can_say_no() -> None:
    for make in ALL:
        validate(json.loads(bench_json.write(make())))
    raw = json.loads(bench_json.write(example.summary()))
    raw["measurements"][0]["levels"][0]["throughput"]["system_tps"] = None
    with pytest.raises(jsonschema.ValidationError):
        validate(raw)
    with pytest.raises(jsonschema.ValidationError):
        validate(json.loads(bench_json.write(example.summary())) | {"schema_version": 99})


def test_the_published_example_is_still_read_and_says_the_same() -> None:
    summary = bench_json.read(PUBLISHED.read_text(encoding="utf-8"), source=str(PUBLISHED))
    one = summary.measurements[0]
    assert one.subject == example.HOSTILE
    assert [level.load for level in one.levels] == ["1 at a time", "8 at a time", "32 at a time"]
    figure = one.levels[1].figure("ttft_s", "p95")
    assert figure is not None
    assert value_of(figure.estimate.value) == pytest.approx(0.095)
    assert one.levels[2].counts.failures == {"reset": 4}


def test_the_schema_has_only_grown_since_it_was_published() -> None:
    published = json.loads(PUBLISHED_SCHEMA.read_text(encoding="utf-8"))
    assert contract.breaking_changes(published, bench_json.generate()) == []
    broken = copy.deepcopy(bench_json.generate())
    del broken["$defs"]["Knee"]["properties"]["probes"]
    assert contract.breaking_changes(published, broken) == [
        "summary.measurements[].knee.value.probes: is gone"
    ]


def test_the_csv_has_one_row_for_each_level_metric_and_statistic() -> None:
    summary = example.summary()
    found_rows = rows(summary)
    keys = [(row["level"], row["metric"], row["statistic"]) for row in found_rows]
    assert len(keys) == len(set(keys))
    for level in summary.measurements[0].levels:
        for figure in level.figures:
            assert (level.name, figure.metric, figure.statistic) in keys


def test_a_csv_row_has_value_interval_n_unit_and_the_clients_share() -> None:
    row = found(example.small_bench(), "ttft_s", "p50")
    assert float(row["value"]) == pytest.approx(0.0411666666)
    assert float(row["low"]) == pytest.approx(0.03952)
    assert float(row["high"]) == pytest.approx(0.0428133333)
    assert (row["n"], row["unit"], row["client_share"]) == ("64", "s", "2.1e-05")


def test_an_absent_number_is_an_empty_cell_with_code_and_reason() -> None:
    row = found(example.small_bench(), "ttft_s", "p99")
    assert row["value"] == row["low"] == row["source"] == ""
    assert row["missing"] == "below_sample_floor"
    assert row["detail"] == "p99 takes 299 samples; there are 64"


def test_counts_rates_and_energy_of_the_whole_level_are_rows_too() -> None:
    summary = example.open_bench()
    assert found(summary, "dropped")["value"] == "12"
    assert found(summary, "offered_per_s")["value"] == "2"
    assert found(summary, "requests_per_s")["low"] != ""
    assert found(summary, "goodput_share")["unit"] == "share"
    assert found(example.small_bench(), "energy_j")["missing"] == "no_counter"


def test_a_level_sent_both_ways_has_rows_of_its_own() -> None:
    row = found(example.both_ways(), "continuous_over_static")
    assert (row["level"], row["load"]) == ("", "8 at a time")
    assert (row["value"], row["low"], row["high"], row["n"]) == ("2.289", "2.213", "2.368", "4")
    assert found(example.both_ways(), "places_idle_share")["value"] == "0.561"
    assert "continuous_over_static" not in bench_csv.write(example.summary())


def test_a_name_from_outside_cannot_be_a_formula() -> None:
    one = example.measurement('=HYPERLINK("x")', replace(example.level(1), load="@SUM(A1)"))
    first = rows(example.summary(one))[0]
    assert first["subject"].startswith("'=")
    assert first["load"].startswith("'@")


def test_the_markdown_leads_with_what_was_found_and_names_the_instrument() -> None:
    text = bench_markdown.write(example.comparison(), conventions=True)
    order = ["What was found", "Instrument:", "| load |", "B against A", "Cautions"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "vllm bench serve" in text
    assert "vllm bench serve" not in bench_markdown.write(example.comparison())


def test_markup_in_a_name_is_only_text() -> None:
    assert not re.search(r"(?<!\\)<", bench_markdown.write(example.summary(), conventions=True))


def test_every_row_of_every_markdown_table_has_as_many_cells() -> None:
    one = example.measurement("a|b", replace(example.level(1), load="x|y", prompts="p|q"))
    text = bench_markdown.write(example.summary(one), conventions=True)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        lines = table.strip().splitlines()
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_the_markdown_says_why_a_number_is_absent() -> None:
    text = bench_markdown.write(example.small_bench())
    assert "— TTFT p99 at 1 at a time: p99 takes 299 samples; there are 64" in text
    assert "figures over all requests: 64 requests are too few" in text
