"""The committed model files are the ones that the card speaks of."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import steelyard
from steelyard.forge.recipes import BASE, DRAFT

FOLDER = Path(steelyard.__file__).parent / "bundled"
CARD: dict[str, Any] = json.loads((FOLDER / "card.json").read_text())
LIMIT_BYTES = 20 * 10**6


@pytest.mark.parametrize("name", sorted(CARD["files"]))
def test_a_file_has_the_bytes_that_the_card_names(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    assert len(data) == CARD["files"][name]["bytes"]
    assert hashlib.sha256(data).hexdigest() == CARD["files"][name]["sha256"]


def test_all_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < LIMIT_BYTES


def test_the_stored_answers_belong_to_the_model_and_reach_beyond_a_batch() -> None:
    proof = json.loads((FOLDER / "proof.json").read_text())
    assert proof["model_sha256"] == CARD["files"]["base.gguf"]["sha256"]
    assert sum(len(prompt["top"]) for prompt in proof["prompts"]) >= 512
    assert any(prompt["first"] + len(prompt["top"]) > 512 for prompt in proof["prompts"])


def test_the_card_names_the_recipes_that_are_in_the_code() -> None:
    assert CARD["base"]["recipe_sha256"] == BASE.sha256
    assert CARD["draft"]["recipe_sha256"] == DRAFT.sha256


def test_the_figures_cover_every_family_and_none_is_nothing_or_all() -> None:
    families = {name: f for name, f in CARD["held_out"].items() if "." not in name}
    assert families.keys() == {"overall", "math_words", "reading", "logic", "formats"}
    for figure in families.values():
        assert 0 < figure["right"] < figure["items"]
        assert figure["items"] >= 300
        assert figure["interval95"][0] < figure["share"] < figure["interval95"][1]


def test_the_card_says_where_the_aim_was_missed() -> None:
    missed = CARD["held_out"]["overall"]["share"] < 0.75
    assert ("was not reached" in (FOLDER / "card.md").read_text()) is missed


def test_the_log_goes_on_without_a_gap_to_the_last_step() -> None:
    lines = (FOLDER / "training_log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert log[-1]["tokens"] == CARD["base"]["tokens"]
    assert all(early["step"] < late["step"] for early, late in pairwise(log))
