"""One row a variant, numbers in base units, an empty cell with its reason beside it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from tests.reports import example_summary as example

from steelyard.reports import csv as summary_csv


def rows() -> list[dict[str, str]]:
    text = summary_csv.write(example.summary(), metrics=example.metrics())
    return list(csv.DictReader(io.StringIO(text)))


def test_every_variant_has_one_row() -> None:
    labels = [line.variant.label for line in example.summary().per_quant]
    assert [row["label"] for row in rows()] == labels


def test_headings_carry_the_unit() -> None:
    first = rows()[0]
    assert first["memory_bytes"] == "49287434"
    assert first["output_tps.p16.d0.c1"] == "412"
    assert float(first["ttft_s.p512.d0.c1"]) < 1
    assert "seconds_per_right" in first
    assert "kl_divergence_nats" in first


def test_a_loss_has_both_ends_of_its_interval_as_shares() -> None:
    row = next(row for row in rows() if row["label"] == "Q2_K")
    assert float(row["loss_share"]) == pytest.approx(0.0917)
    assert float(row["loss_share.low"]) == pytest.approx(0.0807)
    assert row["verdict"] == "worse"


def test_levels_verdicts_and_what_they_rest_on_have_columns_by_family_too() -> None:
    row = next(row for row in rows() if row["label"] == "Q2_K")
    assert (row["band"], row["band.math_words"], row["band.logic"]) == ("good", "acceptable", "")
    assert row["verdict.math_words"] == "worse"
    assert (row["flips_lost"], row["flips_won"], row["items"]) == ("130", "20", "1200")
    assert (row["margin_share"], row["floor_share"], row["p_adjusted"]) == (
        "0.03",
        "0.004",
        "0.0004",
    )
    unsure = summary_csv.write(example.unsure(), metrics={})
    row = next(r for r in csv.DictReader(io.StringIO(unsure)) if r["label"] == "Q2_K")
    assert (row["margin_share"], row["floor_share"]) == ("0.03", "")
    assert "floor_share: no_floor (12 marked alike)" in row["missing"]
    assert (row["flips_lost.logic"], row["items.logic"]) == ("130", "300")
    assert float(row["loss_share.logic.low"]) == pytest.approx(0.0417)


def test_thinking_has_columns() -> None:
    text = summary_csv.write(example.thoughtful(), metrics={})
    row = next(r for r in csv.DictReader(io.StringIO(text)) if r["label"] == "Q2_K")
    names = ("answers_thought", "answers_cut", "answers_cut_thinking", "answers_looping")
    assert [row[name] for name in names] == ["800", "44", "31", "42"]
    assert float(row["thinking_tokens"]) == pytest.approx(312.4)
    assert float(row["output_length_ratio.high"]) == pytest.approx(1.3)
    assert rows()[0]["thinking_tokens"] == ""


def test_an_absent_number_is_empty_and_its_reason_is_told() -> None:
    failed = rows()[-1]
    assert failed["memory_bytes"] == ""
    assert "memory_bytes: run_failed (the engine ended with code 139" in failed["missing"]


def test_the_picks_are_marked() -> None:
    marked = {row["label"]: row["recommended_as"] for row in rows() if row["recommended_as"]}
    assert marked == {"Q8_0": "best_value_quant", "Q4_K_M": "minimum_viable_quant"}


def test_a_label_cannot_be_a_formula() -> None:
    whole = example.summary()
    first = whole.per_quant[0]
    evil = replace(first, variant=replace(first.variant, label='=HYPERLINK("x")'))
    text = summary_csv.write(replace(whole, per_quant=(evil,)), metrics={})
    assert next(csv.DictReader(io.StringIO(text)))["label"].startswith("'=")
