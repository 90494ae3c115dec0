"""The frame of every run: an engine of ours or a server of others, watched and recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.bench_stage import Server, pacer
from tests.engines.foreign import ONE_MODEL, Reply, certificate, serving

from steelyard.app import subjects
from steelyard.domain.errors import EngineError
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.workload import Workload
from steelyard.engines import attached
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint
from steelyard.loadgen import spool
from steelyard.models import artifacts
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.session import Watch, holds_open
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Fault, Plan
from steelyard.store.records import read_record

__all__ = ["certificate"]

LOAD = Workload("bench", 32, 4, 8, streams=2, load=Closed(2), prompts=Synthetic(32, 4))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pacer(tmp_path_factory.mktemp("pacer"), "--ttft-ms", "5", "--gap-ms", "1") as up:
        yield up


def executor(watch: Watch | None = None) -> Executor:
    return Executor(Verifier(), lambda _: None, watch=watch or Watch())


def visit(server: Server, folder: Path, watch: Watch | None = None) -> RunRecord:
    engine = attached.attach(Endpoint.read(server.url))
    spec = RunSpec(engine.subject, Controls(warmup=1), workloads=(LOAD,))
    place = Place((), {}, folder, "127.0.0.1", server.port)
    runner = executor(watch)
    with runner.visit(spec, engine, place) as session:
        session.measure(LOAD)
    return runner.record(session)


def hosted(model: Path, folder: Path, plan: Plan, *work: Workload) -> RunRecord:
    """Run a file on the scripted engine."""
    folder.mkdir(exist_ok=True)
    script = scripts.write(plan, folder / "plan.json")
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(script))
    variant = subjects.verified("Q8_0", model, lambda _: None)
    profile = EngineProfile(context_tokens=512, slots=2)
    spec = RunSpec(
        Subject(variant.artifact, "scripted", "scripted", profile), Controls(), workloads=work
    )
    place = Place(program, {variant.artifact.sha256: model}, folder / "run")
    return executor().run(spec, variant, place)


def test_a_server_of_somebody_elses_is_measured_and_left_running(
    server: Server, tmp_path: Path
) -> None:
    record = visit(server, tmp_path / "run")
    assert record.outcome == "completed"
    assert isinstance(record.load_s, Missing)
    assert isinstance(record.first_request_s, Measured)
    assert isinstance(record.vitals, Measured)  # its process is one of this machine
    assert [len(section.attempts) for section in record.sections] == [8]
    assert read_record(tmp_path / "run") == record
    assert server.health()["status"] == "ok"
    (answering,) = [proof for proof in record.proofs if proof.name == "answering model"]
    assert answering.passed
    assert answering.found == "pacer"


def test_what_nobody_serves_is_said_to_be_missing(server: Server, tmp_path: Path) -> None:
    watched = visit(server, tmp_path / "watched", Watch(server=True))
    assert isinstance(watched.server, Measured | Missing)
    assert isinstance(watched.power, Measured | Missing)
    plain = visit(server, tmp_path / "plain")
    assert isinstance(plain.server, Missing)
    assert plain.server.code == "not_scraped"
    assert isinstance(plain.idle, Missing)


def test_the_meter_is_one_of_the_machine_that_the_server_runs_on(
    server: Server, tmp_path: Path
) -> None:
    engine = attached.attach(Endpoint.read(server.url))
    far = replace(engine, pid=Missing("elsewhere", "another machine"))
    spec = RunSpec(engine.subject, Controls(warmup=1), workloads=(LOAD,))
    place = Place((), {}, tmp_path / "run", "127.0.0.1", server.port)
    runner = executor(Watch(server=True))
    with runner.visit(spec, far, place) as session:
        session.measure(LOAD)
    record = runner.record(session)
    assert isinstance(record.power, Missing)
    assert record.power.code == "elsewhere"
    assert isinstance(record.idle, Missing)


def test_a_file_that_a_child_holds_open_is_its_familys(tmp_path: Path) -> None:
    held = tmp_path / "device0"
    held.write_bytes(b"")
    grandchild = f"f = open({str(held)!r}); print(flush=True); input()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    argv = [sys.executable, "-c", child]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holds_open(process.pid, str(tmp_path / "device"))
        assert not holds_open(process.pid, str(tmp_path / "other"))
        process.communicate(b"\n")
    assert not holds_open(process.pid, str(tmp_path / "device"))


def test_the_counters_of_a_server_are_read_by_the_same_trust_as_its_answers(
    certificate: Path, tmp_path: Path
) -> None:
    line = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}
    usage = {"prompt_tokens": 32, "completion_tokens": 1, "total_tokens": 33}
    told = f"data: {json.dumps({**line, 'usage': usage})}\n\ndata: [DONE]\n\n".encode()
    routes = {
        "/v1/models": ONE_MODEL,
        "/metrics": Reply(b"busy 1\n", headers={"Content-Type": "text/plain"}),
        "/v1/chat/completions": Reply(told, headers={"Content-Type": "text/event-stream"}),
    }
    with serving(routes, tls=certificate) as foreign:
        endpoint = Endpoint.read(foreign.url(scheme="https", host="localhost"))
        engine = attached.attach(endpoint, trust=Trust(certificate))
        spec = RunSpec(engine.subject, Controls(warmup=0), workloads=(LOAD,))
        place = Place((), {}, tmp_path / "run", endpoint.host, endpoint.port)
        runner = executor(Watch(server=True))
        with runner.visit(spec, engine, place) as session:
            session.measure(LOAD)
    assert session.found.outcome == "completed", session.found.reason
    assert isinstance(session.found.server, Measured), session.found.server


def test_controls_that_a_living_engine_does_not_tell_are_missing_and_no_failure(
    tiny_model: Path, tmp_path: Path
) -> None:
    sound = hosted(tiny_model, tmp_path / "a", Plan(ttft_s=0.002, gap_s=0.001), LOAD)
    assert sound.outcome == "completed"
    asked = len(spool.read(tmp_path / "a" / "run" / "spool.bin"))
    fault = Fault("http_error", requests=tuple(range(asked, asked + 9)))
    plan = Plan(ttft_s=0.002, gap_s=0.001, faults=(fault,))
    record = hosted(tiny_model, tmp_path / "b", plan, LOAD)
    assert record.outcome == "completed", record.reason
    assert len(record.sections[0].attempts) == 8
    unknown = {c.name: c.applied for c in record.controls if c.name != "warmup"}
    assert set(unknown) >= {"seed", "threads", "affinity", "prefix_cache"}
    for applied in unknown.values():
        assert isinstance(applied, Missing)
        assert applied.code == "not_readable"
        assert "500" in applied.detail


def test_two_processes_of_the_client_share_a_load(server: Server, tmp_path: Path) -> None:
    record = visit(server, tmp_path / "run", Watch(processes=2))
    assert [attempt.sample for attempt in record.sections[0].attempts] == [str(n) for n in range(8)]
    counts = [len(spool.read(path)) for path in sorted((tmp_path / "run").glob("spool*.bin"))]
    assert len(counts) == 2
    assert sum(counts) == 4 + 1 + 8  # what was learned, warmed up and measured
    assert min(counts) > 0


def test_an_engine_of_ours_gives_the_same_record_shape_as_a_visit(
    tiny_model: Path, server: Server, tmp_path: Path
) -> None:
    ours = hosted(tiny_model, tmp_path, Plan(ttft_s=0.002, gap_s=0.001), LOAD)
    theirs = visit(server, tmp_path / "theirs")
    assert ours.outcome == theirs.outcome == "completed"
    assert ours.simulated
    assert isinstance(ours.load_s, Measured)
    for one, other in zip(ours.sections, theirs.sections, strict=True):
        assert (one.name, one.kind, one.planned) == (other.name, other.kind, other.planned)
        assert [a.sample for a in one.attempts] == [a.sample for a in other.attempts]


def test_an_engine_that_dies_is_started_again_and_the_record_says_where(
    tiny_model: Path, tmp_path: Path
) -> None:
    plan = Plan(ttft_s=0.002, gap_s=0.001, faults=(Fault("die", requests=(14,)),))
    second = replace(LOAD, streams=1, load=Closed(1))
    record = hosted(tiny_model, tmp_path, plan, LOAD, second)
    assert record.outcome == "completed"
    assert [section.name for section in record.sections] == [LOAD.name, second.name]
    assert [len(section.attempts) for section in record.sections] == [8, 8]
    assert read_record(tmp_path / "run").deaths == record.deaths == (second.name,)


def test_a_program_that_is_not_there_is_a_row_and_not_a_hole(
    tiny_model: Path, tmp_path: Path
) -> None:
    variant = subjects.verified("Q8_0", tiny_model, lambda _: None)
    spec = RunSpec(Subject(variant.artifact, "scripted", "scripted"), Controls(), (LOAD,))
    place = Place(("/no/such/program",), {variant.artifact.sha256: tiny_model}, tmp_path / "run")
    record = executor().run(spec, variant, place)
    assert record.outcome == "failed"
    assert "program" in record.reason
    assert record.sections == ()


def test_measuring_without_an_engine_says_why_there_is_none(
    tiny_model: Path, tmp_path: Path
) -> None:
    variant = subjects.verified("Q8_0", tiny_model, lambda _: None)
    spec = RunSpec(Subject(variant.artifact, "scripted", "scripted"), Controls(), (LOAD,))
    place = Place(("/no/such/program",), {variant.artifact.sha256: tiny_model}, tmp_path / "run")
    with executor().session(spec, variant, place) as session:
        reason = session.found.reason
        with pytest.raises(EngineError, match=reason[:20]):
            session.measure(LOAD)
    assert reason


def test_an_interrupt_passes_through_and_the_engine_ends(tiny_model: Path, tmp_path: Path) -> None:
    script = scripts.write(Plan(), tmp_path / "plan.json")
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(script))
    found = artifacts.fingerprint(tiny_model)
    variant = subjects.verified("Q8_0", tiny_model, lambda _: None)
    spec = RunSpec(Subject(found, "scripted", "scripted"), Controls(), (LOAD,))
    place = Place(program, {found.sha256: tiny_model}, tmp_path / "run")
    pids = []

    def interrupted() -> None:
        with executor().session(spec, variant, place) as session:
            assert session.bench is not None
            pids.append(session.bench.engine.pid)  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
