"""Whole sweeps through the command line, on the scripted engine, whose truth is known."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.app import stage
from tests.app.stage import Stage

ITEMS = 60
Swept = tuple[Stage, Path, subprocess.CompletedProcess[str]]
FAST = ("--items", str(ITEMS), "--repeats", "1", "--include-polluted")


@pytest.fixture(scope="module")
def swept(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Stage, Path, subprocess.CompletedProcess[str]]:
    """One finished sweep that the tests below look at."""
    made = stage.build(tmp_path_factory.mktemp("swept"), items=ITEMS)
    out = made.home / "out"
    done = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out))
    return made, out, done


def summary_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "sweep_summary.json").read_text())
    return loaded


def row(out: Path, label: str, role: str = "candidate") -> dict[str, Any]:
    rows: list[dict[str, Any]] = summary_of(out)["per_quant"]
    return next(r for r in rows if r["variant"]["label"] == label and r["role"] == role)


def test_a_sweep_ends_with_a_recommendation_and_says_where_the_report_is(swept: Swept) -> None:
    _, out, done = swept
    assert done.returncode == 0, done.stderr
    assert "USE" in done.stdout
    assert str(out / "report.html") in done.stdout
    assert "Traceback" not in done.stderr


def test_planted_right_shares_come_back_and_simulated_data_says_so(swept: Swept) -> None:
    _, out, _ = swept
    summary = summary_of(out)
    assert summary["simulated"] is True
    reference = row(out, "F16", "reference")["marks"]
    assert reference["right_share"]["value"]["value"] == pytest.approx(0.8, abs=0.1)
    assert row(out, "Q2_K")["marks"]["right_share"]["value"]["value"] == pytest.approx(0.4, abs=0.1)


def test_equal_variants_are_not_called_worse_and_the_broken_one_is(swept: Swept) -> None:
    _, out, _ = swept
    assert row(out, "Q8_0")["verdict"]["value"]["name"] == "no loss shown"
    assert row(out, "Q2_K")["verdict"]["value"]["name"] == "worse"
    assert row(out, "Q2_K")["verdict"]["value"]["flips_won"] == 0


def test_the_a_a_row_shows_no_flips_on_an_engine_that_repeats_itself(swept: Swept) -> None:
    _, out, _ = swept
    assert summary_of(out)["noise"]["aa_flips"] == {"source": "derived", "value": 0}


def test_the_smallest_quant_that_holds_is_the_minimum_viable_one(swept: Swept) -> None:
    _, out, _ = swept
    picks = {pick["name"]: pick for pick in summary_of(out)["recommendation"]}
    assert picks["minimum_viable_quant"]["label"] == "Q4_K_M"


def test_the_same_records_give_the_same_summary_byte_for_byte(swept: Swept) -> None:
    made, out, _ = swept
    before = (out / "sweep_summary.json").read_bytes()
    again = made.run("report", str(out), "--include-polluted")
    assert again.returncode == 0, again.stderr
    assert (out / "sweep_summary.json").read_bytes() == before


def test_csv_has_one_row_for_each_variant_and_the_page_needs_no_network(swept: Swept) -> None:
    _, out, _ = swept
    rows = list(csv.reader((out / "summary.csv").read_text().splitlines()))
    assert len(rows) == 1 + 5  # heading, reference, A/A, three candidates
    page = (out / "report.html").read_text()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_runs_are_in_the_database_and_hidden_as_simulated_unless_asked_for(swept: Swept) -> None:
    made, _, _ = swept
    assert "tiny-Q8_0" not in made.run("results", "list").stdout
    listed = made.run("results", "list", "--simulated")
    assert "tiny-Q8_0" in listed.stdout, listed.stderr


def test_the_plan_is_printed_by_a_dry_run_and_nothing_is_written(swept: Swept) -> None:
    made, _, _ = swept
    out = made.home / "dry"
    dry = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--dry-run", "--out", str(out))
    assert dry.returncode == 0, dry.stderr
    assert "Q4_K_M" in dry.stdout
    assert not out.exists()


def test_a_finished_folder_is_not_swept_over(swept: Swept) -> None:
    made, out, _ = swept
    again = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out))
    assert again.returncode == 2
    assert "--resume" in again.stderr
