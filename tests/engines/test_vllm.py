"""vLLM's dialect, over its transcripts: events that carry several tokens, usage and its clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Evidence, Met, Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.url import Endpoint
from steelyard.engines.vllm import Vllm

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="vllm")


def one(file: str, folder: Path) -> Attempt:
    with replaying("vllm", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def counts(attempt: Attempt) -> tuple[int, int]:
    assert isinstance(attempt.usage, Measured)
    return attempt.usage.value.prompt_tokens, attempt.usage.value.output_tokens


def test_a_first_chunk_with_a_role_alone_is_no_token(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert [a.kind for a in attempt.arrivals][:2] == ["role", "content"]
    assert timing.token_arrivals(attempt)[0].kind == "content"


def test_usage_comes_only_to_those_who_ask(tmp_path: Path) -> None:
    with replaying("vllm") as server:
        engine = at(server.url)
        assert engine.dialect.encode(ASK).json["stream_options"] == {"include_usage": True}
    silent = one("chat-no-usage.http", tmp_path)
    assert silent.outcome == Completed()
    assert isinstance(silent.usage, Missing)
    assert isinstance(timing.output_tps(silent), Missing)


def test_of_usage_in_every_chunk_the_last_counts(tmp_path: Path) -> None:
    attempt = one("chat-continuous-usage.http", tmp_path)
    assert counts(attempt) == (12, 4)
    assert attempt.text == "So then."
    assert attempt.outcome == Completed()


def test_events_are_not_counted_as_tokens(tmp_path: Path) -> None:
    attempt = one("chat-several-tokens.http", tmp_path)
    assert counts(attempt) == (12, 8)
    assert [a.kind for a in attempt.arrivals].count("content") == 3


@pytest.mark.parametrize(
    "file",
    ["chat-reasoning.http", "chat-reasoning-content.http", "chat-think-in-content.http"],
)
def test_thinking_is_told_from_the_answer_wherever_it_comes(file: str, tmp_path: Path) -> None:
    attempt = one(file, tmp_path)
    assert (attempt.reasoning, attempt.text) == ("Two and two.", "Four.")
    assert [a.kind for a in attempt.arrivals if a.kind == "reasoning"]


def test_a_tool_call_that_is_only_text_is_text(tmp_path: Path) -> None:
    attempt = one("chat-tool-as-text.http", tmp_path)
    assert "tool_call" not in {a.kind for a in attempt.arrivals}
    assert attempt.text.startswith("<tool_call>")


@pytest.mark.parametrize("file", ["chat-error-midway.http", "chat-ok-with-error.http"])
def test_an_error_within_a_good_response_is_an_error(file: str, tmp_path: Path) -> None:
    outcome = one(file, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "error_in_stream"


def test_its_clock_begins_after_the_queue(tmp_path: Path) -> None:
    attempt = one("chat-metrics.http", tmp_path)
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert clock.prefill_s == Measured(0.0625, "engine")
    assert clock.decode_s == Measured(0.48, "engine")
    assert clock.output_tokens == Measured(6, "engine")
    assert isinstance(one("chat-stream.http", tmp_path).timings, Missing)


def test_two_prompts_never_share_a_cache_unless_that_is_declared() -> None:
    dialect = Vllm(Served("m"))
    other = replace(ASK, messages=(Message("user", "two and three"),))
    first, second = (dialect.encode(request).json["cache_salt"] for request in (ASK, other))
    assert first != second
    assert dialect.encode(ASK).json["cache_salt"] == first  # the same again on any machine
    assert "cache_salt" not in dialect.encode(replace(ASK, reuse_prefix=True)).json


def test_a_server_without_a_tokenise_route_takes_no_tokens() -> None:
    with replaying("vllm", Manner(other={"POST /tokenize": "absent.http"})) as server:
        engine = at(server.url)
    assert not engine.dialect.capabilities.token_prompts


def test_the_file_is_told_by_its_name_alone() -> None:
    listing = {"data": [{"id": "m", "root": "/home/somebody/models/m", "max_model_len": 512}]}
    evidence = Evidence((listing, None), (), "", Missing("elsewhere"))
    dialect = Vllm(Served("m"))
    controls = dialect.controls_readback(Subject(Artifact("m", "", "")), Controls(), evidence)
    found = {control.name: control.applied for control in controls}
    assert found["model_file"] == Measured("m", "derived")
    assert found["context_tokens"] == Measured("512", "derived")
    with replaying("vllm") as server:
        hosted = {c.name: c.applied for c in at(server.url).controls(Controls())}
    assert hosted["model_file"] == Measured("Qwen/Qwen3-0.6B", "derived")


def test_it_is_known_by_the_owner_of_its_models_alone() -> None:
    assert Vllm().recognises(Met({"data": [{"id": "m", "owned_by": "vllm"}]}))
    assert not Vllm().recognises(Met({"data": [{"id": "m"}]}, own={"version": "0.33.0"}))


def test_cached_tokens_are_told_where_the_server_is_set_to_tell() -> None:
    chunk = '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,'
    chunk += '"prompt_tokens_details":{"cached_tokens":4}}}'
    (usage,) = Vllm().decode(chunk)
    assert isinstance(usage, Usage)
    assert usage.cached_tokens == Measured(4, "engine")


def test_candidates_are_asked_for_by_number() -> None:
    told = Vllm(Served("m", tokenises=True)).encode(
        GenerationRequest(prompt_tokens=(1, 2), max_tokens=1, top_logprobs=4, stream=False)
    )
    assert (told.json["logprobs"], told.json["return_tokens_as_token_ids"]) == (4, True)
    assert "return_tokens_as_token_ids" not in Vllm(Served("m")).encode(ASK).json
