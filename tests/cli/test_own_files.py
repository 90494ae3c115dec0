"""A file of the user's from the command line: asked, interrupted, compared, marked again."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server

from steelyard.loadgen import spool
from steelyard.scripted.plan import prompt_key
from steelyard.tasks.given import shelf

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-questions.md"
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
TABLES = ("questions.csv", "tickets.jsonl", "tickets.yaml", "quiz.csv", "quiz.yaml")
NAMES = (*TABLES, "orders.txt", "orders.yaml")


def key(prompt: str, system: str = "") -> str:
    told = [("system", system)] if system else []
    return prompt_key([*told, ("user", prompt)])


def answered(folder: str) -> list[dict[str, Any]]:
    text = (Path(folder) / "answers.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def write(folder: Path, name: str, count: int, wrong: int = 0) -> dict[str, str]:
    """Write a CSV of sums, and return planted answers of which so many are wrong."""
    rows = [(f"What is {n} + 1?", n + 1) for n in range(count)]
    lines = "".join(f"{prompt},{answer}\n" for prompt, answer in rows)
    (folder / name).write_text(f"prompt,answer\n{lines}")
    return {key(p): str(a + 1 if n < wrong else a) for n, (p, a) in enumerate(rows)}


def test_everything_that_the_page_types_does_what_it_says(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    """The files of the page are written as it shows them, its commands run in order."""
    blocks = FENCED.findall(PAGE.read_text())
    files = [text for kind, text in blocks if kind]
    for name, text in zip(NAMES, files, strict=True):
        Path(name).write_text(text)
    asks = "\n\nWhich team takes this ticket, shipping or billing?"
    sorts = "You sort tickets. Answer with one word."
    planted = {
        key("What is the capital of France? One word."): "paris.",
        key("What is the capital of Peru? One word."): "Quito",
        key("Which river runs through Cairo?\nOne word."): "Nile",
    }
    for ticket in map(json.loads, Path("tickets.jsonl").read_text().splitlines()):
        asked = f"{asks.strip()}\n\n{ticket['ticket']}"
        planted[key(asked, sorts)] = "Billing"
    for line in Path("orders.txt").read_text().splitlines():
        planted[key(line)] = '{"item": "apple", "count": 2}'
    commands = [line for kind, text in blocks if not kind for line in text.splitlines()]
    assert len(commands) >= 8
    with server(tmp_path / "server", planted) as url:
        for command in commands:
            words = shlex.split(command.replace("http://127.0.0.1:8080", url))
            said = steelyard(*words[1:])
            assert said.code == 0, f"{command}: {said.err}"
    assert [(one["row"], one["mark"]) for one in answered("evals/first")] == [
        ("line 2", "right"),
        ("line 3", "wrong"),
        ("line 4", "right"),
    ]
    assert [(one["id"], one["mark"]) for one in answered("evals/tickets")] == [
        ("1", "wrong"),
        ("2", "right"),
        ("3", "right"),
    ]
    assert [one["mark"] for one in answered("evals/orders")] == ["right", "right"]
    assert len(answered("evals/quiz")) == 1


def test_two_models_are_compared_on_the_same_rows_and_on_no_others(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    good, bad = write(Path(), "q.csv", 60), write(Path(), "q.csv", 60, wrong=25)
    with server(tmp_path / "good", good) as url:
        assert steelyard("eval", url, "--file", "q.csv", "--out", "good").code == 0
    with server(tmp_path / "bad", bad) as url:
        assert steelyard("eval", url, "--file", "q.csv", "--out", "bad", "--seed", "7").code == 0
        Path("q.yaml").write_text("scorer: exact\n")
        assert steelyard("eval", url, "--file", "q.csv", "--out", "other").code == 0
    found = json.loads(steelyard("eval", "compare", "good", "bad", "--json").out)
    (task,) = found["tasks"]
    assert (task["task"], task["verdict"]["value"]["name"]) == ("file:q", "worse")
    assert task["verdict"]["value"]["flips_lost"] == 25
    said = steelyard("eval", "compare", "good", "other")
    assert (said.code, "share no task" in said.err) == (2, True)


def test_stored_answers_are_marked_again_where_the_file_is_gone(
    tmp_path: Path, steelyard: Callable[..., Said], home: Path
) -> None:
    with server(tmp_path / "server", write(Path(), "q.csv", 4, wrong=1)) as url:
        assert steelyard("eval", url, "--file", "q.csv", "--out", "out").code == 0
    Path("q.csv").unlink()
    for held in (home / "items").iterdir():
        held.unlink()
    shelf._questions.cache_clear()  # as another process would begin
    record = json.loads(Path("out/record.json").read_text())
    lost = steelyard("rescore", record["id"])
    assert (lost.code, "name the evaluation by its folder" in lost.err) == (2, True), lost
    said = steelyard("rescore", "out")
    assert (said.code, "every mark is the same" in said.out) == (0, True), said.err


def test_prompts_without_answers_are_kept_and_never_marked(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    Path("q.txt").write_text("Say hello.\nSay goodbye.\n")
    with server(tmp_path / "server", {key("Say hello."): "Hello!"}) as url:
        said = steelyard("eval", url, "--file", "q.txt", "--out", "out")
    assert said.code == 0, said.err
    assert "2 answers kept and not marked: none is known" in said.out
    assert "nothing is scored" in said.err
    first = answered("out")[0]
    assert (first["said"], first["mark"], first["why"]) == ("Hello!", "not_run", "no_known_answer")


@pytest.mark.full
def test_an_interrupted_file_goes_on_and_a_changed_one_does_not(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    with server(tmp_path / "slow", write(Path(), "q.csv", 60), ttft_s=0.15) as url:
        words = ("eval", url, "--file", "q.csv", "--out", "out")
        argv = [sys.executable, "-m", "steelyard.cli.main", *words]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True) as child:
            while not Path("out/spool.bin").exists():
                time.sleep(0.05)
            time.sleep(1.5)
            os.killpg(child.pid, signal.SIGINT)
            child.communicate(timeout=30)
        assert child.returncode == 130
        whole = Path("q.csv").read_text()
        Path("q.csv").write_text(whole.replace("59 + 1?,60", "59 + 1?,61"))
        said = steelyard(*words)
        assert (said.code, "have changed" in said.err) == (2, True), said.err
        Path("q.csv").write_text(whole)
        assert steelyard(*words).code == 0
    sent = [e.id for e in spool.read(Path("out/spool.bin")) if e.failure is None]
    assert len(sent) == len(set(sent)) == 60
    assert [one["mark"] for one in answered("out")] == ["right"] * 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("eval", "http://127.0.0.1:9", "--file", "nope.csv"), "there is no file nope.csv"),
        (("eval", "http://127.0.0.1:9", "--columns", "q.yaml"), "--columns says what is in"),
        (("eval", "http://127.0.0.1:9", "--file", "q.csv", "--level", "2"), "neither levels"),
        (("eval", "http://127.0.0.1:9", "--file", "q.csv", "--items", "9"), "9 were asked for"),
        (("eval", "http://127.0.0.1:9", "--file", "q.csv", "--columns", "x"), "no file x"),
        (("eval", "http://127.0.0.1:9", "--file", "bad.csv"), "1 of 1 rows cannot be asked"),
        (("tasks", "show", "logic", "--file", "q.csv"), "one of the two"),
        (("tasks", "sample"), "one of the two"),
        (("tasks", "sample", "--file", "q.csv", "--private-seed", "x"), "private seed"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing(
    words: tuple[str, ...], said: str, steelyard: Callable[..., Said]
) -> None:
    write(Path(), "q.csv", 3)
    Path("bad.csv").write_text("prompt,answer\na,\n")
    done = steelyard(*words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert "Traceback" not in done.err
    assert not Path("evals").exists()


def test_a_spec_with_a_file_is_run_where_its_rows_are(
    steelyard: Callable[..., Said], home: Path
) -> None:
    write(Path(), "q.csv", 3)
    shown = json.loads(steelyard("tasks", "show", "--file", "q.csv", "--json").out)
    assert (shown["rows"], shown["first"][0]["answer"]) == (3, "1")
    spec = json.loads(steelyard("run", "--example").out)
    source = {"name": "q", "sha256": shown["sha256"], "content": shown["content"]}
    spec["tasks"] = [{"family": "file:q", "items": 3, "source": source}]
    (home / "items" / f"{shown['sha256']}.jsonl").unlink()
    Path("spec.json").write_text(json.dumps(spec))
    said = steelyard("run", "spec.json")
    assert (said.code, "not on this machine" in said.err) == (2, True), said.err
