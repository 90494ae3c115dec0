"""`steelyard eval` and `steelyard tasks` on a server whose answers are planted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import ports
from tests.door import steelyard
from tests.runs.scene import answers

from steelyard.domain.task import Task
from steelyard.loadgen import spool
from steelyard.scripted import plan as scripts
from steelyard.scripted import truth
from steelyard.scripted.plan import Fault, FaultKind, Plan, PlannedCall
from steelyard.scripted.truth import Truth
from steelyard.tasks import registry
from steelyard.tasks.registry import questions

MATHS, LOGIC = Task("math_words", items=60), Task("logic", items=60)
ASKED = ("--tasks", "math_words,logic", "--items", "60")


def eventually(said: Callable[[], bool], limit_s: float = 60) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not (so := said()) and time.monotonic() < end:
        time.sleep(0.05)
    return so


def reachable(port: int) -> bool:
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(
    folder: Path,
    planted: Mapping[str, str | tuple[str, str]],
    ttft_s: float = 0.002,
    calls: Mapping[str, tuple[PlannedCall, ...]] | None = None,
    faults: tuple[FaultKind, ...] = (),
    planned: tuple[Fault, ...] = (),
    ctx_size: int = 4096,
    **more: Any,
) -> Iterator[str]:
    """Serve planted answers; a question without one gets words that answer nothing."""
    folder.mkdir(exist_ok=True)
    script = Plan(
        ttft_s=ttft_s,
        gap_s=0.0005,
        answers=dict(planted),
        calls=calls or {},
        faults=(*map(Fault, faults), *planned),
        **more,
    )
    plan = scripts.write(script, folder / "plan")
    port = ports.free()
    words = [sys.executable, "-m", "steelyard.scripted", "--port", str(port), "--parallel", "2"]
    words += [
        "--ctx-size",
        str(ctx_size),
        "--plan",
        str(plan),
        "--truth",
        str(folder / "truth.jsonl"),
    ]
    with subprocess.Popen(words) as child:
        try:
            assert eventually(lambda: reachable(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()  # what it has answered is in its log then


def written(log: Path, *spools: Path) -> dict[int, Truth]:
    """Return the log of a server that is up, once it holds every answer that came."""
    came = {truth.number_of(one) for path in spools for one in spool.read(path)} - {None}
    assert eventually(lambda: came <= truth.read(log).keys())
    return truth.read(log)


def evaluated(folder: Path, url: str, out: str, *words: str) -> dict[str, Any]:
    done = steelyard(folder, "eval", url, *(words or ASKED), "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def right(*tasks: Task) -> dict[str, str]:
    return {key: answer for task in tasks for key, answer in answers(task).items()}


def spoilt(task: Task, count: int) -> dict[str, str]:
    """Answer so many questions of a task with the answer of another one."""
    known = answers(task)
    values = sorted(set(known.values()))
    wrong = {
        key: next(value for value in values if value != answer)
        for key, answer in list(known.items())[:count]
    }
    return known | wrong


def test_planted_answers_are_counted_exactly_and_a_planted_loss_is_found(tmp_path: Path) -> None:
    with server(tmp_path / "good", right(MATHS, LOGIC)) as url:
        good = evaluated(tmp_path, url, "good-out")
        evaluated(tmp_path, url, "again-out")
    with server(tmp_path / "bad", answers(MATHS) | spoilt(LOGIC, 25)) as url:
        bad = evaluated(tmp_path, url, "bad-out")
    assert good["overall"]["marks"]["right"] == 120
    assert good["overall"]["band"]["value"] == "excellent"
    counts = {task["task"]: task["marks"] for task in bad["tasks"]}
    assert (counts["math_words/l1"]["right"], counts["math_words/l1"]["wrong"]) == (60, 0)
    assert (counts["logic/l1"]["right"], counts["logic/l1"]["wrong"]) == (35, 25)
    assert good["simulated"]
    done = steelyard(tmp_path, "eval", "compare", "good-out", "bad-out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    logic = next(task for task in found["tasks"] if task["task"] == "logic/l1")
    assert logic["verdict"]["value"]["name"] == "worse"
    assert logic["verdict"]["value"]["flips_lost"] == 25
    assert logic["p_adjusted"]["value"] < 0.001
    assert found["overall"]["verdict"]["value"]["loss"] == pytest.approx(25 / 120)
    shown = steelyard(tmp_path, "eval", "compare", "good-out", "bad-out").stdout
    assert "worse" in shown
    assert "SIMULATED" in shown
    assert "EXPLORED" not in shown
    assert "clusters drawn again" in shown
    an_aa_row_is_the_first_once_more(tmp_path, shown)
    sizes_and_kinds_stand_beside(tmp_path, logic["effect"]["value"], found["overall"]["effect"])
    what_a_right_answer_costs_is_told(tmp_path, bad)


def test_a_time_that_is_too_short_to_ask_anything_is_one_sentence(tmp_path: Path) -> None:
    done = steelyard(tmp_path, "eval", "bundled", "--budget", "500ms", "--out", "out")
    assert (done.returncode, "nothing can be asked within 500 ms" in done.stderr) == (2, True)
    # It takes more than this to find out who the server is: each of its answers takes a second.
    with server(tmp_path / "server", {}, ttft_s=1.0) as url:
        done = steelyard(tmp_path, "eval", url, "--budget", "1100ms", "--out", "out")
    assert done.returncode == 2, done.stderr
    assert "the budget of 1.1 s was spent before anything could be asked" in done.stderr
    assert "→ a longer --budget" in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out" / "record.json").exists()


@pytest.mark.full
def test_a_time_that_ends_under_an_answer_breaks_it_off_and_says_what_was_left_out(
    tmp_path: Path,
) -> None:
    never = Fault("stall", requests=tuple(range(30, 200)))
    with server(tmp_path / "server", right(MATHS, LOGIC), ttft_s=0.2, planned=(never,)) as url:
        words = (*ASKED, "--streams", "1", "--budget", "40s", "--out", "out")
        began = time.monotonic()
        done = steelyard(tmp_path, "eval", url, *words)
        took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert took < 60, "a machine that does much else"
    assert "of 120 items were asked: the budget of 40 s was spent" in done.stdout
    assert "more were broken off then and are left out together" in done.stdout
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    stopped = record["stopped"]
    marks = [mark for section in record["sections"] for mark in section["marks"].values()]
    assert len(marks) == stopped["asked"] > 0
    assert all(mark["outcome"]["kind"] == "right" for mark in marks)
    assert stopped["cut"] > 0
    assert not list((tmp_path / "out").glob(".rehearsal*"))


@pytest.mark.full
def test_a_time_that_is_too_short_for_one_answer_is_one_sentence(tmp_path: Path) -> None:
    with server(tmp_path / "server", right(MATHS), ttft_s=0.01, faults=("stall",)) as url:
        words = ("--tasks", "math_words", "--budget", "30s", "--out", "out")
        done = steelyard(tmp_path, "eval", url, *words)
    assert done.returncode == 2, done.stderr
    assert "the budget of 30 s was spent before the first 2 questions were answered" in done.stderr
    assert not (tmp_path / "out" / "record.json").exists()


def what_a_right_answer_costs_is_told(folder: Path, bad: dict[str, Any]) -> None:
    """Both doors say the same; money takes a tariff and, here, a meter."""
    done = steelyard(folder, "eval", "worth", "bad-out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["worth"] == bad["overall"]["worth"]
    assert found["worth"]["right"] == 95
    priced = ("--tariff", "0.3", "--watts", "20", "--device-price", "80")
    told = steelyard(folder, "eval", "worth", "bad-out", *priced)
    assert told.returncode == 0, told.stderr
    assert "A thousand right answers cost, at 0.3 a kWh (power typed)" in told.stdout
    assert "no run of a hosted model was given" in told.stdout
    assert "J (estimated: typed watts times seconds)" in told.stdout
    assert "0.00 [0.00, 0.00] s" not in told.stdout
    by_meter = steelyard(folder, "eval", "worth", "bad-out", "--watts", "20", "--json").stdout
    assert json.loads(by_meter)["worth"]["joules"]["value"]["source"] == "estimated"
    for words, says in (
        (("--idle-watts", "20"), "without the price of a kWh"),
        (("--tariff", "0.3", "--hosted", "good-out"), "was not billed: "),
        (("--tariff", "0"), "'--tariff'"),
    ):
        refused = steelyard(folder, "eval", "worth", "bad-out", *words)
        assert refused.returncode == 2
        assert says in refused.stderr


def an_aa_row_is_the_first_once_more(folder: Path, without: str) -> None:
    """So few marks that are the same leave the floor unknown; another subject is no repeat."""
    assert "A/A     none" in without
    pair = ("eval", "compare", "good-out", "bad-out", "--again")
    found = json.loads(steelyard(folder, *pair, "again-out", "--json").stdout)
    assert {floor["code"] for floor in found["floors"].values()} == {"too_few_aa_items"}
    assert found["overall"]["verdict"]["value"]["floor"] == 0.03
    assert f"A/A     run {found['again']}" in steelyard(folder, *pair, "again-out").stdout
    swapped = ("eval", "compare", "good-out", "again-out", "--again")
    for words, says in (
        ((*pair, "bad-out"), "is compared already"),
        ((*swapped, "bad-out"), "does not repeat run"),
    ):
        refused = steelyard(folder, *words)
        assert refused.returncode == 2
        assert says in refused.stderr


def sizes_and_kinds_stand_beside(
    folder: Path, logic: dict[str, Any], overall: dict[str, Any]
) -> None:
    """25 of 60 logic items were lost and none won."""
    assert logic["odds"]["value"]["value"] == 0
    assert 0 < logic["odds"]["high"]["value"] < 1
    assert not logic["equivalence"]["shown"]
    assert logic["resampled"]["code"] == "own_clusters"
    loss = overall["value"]["resampled"]["value"]
    assert loss["low"]["value"] < 25 / 120 < loss["high"]["value"]
    words = ("eval", "compare", "good-out", "bad-out", "--explore")
    kinds = json.loads(steelyard(folder, *words, "--json").stdout)["explored"]["kinds"]
    asked = [question.kind for question in questions(LOGIC)]
    lost = {row["kind"]: row["lost"] for row in kinds if row["task"] == "logic/l1"}
    assert lost == {kind: asked[:25].count(kind) for kind in asked}
    assert any(row["differs"] for row in kinds)
    assert all(row["task"] == "logic/l1" for row in kinds if row["differs"])
    for name in ("good-out", "bad-out"):  # as a version with other items would have left them
        record = folder / name / "record.json"
        kept = json.loads(record.read_text())
        kept["spec"]["tasks"][1]["revision"] = 99
        record.write_text(json.dumps(kept))
    shown = steelyard(folder, *words)
    assert shown.returncode == 0, shown.stderr
    assert "EXPLORED, not a verdict" in shown.stdout
    assert "not explored: logic/l1" in shown.stdout


def test_nonsense_is_invalid_and_a_server_that_fails_is_not_run(tmp_path: Path) -> None:
    with server(tmp_path / "mute", {}) as url:
        found = evaluated(tmp_path, url, "out", "--tasks", "math_words", "--items", "10")
    (task,) = found["tasks"]
    assert task["marks"]["invalid"] + task["marks"]["wrong"] == 10
    assert task["marks"]["right"] == task["marks"]["not_run"] == 0
    assert task["band"]["value"] == "failed"


def test_a_server_that_is_silent_for_longer_than_the_timeout_ends_it(tmp_path: Path) -> None:
    with server(tmp_path / "silent", answers(LOGIC), ttft_s=4.0) as url:
        words = ("--tasks", "logic", "--items", "2", "--timeout", "0.5s")
        done = steelyard(tmp_path, "eval", url, *words, "--out", "out")
    assert (done.returncode, "fell silent" in done.stdout) == (3, True), done.stdout


def test_an_interrupted_evaluation_goes_on_without_asking_again(tmp_path: Path) -> None:
    with server(tmp_path / "slow", right(MATHS, LOGIC), ttft_s=0.15) as url:
        argv = [sys.executable, "-m", "steelyard.cli.main", "eval", url, *ASKED, "--out", "out"]
        with subprocess.Popen(
            argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as child:
            while not (tmp_path / "out" / "spool.bin").exists():
                time.sleep(0.05)
            time.sleep(2.0)
            os.killpg(child.pid, signal.SIGINT)
            _, said = child.communicate(timeout=30)
        assert child.returncode == 130, said
        assert "--out out goes on" in said
        other = steelyard(tmp_path, "eval", url, "--tasks", "logic", "--out", "out")
        assert other.returncode == 2
        assert "holds another evaluation" in other.stderr
        found = evaluated(tmp_path, url, "out")
    assert found["overall"]["marks"]["right"] == 120
    whole = [e.id for e in spool.read(tmp_path / "out" / "spool.bin") if e.failure is None]
    assert len(whole) == len(set(whole)) == 120
    again = steelyard(tmp_path, "eval", url, *ASKED, "--out", "out")
    assert (again.returncode, "finished evaluation" in again.stderr) == (2, True)


def test_stored_answers_are_marked_again_without_a_server(tmp_path: Path) -> None:
    with server(tmp_path / "bad", answers(MATHS) | spoilt(LOGIC, 25)) as url:
        evaluated(tmp_path, url, "out")
    record = tmp_path / "out" / "record.json"
    assert "every mark is the same" in steelyard(tmp_path, "rescore", "out").stdout
    kept = json.loads(record.read_text())
    item, mark = next(
        (item, mark)
        for section in kept["sections"]
        for item, mark in section["marks"].items()
        if mark["outcome"]["kind"] == "wrong"
    )
    mark["outcome"] = {"kind": "right"}  # as an older way of reading might have had it
    record.write_text(json.dumps(kept))
    done = json.loads(steelyard(tmp_path, "rescore", "out", "--json").stdout)
    assert [(one["item"], one["was"].split(",")[0]) for one in done["changed"]] == [(item, "right")]
    assert done["evaluation"]["overall"]["marks"]["right"] == 95
    assert json.loads(record.read_text()) == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("eval", "http://127.0.0.1:9", "--tasks", "nope"), "no task family 'nope'"),
        (("eval", "http://127.0.0.1:9", "--tasks", "logic:x"), "NAME:LEVEL"),
        (("eval", "http://127.0.0.1:9", "--tasks", "logic:9"), "no level 9"),
        (("eval", "http://127.0.0.1:9", "--tasks", "logic,logic:1"), "named twice"),
        (("eval", "compare", "a", "b"), "no run"),
        (("tasks", "show", "logik"), "logic"),
        (("tasks", "sample", "logic", "--level", "7"), "no level 7"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = steelyard(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("evals/*"))


def test_families_are_listed_shown_and_sampled_as_a_run_asks_them(tmp_path: Path) -> None:
    listed = json.loads(steelyard(tmp_path, "tasks", "list", "--json").stdout)
    assert [family["name"] for family in listed] == list(registry.names())
    for name in registry.names():
        assert "→" in steelyard(tmp_path, "tasks", "show", name).stdout
    words = ("tasks", "sample", "logic", "--level", "2", "--items", "3", "--seed", "7", "--json")
    sampled = json.loads(steelyard(tmp_path, *words).stdout)
    asked = questions(Task("logic", level=2, items=3, seed=7))
    assert [row["prompt"] for row in sampled] == [question.prompt for question in asked]
    assert [row["answer"] for row in sampled] == [question.answer for question in asked]
