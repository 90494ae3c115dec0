"""LM Studio's dialect, over its transcripts: its stats, and errors under status 200."""

from __future__ import annotations

from pathlib import Path

from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Met
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.lmstudio import LmStudio
from steelyard.engines.url import Endpoint

CHAT = "POST /api/v0/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="lmstudio", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("lmstudio", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def test_its_own_route_is_used_since_it_tells_times(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert attempt.outcome == Completed()
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert clock.decode_s == Measured(0.954, "engine")
    assert isinstance(clock.prefill_s, Missing)  # its first token holds the queue too
    assert "queue" in clock.prefill_s.detail


def test_an_error_event_under_status_200_is_an_error(tmp_path: Path) -> None:
    outcome = one("context-overflow.http", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "context_overflow"


def test_an_answer_of_nothing_gives_no_speed(tmp_path: Path) -> None:
    attempt = one("chat-empty.http", tmp_path)
    assert attempt.text == ""
    assert isinstance(timing.output_tps(attempt), Missing)
    assert isinstance(timing.ttft_s(attempt), Missing)


def test_the_quant_and_the_loaded_context_are_told() -> None:
    with replaying("lmstudio") as server:
        claim = at(server.url).identity()
        controls = {c.name: c.applied for c in at(server.url).controls(Controls())}
    assert (claim.quant, claim.context_tokens) == (
        Measured("Q4_K_M", "engine"),
        Measured(4096, "engine"),
    )
    assert controls["format"] == Measured("gguf", "engine")
    assert controls["runtime"] == Measured(
        "llama.cpp-mac-arm64-apple-metal-advsimd 1.3.0", "engine"
    )


def test_a_context_is_not_claimed_before_the_model_is_loaded() -> None:
    other = {"GET /api/v0/models": "models-v0-unloaded.http"}
    with replaying("lmstudio", Manner(other=other)) as server:
        context = at(server.url).identity().context_tokens
    assert isinstance(context, Missing)
    assert context.code == "not_loaded"


def test_a_route_that_is_not_there_is_answered_with_200_and_recognises_nobody() -> None:
    assert not LmStudio().recognises(Met(None, own={"error": "Unexpected endpoint or method."}))
    assert LmStudio().recognises(Met({"data": [{"id": "m", "owned_by": "organization_owner"}]}))
