"""One run and a small sweep on llama.cpp itself, with a tiny model made on the spot."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.app import stage
from tests.app.stage import Stage
from tests.app.test_kills import decision, gone, sent_twice
from tests.llamalib import tiny

from steelyard.analysis.validity import telemetry_status
from steelyard.app import running
from steelyard.domain.caution import quality
from steelyard.domain.codec import decode, encode
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord, RunSpec
from steelyard.domain.stream import Completed
from steelyard.domain.task import NotRun, Task
from steelyard.domain.workload import Workload
from steelyard.loadgen import spool
from steelyard.models import artifacts
from steelyard.runs.bench import Key

# Tokens that a busy machine hands over in one burst have no times.
pytestmark = pytest.mark.alone
# Slow enough that a busy client still sees tokens come one by one, or the canary stops the sweep.
SLOWER = tiny.Shape(layers=4, feed_forward=1024, context=4096)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord, str]:
    """What `steelyard run --example` prints, with a tiny model and less work, executed."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "home").mkdir()
    made = Stage(folder, folder / "home")
    model = tiny.write(folder / "tiny.gguf", SLOWER)
    example = decode(RunSpec, running.example_spec(), source="the example")
    spec = replace(
        example,
        subject=replace(example.subject, artifact=artifacts.fingerprint(model)),
        controls=replace(example.controls, threads=1, seed=7),
        workloads=(Workload("interactive", 64, 64, 3), Workload("concurrency", 32, 48, 4, 2)),
        tasks=(Task("reading", items=6),),
    )
    (folder / "spec.json").write_text(encode(spec))
    out = folder / "out"
    done = made.run(
        "run", str(folder / "spec.json"), "--model", str(model), "--out", str(out), "--json"
    )
    assert done.returncode == 0, done.stderr
    return out, decode(RunRecord, (out / "record.json").read_text(), source="record"), done.stdout


Ran = tuple[Path, RunRecord, str]


def test_a_run_on_llama_cpp_completes_and_says_how_clean_it_was(ran: Ran) -> None:
    _, record, printed = ran
    assert record.outcome == "completed", record.reason
    assert not record.simulated
    assert quality(record.cautions) in ("CLEAN", "POLLUTED")
    assert decode(RunRecord, printed, source="printed") == record


def test_what_is_served_is_proved_to_be_what_was_asked_for(ran: Ran) -> None:
    _, record, _ = ran
    proofs = {proof.name: proof for proof in record.proofs}
    assert [name for name, proof in proofs.items() if not proof.passed] == []
    assert proofs["file"].found == record.spec.subject.artifact.sha256
    assert isinstance(record.environment.engine_build, Measured)
    assert "llama.cpp" in record.environment.engine_build.value


def test_tokens_and_times_are_told_by_the_engine(ran: Ran) -> None:
    _, record, _ = ran
    assert telemetry_status(record) == "OK"
    timed = [section for section in record.sections if section.kind == "workload"]
    assert [len(section.attempts) for section in timed] == [3, 4]
    for attempt in (attempt for section in timed for attempt in section.attempts):
        assert isinstance(attempt.outcome, Completed)
        assert isinstance(attempt.usage, Measured)
        assert isinstance(attempt.timings, Measured)
        wanted = attempt.prompt_tokens_wanted
        assert wanted in (32, 64)
        assert attempt.usage.value.prompt_tokens == wanted
        assert attempt.usage.value.output_tokens == {64: 64, 32: 48}[wanted]
        assert attempt.sent_ns < attempt.arrivals[0].at_ns <= attempt.done_ns


def test_the_models_answers_are_marked_and_none_is_lost(ran: Ran) -> None:
    _, record, _ = ran
    (task,) = [section for section in record.sections if section.kind == "task"]
    assert len(task.marks) == 6
    assert not any(isinstance(mark.outcome, NotRun) for mark in task.marks.values())


def test_controls_are_read_back_from_the_engine(ran: Ran) -> None:
    _, record, _ = ran
    applied = {control.name: control for control in record.controls}
    for name, value in (("seed", "7"), ("threads", "1"), ("slots", "2"), ("prefix_cache", "off")):
        found = applied[name].applied
        assert isinstance(found, Measured), name
        assert found.value == value, name
    context = applied["context_tokens"]
    assert isinstance(context.applied, Measured)
    assert context.applied.value == context.asked


def test_vitals_and_the_load_time_are_of_the_engine(ran: Ran) -> None:
    out, record, _ = ran
    assert isinstance(record.load_s, Measured)
    assert record.load_s.value > 0
    assert isinstance(record.vitals, Measured)
    assert (out / "engine.log").stat().st_size > 0
    assert record.log_excerpt


def test_the_same_spec_names_the_same_requests(ran: Ran) -> None:
    out, _, _ = ran
    found = [Key.read(exchange.id) for exchange in spool.read(out / "spool.bin")]
    assert len({str(key) for key in found}) == len(found)


FAST = ("--items", "6", "--repeats", "1", "--quants", "Q2_K", "--include-polluted", "--yes")


@pytest.mark.full
def test_three_kills_on_llama_cpp_send_no_finished_request_twice(tmp_path: Path) -> None:
    made = Stage(tmp_path / "ladder", tmp_path / "home")
    made.ladder.mkdir()
    made.home.mkdir()
    subject = str(tiny.write(made.file("F16"), SLOWER))
    straight, broken = made.home / "straight", made.home / "broken"
    done = made.process("sweep", subject, *FAST, "--out", str(straight), timeout_s=1800)
    assert done.returncode in (0, 1), done.stderr
    words: tuple[str, ...] = (subject, *FAST)
    for _ in range(3):
        kill_in_a_task(made, broken, words)
        words = ("--resume", "--include-polluted")
    last = made.process("sweep", *words, "--out", str(broken), timeout_s=1800)
    assert last.returncode == done.returncode, last.stderr
    assert sent_twice(broken) == []
    assert names(broken) == names(straight)
    minimum, _, verdicts = decision(broken)
    # Two streams share a batch, so the last bits and a wrong answer's words may differ.
    assert [minimum, verdicts] == [decision(straight)[0], decision(straight)[2]]


def kill_in_a_task(made: Stage, out: Path, words: Sequence[str]) -> None:
    """Begin or resume the sweep, and kill it when it has answers to task items that are new."""
    before = answered(out)
    child = subprocess.Popen(
        made.argv("sweep", *words, "--out", str(out)),
        env=made.env,
        cwd=made.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 600
    while answered(out) < before + 5 and child.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    family = stage.children_of(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    gone(family)
    assert answered(out) >= before + 5
    assert not (out / "sweep_summary.json").exists()


def answered(out: Path) -> int:
    """Return how many task requests have come whole."""
    found = [e for path in (out / "runs").glob("*/spool.bin") for e in spool.read(path)]
    return sum("/l" in Key.read(e.id).section for e in found if e.failure is None)


def names(out: Path) -> list[tuple[str, str]]:
    """Return which variants were weighed, and as what."""
    summary: dict[str, Any] = json.loads((out / "sweep_summary.json").read_text())
    return [(row["variant"]["label"], row["role"]) for row in summary["per_quant"]]
