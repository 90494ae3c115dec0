"""No silent failure: each planted fault is named, and what it touches is neither right nor wrong.

Those that show elsewhere are proved there: tool calls in text (`test_eval_tools`), repeated rows of
a file (`test_own_files`), a date that is set (`tests/analysis/test_validity`), log-likelihoods that
no server tells (`tests/cli/test_proxy`), a seed that is ignored (`tests/runs/test_probe`), a
judge's bad JSON (`tests/cli/test_judge`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.door import steelyard

from steelyard.domain.task import Task
from steelyard.tasks.registry import questions

ITEMS = 24
TASK = Task("reading", level=3, items=ITEMS)
ROOT = Path(__file__).parents[2]


@contextmanager
def faulty(folder: Path, fault: str, *tasks: Task) -> Iterator[str]:
    """Serve the right answers with one fault."""
    asked = [question for task in tasks or (TASK,) for question in questions(task)]
    with faulty_with(folder, fault, {q.prompt: q.answer for q in asked}) as url:
        yield url


@contextmanager
def faulty_with(folder: Path, fault: str, answers: Mapping[str, str]) -> Iterator[str]:
    """Serve these answers with one fault."""
    folder.mkdir(exist_ok=True)
    known = folder / "answers.json"
    known.write_text(json.dumps(answers))
    port = folder / "port"
    words = [sys.executable, "-m", "tests.cli.faulty", str(port), str(known), fault]
    with subprocess.Popen(words, cwd=ROOT) as child:
        try:
            until = time.monotonic() + 20
            while not port.exists() and time.monotonic() < until:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port.read_text()}"
        finally:
            child.kill()


def marks(folder: Path, url: str, *words: str) -> tuple[int, dict[str, Any]]:
    asked = ("eval", url, "--tasks", "reading:3", "--items", str(ITEMS), *words)
    done = steelyard(folder, *asked, "--out", "out", "--json")
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found["overall"]["marks"]["wrong"] == 0, found
    return done.returncode, found


def all_not_run(why: str) -> Callable[[dict[str, Any]], None]:
    def look(found: dict[str, Any]) -> None:
        counted = found["overall"]["marks"]
        assert counted["right"] == counted["invalid"] == 0
        assert counted["not_run_why"] == {why: ITEMS}

    return look


def all_truncated(found: dict[str, Any]) -> None:
    assert found["overall"]["marks"]["invalid_why"] == {"truncated": ITEMS}
    assert found["overall"]["thinking"]["cut_thinking"] == ITEMS


def a_third_was_kept(found: dict[str, Any]) -> None:
    counted = found["overall"]["marks"]
    assert counted["not_run_why"] == {"stale_answer": ITEMS // 3}
    assert counted["right"] == ITEMS - ITEMS // 3


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        pytest.param("context_cut", all_not_run("prompt_cut"), marks=pytest.mark.full),
        pytest.param("thinking_cut", all_truncated, marks=pytest.mark.full),
        ("template_broken", all_not_run("template_broken")),
        pytest.param("empty", all_not_run("zero_tokens"), marks=pytest.mark.full),
        ("stale", a_third_was_kept),
    ],
)
def test_a_planted_fault_is_named_and_kept_out_of_right_and_wrong(
    fault: str, look: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    with faulty(tmp_path / "server", fault) as url:
        _, found = marks(tmp_path, url, "--streams", "1")
    look(found)


def test_a_server_is_not_knocked_at_for_every_answer(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "none") as url:
        _, found = marks(tmp_path, url, "--streams", "1")
        with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
            told = json.load(answer)
    assert found["overall"]["marks"]["right"] == ITEMS <= told["asked"]
    assert told["connections"] < ITEMS + ITEMS // 2, told


@pytest.mark.full
def test_failures_of_the_server_are_tried_once_more_and_then_not_run(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "http_500") as url:
        _, found = marks(tmp_path, url)
    counted = found["overall"]["marks"]
    assert counted["right"] + counted["not_run"] == ITEMS
    assert set(counted["not_run_why"]) <= {"http_500"}


def test_after_a_blip_of_the_server_only_what_was_not_run_is_asked_again(tmp_path: Path) -> None:
    def asked(url: str) -> int:
        with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
            return int(json.load(answer)["asked"])

    with faulty(tmp_path / "server", "blip") as url:
        words = ("eval", url, "--tasks", "reading:3", "--items", str(ITEMS), "--out", "out")
        short = steelyard(tmp_path, *words)
        (tmp_path / "server" / "answers.json.paid").touch()
        before = asked(url)
        whole = steelyard(tmp_path, *words)
        more = asked(url) - before
        refused = steelyard(tmp_path, *words)
    (lost,) = [line for line in short.stdout.splitlines() if "items not run" in line]
    count = int(lost.split()[1])
    assert short.returncode == 3, short.stderr
    assert 0 < count < ITEMS
    assert f"! {count} of {ITEMS} items not run, over 1 %: no verdict rests on it; " in lost
    assert f"the same command with --out out goes on and asks {count} of them again" in lost
    assert whole.returncode == 0, whole.stderr
    assert more == count
    marks = json.loads((tmp_path / "out" / "record.json").read_text())["sections"][0]["marks"]
    assert {mark["outcome"]["kind"] for mark in marks.values()} == {"right"}
    assert "items not run" not in whole.stdout
    assert refused.returncode == 2
    assert "out holds a finished evaluation" in refused.stderr


def test_without_quota_nothing_more_is_asked(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "quota") as url:
        code, found = marks(tmp_path, url, "--streams", "1")
        with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
            asked = json.load(answer)["asked"]
        assert code == 3
        all_not_run("quota")(found)
        assert asked < ITEMS // 2
        (tmp_path / "server" / "answers.json.paid").touch()
        code, found = marks(tmp_path, url, "--streams", "1")
    assert code == 0
    assert found["overall"]["marks"]["right"] == ITEMS


@pytest.mark.full
def test_answers_of_another_model_that_slipped_in_are_not_run(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "wrong_model") as url:
        _, found = marks(tmp_path, url)
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    proofs = {proof["name"]: proof for proof in record["proofs"]}
    assert not proofs["answering model"]["passed"], proofs
    assert "other-3b" in proofs["answering model"]["found"]
    counted = found["overall"]["marks"]
    assert counted["not_run_why"] == {"other_model": 6}
    assert counted["right"] == ITEMS - 6


def test_a_model_that_is_swapped_under_a_budget_is_seen_over_all_parts(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "swapped") as url:
        _, found = marks(tmp_path, url, "--streams", "1", "--budget", "10m")
    assert found["overall"]["marks"]["not_run_why"] == {"other_model": ITEMS - 17}


def test_a_later_turn_that_always_fails_is_given_up(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "later_500") as url:
        asked = ("eval", url, "--tasks", "multi_turn", "--items", "2", "--out", "out", "--json")
        done = steelyard(tmp_path, *asked)
        with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
            requests = json.load(answer)["asked"]
    found = json.loads(done.stdout)["overall"]["marks"]
    assert found["not_run_why"] == {"http_500": 2}
    assert requests == 8  # two turns, twice, of two items


@pytest.mark.full
def test_token_counts_that_are_missing_are_said_to_be(tmp_path: Path) -> None:
    with faulty(tmp_path / "server", "missing_usage") as url:
        code, found = marks(tmp_path, url)
    assert code == 0
    assert found["overall"]["marks"]["right"] == ITEMS
    assert found["overall"]["worth"]["tokens"]["value"]["code"] == "token_count_unavailable"
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    codes = {caution["code"] for caution in record["cautions"]}
    assert "MISSING_TOKEN_TIMINGS" in codes


@pytest.mark.full
def test_ten_thousand_clean_calls_raise_nothing(tmp_path: Path) -> None:
    levels = [Task("reading", level=level, items=5000) for level in (2, 3)]
    with faulty(tmp_path / "server", "none", *levels) as url:
        words = ("--tasks", "reading:2,reading:3", "--items", "5000", "--streams", "8", "--json")
        done = steelyard(tmp_path, "eval", url, *words, "--out", "out")
        with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
            asked = json.load(answer)["asked"]
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["overall"]
    assert asked >= 10_000
    assert found["marks"]["right"] == 10_000, found["marks"]
    assert found["marks"]["not_run"] == 0
    assert found["thinking"]["loops"] == 0
