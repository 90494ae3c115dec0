"""Ollama's dialect, over its transcripts: its clock, its context, and what it does in silence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.errors import DialectError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Content, Exchange, Failed
from steelyard.domain.task import Call, Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines import transcript
from steelyard.engines.api import Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.ollama import Ollama
from steelyard.engines.url import Endpoint

CHAT = "POST /api/chat"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)
LONG = GenerationRequest((Message("user", "word " * 3000),), max_tokens=6)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="ollama", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path, request: GenerationRequest = ASK) -> Attempt:
    with replaying("ollama", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [request], folder)
    return attempt


def test_the_length_of_the_context_is_really_asked_for() -> None:
    with replaying("ollama", Manner(other={"GET /api/ps": "ps-empty.http"})) as server:
        engine = at(server.url, context_tokens=8192)
    body = engine.dialect.encode(ASK).json
    assert body["options"] == {"num_ctx": 8192, "num_predict": 6, "seed": 3, "temperature": 0.0}
    assert (body["truncate"], body["shift"]) == (False, False)
    assert engine.dialect.encode(ASK).path == "/api/chat"  # /v1 has no such field


def test_a_schema_goes_where_the_native_route_takes_it() -> None:
    body = Ollama().encode(replace(ASK, schema='{"type": "object"}')).json
    assert body["format"] == {"type": "object"}
    assert "format" not in Ollama().encode(ASK).json


@pytest.mark.parametrize(
    ("loaded", "needed", "asked"),
    [("ps.http", 1024, 4096), ("ps.http", 9000, 9000), ("ps-empty.http", 1024, 1024)],
)
def test_a_loaded_context_that_is_enough_is_kept(loaded: str, needed: int, asked: int) -> None:
    with replaying("ollama", Manner(other={"GET /api/ps": loaded})) as server:
        engine = at(server.url, context_tokens=needed)
    assert isinstance(engine.dialect, Ollama)
    assert engine.dialect.context_tokens == asked


def test_no_more_is_asked_for_than_the_model_was_trained_for() -> None:
    with replaying("ollama") as server:
        engine = at(server.url, context_tokens=1_000_000)
    assert isinstance(engine.dialect, Ollama)
    assert engine.dialect.context_tokens == 131_072


def test_another_context_than_was_asked_for_shows_in_the_controls() -> None:
    with replaying("ollama") as server:
        engine = at(server.url, context_tokens=9000)
        found = {c.name: c for c in engine.controls(Controls())}
    assert (found["context_tokens"].asked, found["context_tokens"].applied) == (
        "9000",
        Measured("4096", "derived"),
    )
    assert found["quant"].applied == Measured("Q4_K_M", "engine")
    assert isinstance(found["model_digest"].applied, Measured)


def test_a_prompt_too_long_is_refused_by_a_server_that_can(tmp_path: Path) -> None:
    with replaying("ollama", Manner(other={"GET /api/ps": "ps-empty.http"})) as server:
        (attempt,) = answers(at(server.url, context_tokens=2048), [LONG], tmp_path)
    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.why == "context_overflow"


def test_a_prompt_that_an_older_server_cuts_in_silence_is_no_answer(tmp_path: Path) -> None:
    with replaying(
        "ollama", Manner({"GET /api/ps": "ps-empty.http"}, cuts=True)
    ) as server:  # it keeps half of its context and counts what is left
        engine = at(server.url, context_tokens=2048)
        (known,) = answers(engine, [LONG], tmp_path)
    assert isinstance(known.usage, Measured)
    assert known.usage.value.prompt_tokens == 1026
    assert known.outcome == Completed()  # nobody has said how long the prompt was
    judged = transcript.read(exchange(known), engine.dialect, sample="0", prompt_tokens_wanted=3007)
    assert judged.outcome == Failed(
        "prompt_cut", "of about 3007 prompt tokens the server counted 1026"
    )


def test_a_length_met_by_words_may_be_off_by_a_little(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    dialect = Ollama(Served("llama3.2:latest"))
    for wanted in (10, 20, 48):
        judged = transcript.read(
            exchange(attempt), dialect, sample="0", prompt_tokens_wanted=wanted
        )
        assert judged.outcome == Completed(), wanted


def exchange(attempt: Attempt) -> Exchange:
    """Put an attempt's counts on the wire again."""
    assert isinstance(attempt.usage, Measured)
    last = {
        "model": "llama3.2:latest",
        "message": {"role": "assistant", "content": "so"},
        "done": True,
        "done_reason": "length",
        "prompt_eval_count": attempt.usage.value.prompt_tokens,
        "eval_count": attempt.usage.value.output_tokens,
    }
    body = json.dumps(last).encode()
    return Exchange("0", 1, 1, 9, 200, (5,), (len(body),), body)


