"""Long contexts from the command line: planted answers, planted cuts, and too little context."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import ports
from tests.door import steelyard
from tests.engines.replica import Manner, replaying
from tests.runs.scene import key_of
from tests.runs.test_stretching import fitted

from steelyard.domain.task import Task
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Plan
from steelyard.tasks.items import Question
from steelyard.tasks.registry import questions

SHORT, LONGER = (
    Task("long_context", revision=2, level=1, items=19),
    Task("long_context", revision=2, level=2, items=19),
)


@contextmanager
def server(folder: Path, plan: Plan) -> Iterator[str]:
    """Serve a plan with 2,048 tokens of context for each of two requests."""
    file = scripts.write(plan, folder / "plan.json")
    port = ports.free()
    words = [sys.executable, "-m", "steelyard.scripted", "--port", str(port), "--parallel", "2"]
    with subprocess.Popen([*words, "--plan", str(file)]) as child:
        try:
            for _ in range(200):
                with socket.socket() as door:
                    if door.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


def planted(*tasks: Task, wrong: str = "", without: str = "") -> Plan:
    """Plant the right answers; not for a kind or depth, or without a check word (`head` …)."""
    answers: dict[str, str] = {}
    for item in (item for task in tasks for item in questions(task)):
        said = f"{item.answer.splitlines()[0]}\nAnswer: 77" if wrong in item.kind.split("/") else ""
        answers[key(item)] = silenced(said or item.answer, without)
    return Plan(ttft_s=0.002, gap_s=0.0005, answers=answers)


def key(item: Question) -> str:
    return key_of(fitted(item).messages[0].content)


def silenced(answer: str, position: str) -> str:
    if not position:
        return answer
    words = answer.split("\n", maxsplit=1)[0].split()[1:]
    return answer.replace(words[("head", "middle", "tail").index(position)], "nothing")


def asked(folder: Path, url: str, *words: str, code: int = 0) -> dict[str, Any]:
    """Return what was found; the exit code is 3 where no item could be run."""
    done = steelyard(folder, "eval", url, *words, "--items", "19", "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def share(found: Mapping[str, Any], name: str) -> float:
    (cell,) = (c for c in found["depths"] + found["kinds"] if c["name"] == name)
    return float(cell["right"]["value"]["value"])


def test_a_planted_depth_is_found_in_the_grid_and_each_prompt_has_its_length(
    tmp_path: Path,
) -> None:
    with server(tmp_path, planted(SHORT, LONGER, wrong="d50")) as url:
        found = asked(tmp_path, url, "--tasks", "long_context:2,long_context:1", "--out", "o")
    short, longer = found["lengths"]
    assert (short["tokens"], longer["tokens"]) == (1024, 2048)
    for score, room in ((short, 1024), (longer, 2048)):
        assert share(score, "d50") == 0
        assert {share(score, name) for name in ("d0", "d25", "d100", "spread")} == {1}
        least, most = score["prompt_tokens"]["value"]
        assert room - 128 - 16 - 40 < least <= most <= room - 128 - 16
        assert score["wanted_tokens"]["value"] == [least, most]
        assert score["check_words"] == {"head": 19, "middle": 19, "tail": 19, "answers": 19}
        assert score["cached_tokens"]["value"] == 0
        assert not score.get("reuse_prefix")
        assert "detail" in score["prefix_cache"]  # nobody tells, and that is said
    assert [task["marks"]["not_run"] for task in found["tasks"]] == [0, 0]


@pytest.mark.full
def test_a_cut_prompt_is_not_run_with_its_reason_and_costs_are_told_before(tmp_path: Path) -> None:
    plan = planted(SHORT)
    cutting = Plan(**{**plan_fields(plan), "keeps_prompt_tokens": 800})
    with server(tmp_path, cutting) as url:
        words = ("--tasks", "long_context:1", "--items", "19", "--out", "o")
        done = steelyard(tmp_path, "eval", url, *words)
    assert done.returncode == 3, done.stderr
    assert "19 not run, prompt_cut: the server counted fewer prompt tokens" in done.stdout
    assert "about 19,456 tokens are to be read" in done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("long_context/l1"))
    assert row.split()[1:7] == ["—", "0", "—", "0", "0", "19"]


def plan_fields(plan: Plan) -> dict[str, Any]:
    return {"ttft_s": plan.ttft_s, "gap_s": plan.gap_s, "answers": plan.answers}


def test_a_server_with_less_context_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with server(tmp_path, Plan()) as url:
        done = steelyard(tmp_path, "eval", url, "--tasks", "long_context:32", "--out", "o")
    assert done.returncode == 2
    assert "gives 2,048 tokens of context; the longest questions take 32,768" in done.stderr
    assert "long_context:32" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.full
def test_a_cut_that_the_server_miscounts_shows_in_the_check_words(tmp_path: Path) -> None:
    with server(tmp_path, planted(SHORT, without="head")) as url:
        found = asked(tmp_path, url, "--tasks", "long_context:1", "--out", "o", code=3)
    assert found["lengths"][0]["not_run_why"] == {"canary_missing": 19}
    again = steelyard(tmp_path, "rescore", "o")
    assert "every mark is the same" in again.stdout
    assert "19 not run, canary_missing" in again.stdout


@pytest.mark.full
def test_ollamas_silent_cut_is_not_run(tmp_path: Path) -> None:
    manner = Manner({"GET /api/ps": "ps-empty.http"}, cuts=True, context=1200)
    with replaying("ollama", manner) as replica:
        words = ("--engine", "ollama", "--tasks", "long_context:2", "--out", "o")
        found = asked(tmp_path, replica.url, *words, code=3)
    assert found["lengths"][0]["not_run_why"] == {"prompt_cut": 19}
    assert found["overall"]["marks"]["wrong"] == 0


@pytest.mark.full
def test_long_contexts_are_shown_rescored_compared_and_sampled(tmp_path: Path) -> None:
    with server(tmp_path, planted(SHORT, wrong="tracking")) as url:
        first = asked(tmp_path, url, "--tasks", "long_context:1", "--out", "first")
    with server(tmp_path, planted(SHORT)) as url:
        asked(tmp_path, url, "--tasks", "long_context:1", "--out", "second")
    shown = steelyard(tmp_path, "results", "show", first["run"][:13]).stdout
    assert "Right by depth and length" in shown
    assert "check_middle" in shown
    told = steelyard(tmp_path, "eval", "compare", "first", "second", "--explore").stdout
    assert "spread/tracking" in told
    rescored = json.loads(steelyard(tmp_path, "rescore", "first", "--json").stdout)
    assert rescored["changed"] == []
    assert rescored["evaluation"]["lengths"] == first["lengths"]
    rows = json.loads(
        steelyard(tmp_path, "tasks", "sample", "long_context", "--level", "32", "--json").stdout
    )
    assert {row["tokens"] for row in rows} == {32768}
    assert "levels 1, 2, 4, 8, 16, 32, 64, 128: d0/single" in (
        steelyard(tmp_path, "tasks", "show", "long_context").stdout
    )


@pytest.mark.full
def test_a_model_of_our_own_is_refused_a_length_beyond_its_training(tmp_path: Path) -> None:
    done = steelyard(tmp_path, "eval", "bundled", "--tasks", "long_context:8", "--out", "o")
    assert done.returncode == 2
    assert "4,096 tokens of context; the prompts and answers need 8,192" in done.stderr
    assert "lower level than long_context:8" in done.stderr
