"""What casts doubt on a run stands beside its numbers, wherever an evaluation is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.cli.test_faults import faulty

ASKED = ("--tasks", "reading:3", "--items", "24")
Door = Callable[..., Said]


def test_faults_are_named_beside_the_numbers_of_one_run_and_of_two(
    steelyard: Door, tmp_path: Path
) -> None:
    with faulty(tmp_path / "silent", "missing_usage") as url:
        told = steelyard("eval", url, *ASKED, "--out", "silent").out
        assert "! MISSING_TOKEN_TIMINGS: telemetry status" in told
        assert "→ check that the engine streams and reports usage" in told
        assert "proof failed" not in told
    with faulty(tmp_path / "mixed", "wrong_model") as url:
        said = steelyard("eval", url, *ASKED, "--out", "mixed", "--json")
    found = json.loads(said.out)
    (failed,) = found["faults"]["failed"]
    assert (failed["name"], failed["passed"]) == ("answering model", False)
    beside = steelyard("eval", "compare", "silent", "mixed")
    assert f"! run {found['run']}: proof failed: answering model, found" in beside.out
    assert ": MISSING_TOKEN_TIMINGS: telemetry status" in beside.out
    assert "differs the server (planted-7b at another address)" in beside.out
    both = json.loads(steelyard("eval", "compare", "silent", "mixed", "--json").out)["faults"]
    assert both[found["run"]] == found["faults"]
    assert len(both) == 2


@pytest.mark.full
def test_a_server_that_gives_one_text_for_every_seed_is_named_and_pass_at_k_withheld(
    steelyard: Door, tmp_path: Path
) -> None:
    with faulty(tmp_path / "server", "none") as url:
        words = ("eval", url, "--tasks", "reading:3", "--samples", "5", "--temperature", "0.8")
        told = steelyard(*words, "--items", "12", "--out", "many").out
        few = steelyard(*words, "--items", "4", "--out", "few").out
    assert "! SEED_IGNORED: the samples of all 12 items are the same text" in told
    assert "no pass@5: all samples of an item are the same text" in told
    assert "SEED_IGNORED" not in few
    assert "100.0% of the further samples are their item's first word for word" in few


def test_before_anything_is_asked_the_power_of_a_number_of_items_is_told(steelyard: Door) -> None:
    said = steelyard("eval", "power", "--lost", "5", "--won", "2", "--items", "300")
    assert (said.code, "300      42%  ← planned" in said.out) == (0, True), said.out
    assert "a power of 80% takes 645 items" in said.out
    assert "Bonferroni" not in said.out
    four = ("eval", "power", "--lost", "5", "--won", "2", "--compared", "4", "--json")
    found = json.loads(steelyard(*four).out)
    assert found["alpha"] == pytest.approx(0.05 / 4)
    assert found["needed"][0][1]["value"] > 645
    none = steelyard("eval", "power", "--lost", "2", "--won", "2")
    assert (none.code, "no fewer won is no loss" in none.err) == (2, True)


def test_what_is_named_wrongly_is_said_before_anything_long_begins(
    steelyard: Door, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "work" / "file").touch()
    said = steelyard("eval", "compare", "nope", "nope")
    assert (said.code, "there is no folder nope, and no run" in said.err) == (2, True), said.err
    said = steelyard("eval", "repeat", tiny_model, "--file", "nope.csv")
    assert (said.code, "repeat 1 of" in said.err) == (2, False), said.err
    said = steelyard("fidelity", "pack", tiny_model, "--out", "file/x.refpack")
    assert (said.code, "file/x.refpack cannot be written" in said.err) == (2, True), said.err
    assert "scor" not in said.err