def test_a_count_that_fills_the_whole_context_is_not_believed() -> None:
    dialect = Ollama(Served("m", context_tokens=64))
    last = {"message": {}, "done": True, "done_reason": "stop", "prompt_eval_count": 64}
    body = json.dumps({**last, "eval_count": 3}).encode()
    told = transcript.read(
        Exchange("0", 1, 1, 9, 200, (5,), (len(body),), body), dialect, sample="0"
    )
    assert isinstance(told.outcome, Failed)
    assert told.outcome.why == "prompt_cut"
    assert "64 tokens were counted in a context of 64" in told.outcome.detail


def test_nanoseconds_are_read_as_seconds(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert isinstance(clock.prefill_s, Measured)
    assert isinstance(clock.decode_s, Measured)
    assert clock.prefill_s.value == pytest.approx(0.342546)
    assert clock.decode_s.value == pytest.approx(4.535599)
    assert (clock.prompt_tokens, clock.output_tokens) == (
        Measured(10, "engine"),
        Measured(6, "engine"),
    )
    assert isinstance(clock.cached_tokens, Missing)
    assert clock.load_ns == Measured(1_334_875, "engine")


def test_each_line_has_the_arrival_of_its_own_end() -> None:
    first = b'{"message":{"role":"assistant","content":"a"},"done":false}\n'
    body = (
        first + first.replace(b'"a"', b'"b"') + b'{"message":{},"done":true,"done_reason":"stop"}'
    )
    ends = (len(first) - 1, len(first), len(first) + 9, 2 * len(first), len(body))
    told = Exchange("0", 1, 1, 90, 200, (10, 20, 30, 40, 50), ends, body, stamps="kernel")
    attempt = transcript.read(told, Ollama(Served("m")), sample="0")
    stamps = [(a.at_ns, a.kind) for a in attempt.arrivals]
    assert stamps == [(20, "content"), (40, "content"), (50, "finish"), (50, "timings")]
    assert attempt.text == "ab"


def test_half_a_line_of_a_broken_answer_is_not_read() -> None:
    body = b'{"message":{"role":"assistant","content":"a"},"done":false}\n{"message":{"ro'
    told = Exchange("0", 1, 1, 90, 200, (10,), (len(body),), body, failure="disconnected")
    attempt = transcript.read(told, Ollama(Served("m")), sample="0")
    assert (attempt.text, attempt.outcome) == (
        "a",
        Failed("disconnected", f"after {len(body)} bytes of the answer"),
    )


def test_thinking_comes_apart_from_the_answer(tmp_path: Path) -> None:
    attempt = one("chat-thinking.http", tmp_path)
    assert (attempt.reasoning, attempt.text) == ("Two and two.", "Four.")
    kinds = [a.kind for a in attempt.arrivals]
    assert kinds[:4] == ["reasoning", "reasoning", "content", "content"]


def test_a_tool_call_is_told_from_one_that_is_only_text(tmp_path: Path) -> None:
    called, said = one("chat-tool.http", tmp_path), one("chat-tool-as-text.http", tmp_path)
    assert [a.kind for a in called.arrivals][:1] == ["tool_call"]
    assert called.outcome == Completed()
    assert "tool_call" not in {a.kind for a in said.arrivals}
    assert said.text.startswith('{"name": "get_weather"')


def test_a_call_and_its_result_go_back_as_ollama_has_them() -> None:
    call = Call("get_weather", '{"town": "Oslo"}', "c1")
    turns = (
        Message("user", "Weather?"),
        Message("assistant", "", calls=(call, Call("get_time", "no JSON", "c2"))),
        Message("tool", "rain", answers="c1"),
        Message("tool", "noon", answers="c2"),
    )
    sent = Ollama(Served("m")).encode(GenerationRequest(turns)).json["messages"]
    assert isinstance(sent, list)
    first, second = (made["function"] for made in sent[1]["tool_calls"])
    assert first == {"index": 0, "name": "get_weather", "arguments": {"town": "Oslo"}}
    assert second == {"index": 1, "name": "get_time", "arguments": {}}
    assert [turn.get("tool_name") for turn in sent] == [None, None, "get_weather", "get_time"]
    assert sent[2]["tool_call_id"] == "c1"


def test_calls_in_several_lines_are_several_calls() -> None:
    def line(**call: object) -> bytes:
        return json.dumps({"message": {"tool_calls": [call]}, "done": False}).encode() + b"\n"

    body = (
        line(id="a", function={"index": 0, "name": "add", "arguments": {"x": 1}})
        + line(id="b", function={"index": 1, "name": "add", "arguments": {"x": 2}})
        + line(function={"name": "sub", "arguments": {}})
        + b'{"message":{},"done":true,"done_reason":"stop"}'
    )
    told = Exchange("0", 1, 1, 90, 200, (10,), (len(body),), body)
    found = transcript.read(told, Ollama(Served("m")), sample="0").calls
    assert {(call.name, call.arguments) for call in found} == {
        ("add", '{"x": 1}'),
        ("add", '{"x": 2}'),
        ("sub", "{}"),
    }


def test_a_model_without_a_place_for_tools_is_known_before_it_is_asked() -> None:
    def able(*what: str) -> bool:
        answers: tuple[object, ...] = ({}, {}, {}, {"capabilities": list(what)})
        return Ollama(Served("m", answers=answers)).capabilities.tool_calls

    assert able("completion", "tools")
    assert not able("completion")
    assert Ollama().capabilities.tool_calls


def test_a_prompt_that_came_whole_from_the_cache_has_no_count(tmp_path: Path) -> None:
    attempt = one("chat-cached.http", tmp_path)
    assert attempt.outcome == Completed()
    assert isinstance(attempt.usage, Missing)
    assert isinstance(attempt.timings, Measured)
    assert isinstance(attempt.timings.value.prefill_s, Missing)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("chat-error-midway.http", "error_in_stream"),
        ("chat-cut-off.http", "truncated_stream"),
        ("loading.http", "overloaded"),
    ],
)
def test_what_goes_wrong_has_a_code(file: str, code: str, tmp_path: Path) -> None:
    outcome = one(file, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == code


def test_a_model_may_be_named_without_its_tag() -> None:
    with replaying("ollama") as server:
        assert at(server.url, model="llama3.2").model == "llama3.2:latest"


def test_what_has_no_field_is_refused() -> None:
    with pytest.raises(UnsupportedSubject, match="log-probabilities"):
        Ollama(Served("m")).encode(replace(ASK, top_logprobs=2))
    with pytest.raises(DialectError, match="no part of an answer"):
        list(Ollama().decode('{"status": "pulling manifest"}'))
    assert list(Ollama().decode('{"message":{"content":"a"},"done":false}')) == [Content("a")]


def test_the_models_own_sampling_goes_into_the_options() -> None:
    sent = Ollama(Served("m")).encode(replace(ASK, sampling=Sampling(0.7, 20, 0.9, 0.05)))
    options = sent.json["options"]
    assert isinstance(options, dict)
    assert (options["top_k"], options["top_p"], options["min_p"]) == (20, 0.9, 0.05)


def test_unloading_is_said_as_its_documentation_says_it_and_read_back_from_what_is_loaded() -> None:
    dialect = Ollama(Served("llama3.2:latest"))
    call = dialect.unload_call()
    assert (call.method, call.path) == ("POST", "/api/generate")
    assert call.json == {"model": "llama3.2:latest", "keep_alive": 0}
    there = {"models": [{"name": "other:latest"}, {"name": "llama3.2:latest"}]}
    assert dialect.read_loaded(there) == Measured(True, "engine")
    assert dialect.read_loaded({"models": []}) == Measured(False, "engine")
    assert isinstance(dialect.read_loaded({"error": "no such route"}), Missing)
