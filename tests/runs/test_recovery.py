"""An engine that dies in the middle of a run is started again, three times at most."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.platform.test_process import eventually_gone
from tests.runs.scene import answers

from steelyard.app import subjects
from steelyard.domain.errors import TimeOver
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.run import Controls, Place, RunRecord, RunSpec
from steelyard.domain.stream import Completed
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.task import Right, Task
from steelyard.domain.workload import Workload
from steelyard.loadgen import spool
from steelyard.runs import execute
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import generate

FIRST = Workload("interactive", 16, 4, 2)
LONG = Workload("concurrency", 16, 64, 8, streams=2)
SHAPED = Workload("bench", 16, 64, 8, streams=2, load=Closed(2), prompts=Synthetic(16, 64))
TASK = Task("logic", items=12)


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "PAUSES_S", (0.1, 0.2, 0.3))


@contextmanager
def session(
    model: Path, folder: Path, plan: Plan, *work: Workload | Task
) -> Iterator[tuple[Executor, Session]]:
    script = scripts.write(plan, folder / "plan.json")
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(script))
    variant: Variant = subjects.verified("Q8_0", model, lambda _: None)
    spec = RunSpec(
        Subject(variant.artifact, "scripted", "scripted", EngineProfile(512, slots=2)),
        Controls(),
        workloads=tuple(each for each in work if isinstance(each, Workload)),
        tasks=tuple(each for each in work if isinstance(each, Task)),
    )
    place = Place(program, {variant.artifact.sha256: model}, folder / "run")
    runner = Executor(Verifier(), lambda _: None)
    with runner.session(spec, variant, place) as opened:
        yield runner, opened


def pid_of(opened: Session) -> int:
    assert opened.bench is not None
    return int(opened.bench.engine.pid)  # type: ignore[attr-defined]


def kill(
    opened: Session, times: int, pids: list[int], *, endless: bool = False
) -> threading.Thread:
    """Kill the engine so many times, each time that a new one is up and has been asked.

    What is not endless has given an answer more by then.
    """
    spooled = opened.place.folder / "spool.bin"

    def size() -> int:
        return spooled.stat().st_size if spooled.exists() else 0

    before = size()

    def run() -> None:
        while len(pids) < times:
            time.sleep(0.02)
            bench = opened.bench
            if bench is None or not bench.client.outstanding or pid_of(opened) in pids:
                continue
            if endless:
                time.sleep(0.3)  # it lasts for seconds: what was just queued is under way
            elif size() == before:
                continue
            pids.append(pid_of(opened))
            os.kill(pids[-1], signal.SIGKILL)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def run(
    model: Path, folder: Path, times: int, *work: Workload | Task, plan: Plan
) -> tuple[RunRecord, list[int]]:
    pids: list[int] = []
    with session(model, folder, plan, *work) as (runner, opened):
        killer = kill(opened, times, pids)
        try:
            for each in work:
                if isinstance(each, Workload):
                    opened.measure(each)
                else:
                    opened.judge(each)
        finally:
            killer.join()
    return runner.record(opened), pids


SLOW = Plan(ttft_s=0.01, gap_s=0.01)
ENDLESS = Plan(ttft_s=0.01, gap_s=0.1)  # no section ends before its engine is killed


@pytest.mark.parametrize("work", [LONG, SHAPED], ids=["suite", "shaped"])
def test_a_timed_section_in_which_the_engine_died_is_repeated_whole(
    work: Workload, tiny_model: Path, tmp_path: Path
) -> None:
    record, pids = run(tiny_model, tmp_path, 1, work, plan=SLOW)
    assert record.outcome == "completed", record.reason
    assert record.deaths == (work.name,)
    (section,) = record.sections
    assert [attempt.outcome for attempt in section.attempts] == [Completed()] * 8
    (caution,) = [c for c in record.cautions if c.code == "ENGINE_RESTARTED"]
    assert work.name in caution.seen
    assert not caution.pollutes
    assert eventually_gone(pids)


def test_what_had_finished_before_is_kept_and_not_sent_again(
    tiny_model: Path, tmp_path: Path
) -> None:
    pids: list[int] = []
    with session(tiny_model, tmp_path, SLOW, FIRST, LONG) as (runner, opened):
        first = opened.measure(FIRST)
        killer = kill(opened, 1, pids)
        opened.measure(LONG)
        killer.join()
    record = runner.record(opened)
    assert record.sections[0] == first
    sent = [exchange.id for exchange in spool.read(tmp_path / "run" / "spool.bin")]
    assert sum(name.startswith(f"{FIRST.name}|") for name in sent) == 3  # one to warm up
    assert [proof.name for proof in record.proofs if not proof.passed] == []


def test_of_a_task_only_the_interrupted_questions_are_asked_again(
    tiny_model: Path, tmp_path: Path
) -> None:
    plan = replace(SLOW, answers=answers(TASK), ttft_s=0.1)
    record, _ = run(tiny_model, tmp_path, 1, TASK, plan=plan)
    assert record.outcome == "completed", record.reason
    (section,) = record.sections
    assert [mark.outcome for mark in section.marks.values()] == [Right()] * 12
    whole = [e.id for e in spool.read(tmp_path / "run" / "spool.bin") if e.failure is None]
    assert len(whole) == 12


def test_an_engine_that_dies_each_time_is_given_up_after_three_starts(
    tiny_model: Path, tmp_path: Path
) -> None:
    pids: list[int] = []
    with session(tiny_model, tmp_path, ENDLESS, FIRST, LONG) as (runner, opened):
        opened.measure(FIRST)
        killer = kill(opened, 4, pids, endless=True)
        try:
            opened.measure(LONG)
        finally:
            killer.join()
    record = runner.record(opened)
    assert [section.name for section in record.sections] == [FIRST.name]
    assert record.outcome == "failed"
    assert "died in the middle" in record.reason
    assert record.deaths == (LONG.name,) * 3
    assert len(set(pids)) == 4
    assert eventually_gone(pids)


def test_where_the_time_forbids_a_restart_the_run_was_stopped_and_did_not_fail(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "PAUSES_S", (600.0,))
    items = generate(TASK)
    with session(tiny_model, tmp_path, replace(SLOW, answers=answers(TASK)), TASK) as (
        runner,
        opened,
    ):
        opened.judge(TASK, items[:4])
        os.kill(pid_of(opened), signal.SIGKILL)
        opened.end_in(300.0)
        with pytest.raises(TimeOver, match="no time was left to start it again"):
            opened.judge(TASK, items[4:])
    record = runner.record(opened)
    assert (record.outcome, record.reason, record.deaths) == ("completed", "", ())
    assert len(record.sections[0].marks) == 4
