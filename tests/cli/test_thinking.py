"""A model that thinks before it answers: cut it is not rated, with room it is; both are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.runs.scene import key_of

from steelyard.domain.task import Task
from steelyard.tasks.registry import questions

Steelyard = Callable[..., Said]
SET = Task("math_words", items=8)
ASKED = ("--tasks", "math_words", "--items", "8")
LONG = "[THINK]" + "first one and then the other " * 8 + "[/THINK]"  # more than 24 tokens


def test_cut_thinking_withholds_the_band_and_room_to_think_brings_it_back(
    tmp_path: Path, steelyard: Steelyard
) -> None:
    planted = {key_of(q.prompt): LONG + q.answer for q in questions(SET)}
    with server(tmp_path / "engine", planted) as url:
        cut = steelyard("eval", url, *ASKED, "--out", "cut")
        roomy = steelyard("eval", url, *ASKED, "--thinking", "64", "--out", "roomy")
        other = steelyard("eval", url, *ASKED, "--thinking", "65", "--out", "roomy")
        repeated = steelyard("eval", "repeat", url, *ASKED, "--times", "2", "--streams", "1")
    assert cut.code == 0, cut.err
    assert "8 ended at the limit, 8 of them while thinking" in cut.out
    assert "there is no band: `--thinking 4096` gives each answer so many tokens more" in cut.out
    assert "failed" not in cut.out
    assert marks("cut") == {"invalid truncated"}
    assert roomy.code == 0, roomy.err
    assert "excellent" in roomy.out
    assert "--thinking" not in roomy.out
    assert marks("roomy") == {"right"}
    assert "while thinking, or soon after it" in repeated.err
    assert other.code == 2
    assert "thinking" not in json.dumps(spec("cut"))  # ids of runs without it stay as they were
    assert spec("roomy")["tasks"][0]["thinking"] == 64
    both = steelyard("eval", "compare", "cut", "roomy")
    assert "room to think of math_words/l1 (0 → 64 tokens)" in both.out
    assert "there is no band" in both.out
    assert "the same" in steelyard("rescore", "roomy").out


def marks(folder: str) -> set[str]:
    (section,) = json.loads((Path(folder) / "record.json").read_text())["sections"]
    said = [mark["outcome"] for mark in section["marks"].values()]
    return {" ".join(filter(None, (one["kind"], one.get("why")))) for one in said}


def spec(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "spec.json").read_text())
    return found


def test_a_private_seed_does_not_leave_the_house(tmp_path: Path, steelyard: Steelyard) -> None:
    word = "a-word-of-ours"
    with server(tmp_path / "engine", {}) as url:
        done = steelyard("eval", url, *ASKED, "--private-seed", word, "--out", "found")
    assert done.code == 0, done.err
    assert spec("found")["tasks"][0]["private_seed"] == word  # else nothing could be marked again
    run = json.loads((Path("found") / "record.json").read_text())["id"]
    for form in ("json", "jsonl", "csv"):
        exported = steelyard("results", "export", "--simulated", "--format", form)
        assert run in exported.out
        assert word not in exported.out
    assert word not in steelyard("results", "show", run, "--json").out
