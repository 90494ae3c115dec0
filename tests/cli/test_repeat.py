"""`steelyard eval repeat` on engines whose changes of mind are planted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server, written
from tests.runs.scene import key_of

from steelyard.domain.task import Task
from steelyard.loadgen import spool
from steelyard.scripted import plan as scripts
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan, share
from steelyard.store.records import read_record
from steelyard.tasks import registry

Steelyard = Callable[..., Said]
TASK = Task("math_words", items=30)
ASKED = ("--tasks", "math_words", "--items", "30")
WRONG = "The answer is \x1b[31m-1\x1b[0m."


def planted() -> dict[str, tuple[str, str]]:
    return {
        key_of(one.prompt): (f"The answer is {one.answer}.", WRONG)
        for one in registry.questions(TASK)
    }


def drawn(what: str, rate: float) -> set[str]:
    """Return the ids of the items in a planted share."""
    return {
        item.id
        for item, one in zip(registry.generate(TASK), registry.questions(TASK), strict=True)
        if share(0, what, key_of(one.prompt)) < rate
    }


def repeated(steelyard: Steelyard, *words: str) -> dict[str, Any]:
    done = steelyard("eval", "repeat", *words, *ASKED, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_server_that_changes_its_mind_when_asked_again_is_found_item_by_item(
    tmp_path: Path, steelyard: Steelyard
) -> None:
    with server(tmp_path / "up", planted(), again_rate=0.3) as url:
        found = repeated(steelyard, url, "--out", "out")
        flips = drawn("again", 0.3)
        assert 3 < len(flips) < 30
        assert {one["item"] for one in found["partings"]} == flips
        for sameness in (found["overall"]["texts"], found["overall"]["marks"]):
            assert sameness["value"]["value"] == pytest.approx(1 - len(flips) / 30)
            assert sameness["n"] == 30
        assert found["partings"][0]["marks"] == ["right", "wrong", "right"]
        assert found["partings"][0]["at"] == len("The answer is ")
        assert not found["anew"]
        every_repeat_has_the_same_seeds(tmp_path / "up" / "truth.jsonl")
        a_comparison_of_two_of_them_tells_it_too(steelyard, len(flips))
        a_finished_one_is_read_again_and_its_folder_takes_nothing_else(steelyard, url)


def every_repeat_has_the_same_seeds(log: Path) -> None:
    known = written(log, *(Path("out") / part / "spool.bin" for part in "123"))
    seeds = []
    for part in "123":
        asked = [e for e in spool.read(Path("out") / part / "spool.bin") if "math_words" in e.id]
        numbers = [number for one in asked if (number := truth.number_of(one)) is not None]
        seeds.append([known[number].seed for number in numbers])
    assert [len(each) for each in seeds] == [30] * 3
    assert {frozenset(each) for each in seeds} == {frozenset(seeds[0])}
    assert len(set(seeds[0])) == 30
    assert None not in seeds[0]


def a_comparison_of_two_of_them_tells_it_too(steelyard: Steelyard, flips: int) -> None:
    alike = steelyard("eval", "compare", "out/1", "out/3").out
    assert "Same text in both, of 30 items: 100.0%" in alike
    other = json.loads(steelyard("eval", "compare", "out/1", "out/2", "--json").out)
    assert other["identical"]["value"]["value"] == pytest.approx(1 - flips / 30)


def a_finished_one_is_read_again_and_its_folder_takes_nothing_else(
    steelyard: Steelyard, url: str
) -> None:
    before = [read_record(Path("out") / part).id for part in "123"]
    done = steelyard("eval", "repeat", url, *ASKED, "--out", "out", "--show", "1")
    assert done.code == 0
    assert [read_record(Path("out") / part).id for part in "123"] == before
    assert "asked again" in done.out
    assert "\\x1b[31m" in done.out
    assert "\x1b" not in done.out
    assert f"{len(drawn('again', 0.3)) - 1} more differences: " in done.out
    # A repeat that is missing is asked, and no other.
    shutil.rmtree("out/2")
    assert repeated(steelyard, url, "--out", "out")["runs"][::2] == before[::2]
    fewer = steelyard(
        "eval", "repeat", url, "--tasks", "math_words", "--items", "5", "--out", "out"
    )
    assert fewer.code == 2
    assert "holds another evaluation" in fewer.err
    assert steelyard("eval", "repeat", url, *ASKED, "--out", "out/1").code == 2


def test_an_engine_of_ours_is_started_anew_each_time(
    steelyard: Steelyard, tiny_model: Path
) -> None:
    """Asked again it would flip; every start says something of its own, and is right."""
    shutil.copy(tiny_model, "m.gguf")
    plan = Plan(ttft_s=0.002, gap_s=0.0005, answers=planted(), again_rate=1.0, start_rate=0.4)
    scripts.write(plan, Path("scripted.json"))
    found = repeated(steelyard, "m.gguf@scripted", "--times", "2", "--out", "out")
    moods = drawn("start", 0.4)
    assert 3 < len(moods) < 30
    assert {one["item"] for one in found["partings"]} == moods
    assert found["overall"]["marks"]["value"]["value"] == 1.0
    assert found["anew"]
    # A file is asked whole, however short; without answers it has texts and no marks.
    Path("mine.csv").write_text("prompt\nName a colour.\nName a metal.\n")
    done = steelyard(
        "eval", "repeat", "m.gguf@scripted", "--file", "mine.csv", "--times", "2", "--json"
    )
    assert done.code == 0, done.err
    overall = json.loads(done.out)["overall"]
    assert (overall["texts"]["n"], overall["marks"]["n"], overall["left_out"]) == (2, 0, 0)


def test_what_cannot_be_repeated_is_refused_before_anything_is_asked(
    steelyard: Steelyard,
) -> None:
    Path("held").mkdir()
    (Path("held") / "notes").write_text("mine")
    for words, told in (
        (("bundled", "--tasks", "lm-eval:gsm8k"), "harness"),
        (("bundled", "--times", "1"), "--times"),
        (("bundled", "--out", "held"), "holds something else"),
        (("nowhere.gguf",), "nowhere.gguf"),
    ):
        done = steelyard("eval", "repeat", *words)
        assert done.code == 2
        assert told in done.err
        assert "Traceback" not in done.err
    assert sorted(path.name for path in Path().iterdir()) == ["held"]
