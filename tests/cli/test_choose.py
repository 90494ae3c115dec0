"""`steelyard eval choose` on servers whose answers are planted: the decision, and what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.door import steelyard as typed
from tests.runs.scene import key_of

from steelyard.app.benches.request import BenchRequest
from steelyard.app.choosing import choosing
from steelyard.app.choosing.deal import Deal, deal
from steelyard.app.choosing.request import ChooseRequest
from steelyard.app.evals.request import EvalRequest
from steelyard.domain.task import Task
from steelyard.loadgen import spool
from steelyard.store.records import read_record
from steelyard.tasks.items import Question

TASKS = (Task("math_words", seed=3), Task("logic", seed=3))
ITEMS = 200
ASKED = ("--tasks", "math_words,logic", "--items-max", str(ITEMS), "--margin", "8", "--seed", "3")


def planted(dealt: Deal, wrong: Callable[[int], bool]) -> dict[str, str]:
    """Answer every item, those of which `wrong` says so by the answer of another."""
    known = {}
    for at, one in enumerate(dealt.items):
        assert isinstance(one.item, Question)
        known[key_of(one.item.prompt)] = "nothing of the sort" if wrong(at) else one.item.answer
    return known


def never(at: int) -> bool:
    return at < 0


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str, str]]:
    """A reference that knows all; one that loses a third, one that loses a hundredth, an equal."""
    folder, dealt = tmp_path_factory.mktemp("servers"), deal(TASKS, ITEMS, 3)
    truths: tuple[Callable[[int], bool], ...] = (
        *(never, lambda at: at % 3 == 0),
        *(lambda at: at % 100 == 50, never),
    )
    with ExitStack() as up:
        found = [
            up.enter_context(server(folder / str(number), planted(dealt, wrong)))
            for number, wrong in enumerate(truths)
        ]
        yield found[0], found[1], found[2], found[3]


def chosen(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    done = typed(folder, "eval", "choose", *words, *ASKED, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_cheapest_good_enough_is_chosen_and_the_rest_is_not_asked(
    tmp_path: Path, urls: tuple[str, ...]
) -> None:
    found = chosen(tmp_path, *urls, "--out", "out")
    bad, good, equal = found["candidates"]
    assert found["chosen"] == good["label"]
    assert (bad["ending"], good["ending"], equal["ending"]) == ("decided", "decided", "not_needed")
    assert bad["verdict"]["value"]["name"] == "worse"
    assert good["verdict"]["value"]["name"] == "no loss shown"
    assert (equal["items"], equal["verdict"]["code"]) == (0, "not_looked_at")
    assert found["planned"] == 4 * ITEMS
    again = found["again_items"]
    assert again == min(200, found["reference_items"])
    asked = found["reference_items"] + bad["items"] + good["items"] + again
    assert found["requests"] == asked
    assert asked - again < 0.6 * found["planned"]
    assert found["floor"]["value"] == 0
    assert read_record(tmp_path / "out" / "again").spec.replica == 1
    assert bad["rated"]["right"]["value"]["value"] < found["rated"]["right"]["value"]["value"] == 1
    assert found["rated"]["band"]["value"] == "excellent"
    assert found["faults"].keys() == {"reference", bad["label"], good["label"], "again"}
    assert 0.08 < good["visible"]["value"] < 1
    spools = (tmp_path / "out").glob("*/spool.bin")
    assert sum(sum(1 for _ in spool.read(path)) for path in spools) == asked
    record = read_record(tmp_path / "out" / good["label"])
    assert record.stopped is not None
    assert (record.stopped.asked, record.stopped.planned) == (good["items"], ITEMS)
    told = typed(tmp_path, "eval", "compare", "out/reference", f"out/{good['label']}")
    assert told.returncode == 0, told.stderr
    assert "STOPPED EARLY" in told.stdout
    assert "not run on both sides" not in told.stdout


@pytest.mark.full
def test_a_fixed_plan_asks_the_whole_matrix_and_chooses_the_same(
    tmp_path: Path, urls: tuple[str, ...]
) -> None:
    found = chosen(tmp_path, *urls[:3], "--fixed", "--out", "out")
    assert found["chosen"] == found["candidates"][1]["label"]
    assert found["requests"] - found["again_items"] == found["planned"] == 3 * ITEMS
    assert not found["anytime"]
    assert read_record(tmp_path / "out" / "reference").stopped is None


@pytest.mark.full
def test_where_none_is_good_enough_the_exit_code_says_so(
    tmp_path: Path, urls: tuple[str, ...]
) -> None:
    found = chosen(tmp_path, *urls[:2], "--out", "out", code=1)
    assert (found["chosen"], found["complete"]) == (None, True)
    said = typed(tmp_path, "eval", "choose", *urls[:2], *ASKED, "--no-aa", "--out", "other")
    shown = said.stdout
    assert "A/A        none (--no-aa left it out)" in shown
    assert not (tmp_path / "other" / "again").exists()
    assert "reference  " in shown
    assert "right 100.0% excellent" in shown
    assert "call one worse that loses" in said.stderr
    assert "stay with" in shown
    assert "SIMULATED" in shown


@pytest.mark.full
def test_a_killed_choice_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    dealt = deal(TASKS, ITEMS, 3)
    right = planted(dealt, never)
    with server(tmp_path / "a", right, ttft_s=0.03) as one, server(tmp_path / "b", right) as two:
        words = ("eval", "choose", one, two, *ASKED, "--out", "out")
        argv = [sys.executable, "-m", "steelyard.cli.main", *words]
        with subprocess.Popen(
            argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as child:
            journal = tmp_path / "out" / "journal.jsonl"
            while not journal.exists() or len(journal.read_text().splitlines()) < 2:
                time.sleep(0.02)
            os.killpg(child.pid, signal.SIGINT)
            _, said = child.communicate(timeout=30)
        assert child.returncode == 130, said
        assert "--out out goes on" in said
        other = typed(tmp_path, *words[:-2], "--every", "--out", "out")
        assert (other.returncode, "another choice" in other.stderr) == (2, True)
        found = chosen(tmp_path, one, two, "--out", "out")
        again = typed(tmp_path, *words)
        assert (again.returncode, "finished choice" in again.stderr) == (2, True)
    assert found["chosen"] is not None
    for path in (tmp_path / "out").glob("*/spool.bin"):
        sent = [exchange.id for exchange in spool.read(path) if exchange.failure is None]
        assert len(sent) == len(set(sent))


@pytest.mark.full
def test_a_spent_budget_ends_it_and_says_what_it_would_take(
    tmp_path: Path, urls: tuple[str, ...]
) -> None:
    words = (urls[0], urls[3], "--out", "out")
    found = chosen(tmp_path, *words, "--budget", "1ms", code=3)
    assert (found["chosen"], found["complete"]) == (None, False)
    assert found["candidates"][0]["ending"] == "budget"
    more = chosen(tmp_path, *words, "--budget", "10m")
    assert more["chosen"] == more["candidates"][0]["label"]


def test_what_it_took_to_get_ready_is_of_the_budget(tmp_path: Path, urls: tuple[str, ...]) -> None:
    began_ns = time.monotonic_ns() - 3600 * 10**9
    asked = EvalRequest(
        BenchRequest(urls[0]), ("logic",), ITEMS, None, 2, None, tmp_path / "out", began_ns=began_ns
    )
    request = ChooseRequest(asked, (urls[3],), margin=0.08, budget=600.0)
    done = choosing.choose(request, lambda _: None)
    assert (done.exit_code, done.found.candidates[0].ending) == (3, "budget")
    assert not list(tmp_path.glob("out/*/record.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http://127.0.0.1:9", "http://127.0.0.1:9"), "named twice"),
        (("bundled", "bundled", "--tasks", "nope"), "named twice"),
        (("bundled", "other.gguf", "--tasks", "nope"), "no task family 'nope'"),
        (("bundled", "other.gguf", "--items-max", "40"), "cannot show a loss below 3.0%"),
        (("bundled", "missing.gguf", "--tasks", "set:gsm8k"), "there is no file missing.gguf"),
        (("missing.gguf", "other.gguf", "--tasks", "nope"), "there is no file missing.gguf"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_starts(
    steelyard: Callable[..., Said], tiny_model: Path, words: tuple[str, ...], said: str
) -> None:
    Path("other.gguf").symlink_to(tiny_model)
    done = steelyard("eval", "choose", *words)
    assert done.code == 2, done.err
    assert said in done.err
    assert not list(Path().glob("choices/*"))


def test_what_is_simulated_is_not_chosen_beside_what_is_measured(
    steelyard: Callable[..., Said], urls: tuple[str, ...]
) -> None:
    done = steelyard("eval", "choose", "bundled", urls[0], "--tasks", "logic")
    assert done.code == 2, done.err
    assert "a scripted engine is among these" in done.err
