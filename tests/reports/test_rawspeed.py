"""Raw speed beside served speed in every format: there when asked for, nowhere when not."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache

import jsonschema
import pytest
from tests.reports import example_bench, example_summary
from tests.reports.example_rows import HOSTILE, estimate, no_estimate

from steelyard.domain.bench import BenchSummary
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.serverside import FieldState, SpeedMetric
from steelyard.domain.summary import RawBeside, RawSide, SweepSummary
from steelyard.reports import (
    bench_csv,
    bench_html,
    bench_json,
    bench_markdown,
    bench_terminal,
    contract,
    html,
    markdown,
    rawspeed,
    terminal,
)
from steelyard.reports import csv as summary_csv
from steelyard.reports import json as summary_json
from steelyard.reports.heat import heat_map
from steelyard.reports.overall import columns

TOO_DEEP = Missing("not_applicable", "it takes 4,224 tokens, the model has 4,096")
BUDGET = Missing("not_timed", "did not fit the budget")
METRICS = example_summary.metrics()
# All that would name raw speed in a report.
TRACES = ("Raw speed", "raw_", "bare engine", "sidecar,")


def beside(
    name: str, metric: SpeedMetric, depth: int, at: str = "", state: FieldState = "OK"
) -> RawBeside:
    tokens = int(name.partition("@")[0][2:])
    if state == "NOT_APPLICABLE":
        none = no_estimate(TOO_DEEP)
        return RawBeside(name, metric, tokens, depth, state, none, none, none, at, TOO_DEEP.detail)
    served = estimate(400.0, 8.0, 9)
    bare, ratio = estimate(500.0, 5.0, 3), estimate(0.8, 0.02, 9)
    detail = "not told: samples_ts" if state == "OPTIONAL_FIELD_MISSING" else ""
    return RawBeside(name, metric, tokens, depth, state, bare, served, ratio, at, detail)


def side(*tests: RawBeside) -> Reading[RawSide]:
    return Measured(RawSide("wheel", "xllamacpp 1", 1, 3, "OK", tests), "derived")


FOUND = side(
    beside("pp16", "prompt_tps", 0),
    beside("pp512", "prompt_tps", 0),
    beside("tg64@d16", "output_tps", 16),
    beside("tg64@d512", "output_tps", 512, state="OPTIONAL_FIELD_MISSING"),
    beside("tg64@d2048", "output_tps", 2048),
    beside("tg128@d4096", "output_tps", 4096, state="NOT_APPLICABLE"),
)


@cache
def sweep() -> SweepSummary:
    whole = example_summary.summary()
    rows = tuple(
        replace(row, raw=BUDGET if row.variant.label == "Q2_K" else FOUND)
        for row in whole.per_quant
    )
    return replace(whole, per_quant=rows)


@cache
def bench() -> BenchSummary:
    one = example_bench.measurement("tiny.gguf", example_bench.level(1), example_bench.level(8))
    crowded = replace(
        beside("tg128@d512", "output_tps", 512, "c8"),
        ratio=no_estimate(Missing("several_streams", "up to 8 requests were in flight")),
        served_tps=no_estimate(Missing("several_streams", "up to 8 requests were in flight")),
    )
    raw = side(beside("pp512", "prompt_tps", 0, "c1"), crowded)
    other = example_bench.measurement("http://a", example_bench.level(1))
    away = Missing("not_applicable", "somebody else runs this server: its file is not here")
    return example_bench.summary(replace(one, raw=raw), replace(other, raw=away))


def page(summary: SweepSummary) -> str:
    return html.render(summary, metrics=METRICS, series={}, logs={}, configuration={})


def screen(summary: SweepSummary, width: int) -> str:
    return terminal.plain(terminal.screen(summary, metrics=METRICS, width=width))


def sweep_texts(summary: SweepSummary) -> dict[str, str]:
    return {
        "html": page(summary),
        "markdown": markdown.write(summary, metrics=METRICS),
        "csv": summary_csv.write(summary, metrics=METRICS),
        "terminal": screen(summary, 120),
    }


def bench_texts(summary: BenchSummary) -> dict[str, str]:
    return {
        "html": bench_html.render(summary, metrics=example_bench.metrics(), configuration={}),
        "markdown": bench_markdown.write(summary),
        "csv": bench_csv.write(summary),
        "terminal": terminal.plain(bench_terminal.screen(summary, 120)),
    }


def test_nothing_speaks_of_raw_speed_where_nobody_asked_for_it() -> None:
    texts = (*sweep_texts(example_summary.summary()).values(),)
    texts += (*bench_texts(example_bench.summary()).values(),)
    assert [trace for text in texts for trace in TRACES if trace in text] == []


def test_each_format_of_a_sweep_has_the_test_the_speeds_and_the_reason_for_a_gap() -> None:
    texts = sweep_texts(sweep())
    for name in ("html", "markdown", "terminal"):
        text = texts[name].replace("\\", "")
        assert "tg64@d2048" in text, name
        assert "500 [495, 505]" in text, name
        assert "400 [392, 408]" in text, name
        assert "0.80 [0.78, 0.82]" in text, name
        assert "Q2_K: did not fit the budget" in text, name
        assert "1 thread, 3 repetitions" in text, name
    assert TOO_DEEP.detail in texts["html"]


def test_the_csv_has_speed_interval_ratio_and_state_in_columns_of_their_own() -> None:
    rows = list(csv.DictReader(io.StringIO(sweep_texts(sweep())["csv"])))
    by_label = {(row["label"], row["role"]): row for row in rows}
    found, gone = by_label["Q8_0", "candidate"], by_label["Q2_K", "candidate"]
    assert found["sidecar"] == "OK"
    assert gone["sidecar"] == "did not fit the budget"
    assert float(found["raw_prompt_tps.pp512"]) == 500.0
    assert float(found["raw_prompt_tps.pp512.low"]) == 495.0
    assert float(found["served_by_raw_output.tg64@d2048"]) == pytest.approx(0.8)
    assert found["raw_output_tps.tg128@d4096"] == ""
    assert f"raw_output_tps.tg128@d4096: not_applicable ({TOO_DEEP})" in found["missing"]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_screen_keeps_its_width_and_shows_the_leading_tests_of_each_file_once(
    width: int,
) -> None:
    text = screen(sweep(), width)
    assert max(map(len, text.splitlines())) <= width
    block = text[text.index(rawspeed.TITLE) :].split("\n\n")[0]
    # Seven variants, of which one has no sidecar.
    assert block.count("pp512") == block.count("tg64@d2048") == 6
    assert "pp16 " not in block
    assert "A/A" not in block
    assert block.count("Q8_0") == 1


def test_the_heat_map_and_so_every_ranking_leaves_raw_speed_out() -> None:
    found = columns(sweep(), METRICS)
    shown = heat_map(sweep().per_quant, found).columns
    assert any(column.key.startswith("raw_") for column in found)
    assert [c.key for c in shown if c.key.startswith(("raw_", "served_by"))] == []
    assert [c.key for c in shown] == [
        c.key
        for c in heat_map(
            example_summary.summary().per_quant, columns(example_summary.summary(), METRICS)
        ).columns
    ]


def test_names_are_material_here_too() -> None:
    for name, text in sweep_texts(sweep()).items():
        assert name in ("csv", "terminal") or "<script>document" not in text
    assert HOSTILE[:6] in screen(sweep(), 120)


def test_each_format_of_a_bench_has_the_speeds_by_load_and_says_why_there_is_no_ratio() -> None:
    texts = bench_texts(bench())
    for name in ("html", "markdown", "terminal"):
        text = " ".join(texts[name].replace("\\", "").split())
        assert "pp512, 1 at a time" in text, name
        assert "0.80 [0.78, 0.82]" in text, name
        assert "tg128@d512, 8 at a time: up to 8 requests were in flight" in text, name
        assert "B: http://a: somebody else runs this server" in text, name
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    found = {(row["level"], row["metric"]): row for row in rows if "raw" in row["metric"]}
    assert found["c1", "raw_prompt_tps.pp512"]["detail"] == "state OK"
    assert found["c1", "raw_prompt_tps.pp512"]["load"] == "1 at a time"
    assert found["c8", "served_by_raw_output.tg128@d512"]["missing"] == "several_streams"
    assert found["", "raw_tps"]["missing"] == "not_applicable"


def test_json_is_valid_and_read_back_as_it_was() -> None:
    text = summary_json.write(sweep())
    assert summary_json.read(text, source="it") == sweep()
    jsonschema.Draft202012Validator(contract.shipped()).validate(json.loads(text))
    other = bench_json.write(bench())
    assert bench_json.read(other, source="it") == bench()
    jsonschema.Draft202012Validator(bench_json.shipped()).validate(json.loads(other))
