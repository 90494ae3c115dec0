"""What every engine must keep, with the real host, client and transcript in between."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import attempts
from tests.engines.places import WHEEL
from tests.platform.test_process import eventually_gone

from steelyard.analysis.validity import LEFT_OPEN
from steelyard.domain.errors import EngineError, WrongModel
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, Place
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import host, identity
from steelyard.engines.api import dialect
from steelyard.models import artifacts

PROGRAMS = {
    "llamacpp": WHEEL,
    "scripted": (sys.executable, "-m", "steelyard.scripted"),
}
CONTROLS = Controls(seed=7, threads=1, affinity=(0,))
HELLO = GenerationRequest((Message("user", "hello there"),), max_tokens=12, exact_tokens=True)


def subject_of(engine: str, model: Path) -> Subject:
    artifact = Artifact(model.name, "gguf", "ab" * 32, model.stat().st_size)
    return Subject(artifact, engine, profile=EngineProfile(context_tokens=256, slots=2))


def place_of(engine: str, model: Path, folder: Path) -> Place:
    return Place(program=PROGRAMS[engine], paths={"ab" * 32: model}, folder=folder)


def start(engine: str, model: Path, folder: Path) -> host.RunningEngine:
    place = place_of(engine, model, folder)
    return host.start(dialect(engine), subject_of(engine, model), CONTROLS, place)


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def engine(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[host.RunningEngine]:
    with start(request.param, tiny_model, tmp_path_factory.mktemp(request.param)) as running:
        yield running
    assert eventually_gone([running.pid])


def usage(attempt: Attempt) -> Usage:
    assert isinstance(attempt.usage, Measured)
    return attempt.usage.value


def test_it_runs_to_the_number_of_tokens_asked_for(
    engine: host.RunningEngine, tmp_path: Path
) -> None:
    (attempt,) = attempts(engine, [HELLO], tmp_path)
    assert attempt.outcome == Completed()
    assert attempt.finish_reason == "length"
    assert usage(attempt).output_tokens == 12
    assert attempt.text
    assert isinstance(attempt.timings, Measured)


def test_arrivals_come_in_order_and_after_the_sending(
    engine: host.RunningEngine, tmp_path: Path
) -> None:
    (attempt,) = attempts(engine, [HELLO], tmp_path)
    stamps = [arrival.at_ns for arrival in attempt.arrivals]
    ends = [arrival.text_end for arrival in attempt.arrivals]
    kinds = [arrival.kind for arrival in attempt.arrivals]
    assert stamps == sorted(stamps)
    assert ends == sorted(ends)
    assert ends[-1] == len(attempt.text)
    assert attempt.intended_ns <= attempt.sent_ns < stamps[0] <= stamps[-1] <= attempt.done_ns
    assert kinds[0] == "role"
    assert kinds[-3:] == ["finish", "usage", "timings"]


def test_a_prompt_of_tokens_is_taken_as_it_is(engine: host.RunningEngine, tmp_path: Path) -> None:
    request = GenerationRequest(prompt_tokens=tuple(range(5, 45)), max_tokens=3, exact_tokens=True)
    (attempt,) = attempts(engine, [request], tmp_path)
    assert attempt.outcome == Completed()
    assert (usage(attempt).prompt_tokens, usage(attempt).output_tokens) == (40, 3)


def test_an_unstreamed_answer_says_the_same(engine: host.RunningEngine, tmp_path: Path) -> None:
    streamed, whole = attempts(engine, [HELLO, replace(HELLO, stream=False)], tmp_path)
    assert whole.outcome == Completed()
    assert (whole.text, usage(whole)) == (streamed.text, usage(streamed))


def test_nothing_is_taken_from_an_earlier_prompt(
    engine: host.RunningEngine, tmp_path: Path
) -> None:
    for attempt in attempts(engine, [HELLO] * 3, tmp_path):
        assert usage(attempt).cached_tokens == Measured(0, source="engine")


def test_greedy_answers_are_the_same_every_time(engine: host.RunningEngine, tmp_path: Path) -> None:
    first, second = attempts(engine, [HELLO, HELLO], tmp_path)
    assert first.text == second.text


def test_several_streams_are_all_answered_whole(engine: host.RunningEngine, tmp_path: Path) -> None:
    found = attempts(engine, [HELLO] * 6, tmp_path, streams=3)
    assert [attempt.outcome for attempt in found] == [Completed()] * 6


def test_a_prompt_that_does_not_fit_is_a_context_overflow(
    engine: host.RunningEngine, tmp_path: Path
) -> None:
    (attempt,) = attempts(engine, [GenerationRequest(prompt_tokens=(5,) * 400)], tmp_path)
    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.why == "context_overflow"
    assert "400 tokens" in attempt.outcome.detail


def test_it_serves_what_was_asked_for(
    engine: host.RunningEngine, tiny_model: Path, tmp_path: Path
) -> None:
    facts = artifacts.inspect(tiny_model)
    claim = engine.identity()
    proofs = identity.verify(claim, subject_of("any", tiny_model), facts, tiny_model)
    assert [proof.name for proof in proofs if not proof.passed] == []
    (attempt,) = attempts(engine, [HELLO], tmp_path)
    assert identity.verify_answers(claim, [attempt.model]).passed


def test_another_model_is_refused_naming_both(
    engine: host.RunningEngine, tiny_model: Path, tmp_path: Path
) -> None:
    claim = engine.identity()
    facts = artifacts.inspect(tiny_model)
    subject = subject_of("any", tiny_model)
    bigger = replace(facts, tensor_bytes=facts.tensor_bytes + 1)
    with pytest.raises(WrongModel, match=f"tensor bytes should be {bigger.tensor_bytes} and is"):
        identity.verify(claim, subject, bigger, tiny_model)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    with pytest.raises(WrongModel, match=r"other\.gguf and is .*tiny-f16\.gguf"):
        identity.verify(claim, subject, facts, other)
    with pytest.raises(WrongModel, match="'stranger' answered"):
        identity.verify_answers(claim, ["stranger", None])


def test_tokens_are_counted_by_the_served_model(engine: host.RunningEngine) -> None:
    tokens = engine.tokenise("hello there, 42 apples")
    assert len(tokens) > 4
    assert tokens == engine.tokenise("hello there, 42 apples")
    assert engine.tokenise("") == ()


def test_every_control_is_read_back(engine: host.RunningEngine) -> None:
    for control in engine.controls(CONTROLS):
        assert isinstance(control.applied, Measured), control.name
        if control.asked not in LEFT_OPEN:
            assert control.applied.value == control.asked, control.name


def test_an_engine_that_dies_under_an_answer_is_a_failure_of_that_answer(
    engine: host.RunningEngine, tiny_model: Path, tmp_path: Path
) -> None:
    long = replace(HELLO, max_tokens=200)
    with start(engine.dialect.name, tiny_model, tmp_path) as victim:

        def kill() -> None:
            time.sleep(0.4)
            os.kill(victim.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = attempts(victim, [long] * 200, tmp_path)
        killer.join()
        assert not victim.alive()
    codes = {a.outcome.why for a in found if isinstance(a.outcome, Failed)}
    assert codes <= {"disconnected", "connection_refused"}
    assert "connection_refused" in codes


def test_a_file_that_is_no_model_does_not_start(engine: host.RunningEngine, tmp_path: Path) -> None:
    if engine.dialect.capabilities.simulated:
        pytest.skip("a simulation loads nothing")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(EngineError, match="while loading"):
        start(engine.dialect.name, broken, tmp_path)
