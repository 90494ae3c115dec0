"""LocalAI's dialect, over its transcripts: times for those who ask, back ends of many kinds."""

from __future__ import annotations

from pathlib import Path

from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.localai import LocalAi
from steelyard.engines.url import Endpoint

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="localai", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("localai", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def test_times_are_asked_for_by_a_header(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert LocalAi().encode(ASK).headers == {"Extra-Usage": "true"}
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert clock.prefill_s == Measured(0.0625, "engine")
    assert clock.decode_s == Measured(0.5127, "engine")


def test_the_header_goes_with_every_measured_request() -> None:
    with replaying("localai") as server:
        engine = at(server.url)
    assert b"Extra-Usage: true" in engine.prepare(engine.dialect.encode(ASK))


def test_of_counts_in_every_chunk_the_last_holds(tmp_path: Path) -> None:
    attempt = one("chat-counts-everywhere.http", tmp_path)
    assert attempt.outcome == Completed()
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.output_tokens == 3
    assert isinstance(attempt.timings, Missing)


def test_the_back_end_is_told_once_it_has_loaded_the_model() -> None:
    with replaying("localai") as server:
        loaded = {c.name: c.applied for c in at(server.url).controls(Controls())}
    assert loaded["backend"] == Measured("llama-cpp", "engine")
    with replaying("localai", Manner(other={"GET /system": "system-unloaded.http"})) as server:
        waiting = {c.name: c.applied for c in at(server.url).controls(Controls())}
    assert isinstance(waiting["backend"], Missing)


def test_a_back_end_that_died_is_an_error_in_the_stream(tmp_path: Path) -> None:
    outcome = one("chat-error-midway.http", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert "rpc error" in outcome.detail
