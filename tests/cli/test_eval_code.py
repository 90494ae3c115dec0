"""`steelyard eval --tasks code` from the command line: planted programs, samples, refusals."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.runs.scene import key_of

from steelyard.domain.errors import CannotContain
from steelyard.domain.task import Task
from steelyard.platform import containment
from steelyard.tasks.registry import questions

SET = Task("code", items=8)
ASKED = ("--tasks", "code", "--items", "8")
BROKEN = (
    "def solve(*a):\n    return 0",
    "raise SystemExit",
    "def solve(*a):\n    return open('/etc/passwd').read()",
    "import os\ndef solve(*a):\n    os._exit(0)",
)


@pytest.fixture
def contained() -> None:
    try:
        containment.sandbox()
    except CannotContain as refused:
        pytest.skip(f"nothing can be contained here: {refused}")


@pytest.fixture
def nothing_contained(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PATH", "/nowhere")
    containment.sandbox.cache_clear()
    yield
    containment.sandbox.cache_clear()


def planted() -> dict[str, str]:
    """Return three right programs, one that is no program, and four that are broken."""
    texts = [q.answer for q in questions(SET)[:3]] + list(BROKEN)
    said = [f"```python\n{text}\n```" for text in texts] + ["I do not know."]
    return {key_of(q.prompt): text for q, text in zip(questions(SET), said, strict=True)}


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "record.json").read_text())
    return found


@pytest.mark.usefixtures("contained")
def test_planted_programs_are_marked_told_and_marked_again(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with server(tmp_path / "engine", planted()) as url:
        done = steelyard("eval", url, *ASKED, "--out", "found")
        assert done.code == 0, done.err
        many = ("--samples", "5", "--temperature", "0.7", "--out", "many", "--json")
        sampled = steelyard("eval", url, *ASKED, *many)
        shown = steelyard("eval", url, *ASKED, "--samples", "5", "--temperature", "0.7")
    assert "code/l1" in done.out
    assert "pass@" not in done.out  # of one sample it would say `right` again
    assert "pass@5" in shown.out
    (section,) = record(Path("found"))["sections"]
    outcomes = Counter(mark["outcome"]["kind"] for mark in section["marks"].values())
    assert outcomes == {"right": 3, "wrong": 4, "invalid": 1}
    failed = " ".join(mark["extracted"].get("failed") or "" for mark in section["marks"].values())
    for why in ("gives 0", "no function solve", "FileNotFoundError", "ends Python"):
        assert why in failed
    again = steelyard("rescore", "found")
    assert "every mark is the same as it was" in again.out
    found = json.loads(sampled.out)["overall"]
    assert found["marks"]["right"] == 15
    assert set(found["pass_at"]) == {"1", "5"}
    assert found["pass_at"]["1"]["value"]["value"] == pytest.approx(3 / 8)
    assert found["pass_at"]["1"]["n"] == 8
    assert found["pass_at"]["5"]["value"]["code"] == "seed_ignored"  # the server draws nothing
    shutil.copytree("many", "twin")
    told = Path("twin", "record.json").read_text()
    Path("twin", "record.json").write_text(told.replace(json.loads(told)["id"], "another"))
    beside = steelyard("eval", "compare", "many", "twin").out
    assert "no p and no interval of odds: samples of an item hang together" in beside


@pytest.mark.full
@pytest.mark.usefixtures("contained")
def test_a_program_that_hangs_ends_at_its_limit_and_the_others_are_marked(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    key = key_of(questions(SET)[0].prompt)
    hangs = planted() | {key: "```python\ndef solve(*a):\n    while True: pass\n```"}
    with server(tmp_path / "engine", hangs) as url:
        done = steelyard("eval", url, *ASKED, "--out", "found")
    assert done.code == 0, done.err
    (section,) = record(Path("found"))["sections"]
    mark = section["marks"][questions(SET)[0].id]
    assert mark["outcome"]["kind"] == "wrong"
    assert re.search("processor time|come back", mark["extracted"]["failed"])
    assert sum(one["outcome"]["kind"] == "right" for one in section["marks"].values()) == 2


@pytest.mark.usefixtures("nothing_contained")
def test_where_nothing_can_be_contained_it_is_refused_before_anything_is_asked(
    steelyard: Callable[..., Said],
) -> None:
    done = steelyard("eval", "http://127.0.0.1:9", *ASKED, "--out", "found")
    assert done.code == 3
    assert "no bwrap here" in done.err
    assert "install bubblewrap" in done.err
    assert "Traceback" not in done.err
    assert not Path("found").exists()


@pytest.mark.usefixtures("contained")
def test_answers_that_could_not_be_contained_are_marked_later_where_they_can(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with server(tmp_path / "engine", planted()) as url:
        done = steelyard("eval", url, *ASKED, "--out", "found")
    assert done.code == 0, done.err
    path = Path("found/record.json")
    whole = json.loads(path.read_text())
    for mark in whole["sections"][0]["marks"].values():
        mark["outcome"] = {"kind": "not_run", "why": "no_sandbox"}
    path.write_text(json.dumps(whole))
    again = steelyard("rescore", "found")
    assert "8 of 8 marks changed" in again.out
    assert again.out.count("not_run (no_sandbox) → right") == 3
    assert "wrong (no function solve is defined)" in again.out


def test_samples_without_a_temperature_are_refused(steelyard: Callable[..., Said]) -> None:
    done = steelyard("eval", "http://127.0.0.1:9", "--samples", "5")
    assert done.code == 2
    assert "the same answer again" in done.err
    assert "--temperature 0.8" in done.err
