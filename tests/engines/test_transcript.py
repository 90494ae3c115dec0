"""From stamped bytes to an attempt: every way in which an answer can be less than whole."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Arrival, Attempt, Completed, Exchange, Failed, Usage
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp

ROLE = {"choices": [{"delta": {"role": "assistant", "content": None}}], "model": "tiny.gguf"}
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 18, "completion_tokens": 4}}
OVERFLOW = {
    "error": {
        "code": 400,
        "message": "request (4514 tokens) exceeds the available context size (512 tokens)",
        "type": "exceed_context_size_error",
    }
}


def said(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}}]}


def thought(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"reasoning_content": text}}]}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def exchange(*reads: bytes, failure: str | None = None, status: int = 200) -> Exchange:
    """Each argument is one read, 10 ns after the one before."""
    body = b"".join(reads)
    ends = tuple(len(b"".join(reads[: n + 1])) for n in range(len(reads)))
    stamps = tuple(100 + 10 * n for n in range(len(reads)))
    return Exchange("r", 50, 60, 900, status, stamps, ends, body, failure)


def read(*reads: bytes, failure: str | None = None, status: int = 200) -> Attempt:
    whole = exchange(*reads, failure=failure, status=status)
    return transcript.read(whole, LlamaCpp(), sample="s")


def streamed(*values: object, failure: str | None = None) -> Attempt:
    return read(*(event(value) for value in values), failure=failure)


DONE = b"data: [DONE]\n\n"


def test_a_whole_answer_is_told_whole() -> None:
    attempt = read(*(event(v) for v in (ROLE, said("4"), said("2"), STOP, USAGE)), DONE)
    assert (attempt.text, attempt.finish_reason, attempt.model) == ("42", "stop", "tiny.gguf")
    assert attempt.outcome == Completed()
    assert attempt.usage == Measured(Usage(18, 4), source="engine")
    assert attempt.arrivals == (
        Arrival(100, "role", 0),
        Arrival(110, "content", 1),
        Arrival(120, "content", 2),
        Arrival(130, "finish", 2),
        Arrival(140, "usage", 2),
    )
    assert (attempt.intended_ns, attempt.sent_ns, attempt.done_ns) == (50, 60, 900)


def test_events_of_one_read_share_its_arrival() -> None:
    attempt = read(event(ROLE) + event(said("a")) + event(said("b")), event(STOP))
    assert [arrival.at_ns for arrival in attempt.arrivals] == [100, 100, 100, 110]


def test_an_event_arrives_with_the_read_that_completes_it() -> None:
    whole = event(said("ä€"))
    attempt = read(whole[:-30], whole[-30:-1], whole[-1:], event(STOP))
    assert attempt.text == "ä€"
    assert attempt.arrivals[0] == Arrival(120, "content", 2)


def test_thinking_in_its_own_field_is_not_answer() -> None:
    attempt = streamed(ROLE, thought("let me"), thought(" see"), said("42"), STOP)
    assert (attempt.text, attempt.reasoning) == ("42", "let me see")
    assert [arrival.kind for arrival in attempt.arrivals] == [
        *("role", "reasoning", "reasoning", "content", "finish")
    ]


@pytest.mark.parametrize(
    ("pieces", "answer", "reasoning", "kinds"),
    [
        (["<think>", "hm", "</think>", "\n\n", "42"], "42", "hm", "rrrrc"),
        (["<thi", "nk>h", "m</th", "ink>4", "2"], "42", "hm", "rrrcc"),
        (["\n<think>hm</think>42"], "42", "hm", "c"),
        (["hm", " hm</think>\n", "42"], "42", "hm hm", "rrc"),
        (["<think>never", " closed"], "", "never closed", "rr"),
        (["no ", "tags < here"], "no tags < here", "", "cc"),
    ],
)
def test_thinking_within_the_content_is_told_apart(
    pieces: list[str], answer: str, reasoning: str, kinds: str
) -> None:
    attempt = streamed(*(said(piece) for piece in pieces), STOP)
    assert (attempt.text, attempt.reasoning) == (answer, reasoning)
    assert "".join(arrival.kind[0] for arrival in attempt.arrivals[:-1]) == kinds


def test_tool_calls_arrive_and_are_no_text() -> None:
    call = {"index": 0, "function": {"name": "add", "arguments": "{}"}}
    ended = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
    attempt = streamed(ROLE, {"choices": [{"delta": {"tool_calls": [call]}}]}, ended)
    assert attempt.text == ""
    assert attempt.arrivals[1] == Arrival(110, "tool_call", 5)
    assert attempt.outcome == Completed()


def test_missing_counts_and_clocks_are_reasons_not_zeros() -> None:
    attempt = streamed(ROLE, said("42"), STOP)
    assert isinstance(attempt.usage, Missing)
    assert isinstance(attempt.timings, Missing)
    assert attempt.outcome == Completed()


@pytest.mark.parametrize(
    ("values", "failure", "why"),
    [
        ([ROLE, said("4")], None, "truncated_stream"),
        ([ROLE, said("4")], "disconnected", "disconnected"),
        ([ROLE, said("4")], "stalled", "stalled"),
        ([ROLE, STOP], None, "zero_tokens"),
        ([ROLE, said("4"), {"error": {"message": "CUDA error"}}], None, "error_in_stream"),
        ([ROLE, {"error": {"message": "x"}}], "disconnected", "error_in_stream"),
        ([ROLE, OVERFLOW], None, "context_overflow"),
        ([], "connection_refused", "connection_refused"),
    ],
)
def test_what_is_not_whole_is_a_failure_with_its_code(
    values: list[object], failure: str | None, why: str
) -> None:
    outcome = streamed(*values, failure=failure).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == why


def test_an_end_at_once_by_the_models_own_will_is_an_answer() -> None:
    assert streamed(ROLE, STOP, USAGE).outcome == Completed()


def test_an_event_of_the_type_error_is_one() -> None:
    outcome = read(event(ROLE), b'error: {"code":500,"message":"slot unavailable"}\n\n').outcome
    assert outcome == Failed("error_in_stream", "slot unavailable")


def test_what_came_before_an_error_is_kept() -> None:
    attempt = streamed(ROLE, said("half"), {"error": {"message": "boom"}}, said("never"))
    assert attempt.text == "half"
    assert attempt.arrivals[-1].kind == "error"


def test_no_json_in_the_stream_is_malformed() -> None:
    outcome = read(event(ROLE), b'data: {"choices": [\n\n').outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "malformed_stream"


@pytest.mark.parametrize(
    ("status", "body", "why", "words"),
    [
        (400, json.dumps(OVERFLOW), "context_overflow", "4514 tokens"),
        (503, '{"error":{"message":"Loading model"}}', "loading", "Loading model"),
        (503, "", "overloaded", "HTTP 503"),
        (404, "<html>nothing here</html>", "http_404", "nothing here"),
        (500, '{"error":{"message":"broken"}}', "http_500", "broken"),
    ],
)
def test_an_http_error_is_named_by_what_it_says(
    status: int, body: str, why: str, words: str
) -> None:
    outcome = read(body.encode(), status=status).outcome if body else read(status=status).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == why
    assert words in outcome.detail


def test_an_answer_that_was_not_streamed_is_read_too() -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
        "usage": USAGE["usage"],
    }
    attempt = read(b" ", json.dumps(whole).encode())
    assert (attempt.text, attempt.outcome) == ("42", Completed())


VALUES = [ROLE, said("a€"), thought("β"), said("c"), STOP, USAGE]
BODY = b"".join(map(event, VALUES)) + DONE


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=40))
def test_however_the_bytes_are_cut_the_story_is_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(BODY)]
    pieces = [BODY[a:b] for a, b in pairwise(edges)]
    attempt = read(*pieces)
    plain = streamed(*VALUES)
    assert (attempt.text, attempt.reasoning, attempt.usage) == ("a€c", "β", plain.usage)
    assert [(a.kind, a.text_end) for a in attempt.arrivals] == [
        (a.kind, a.text_end) for a in plain.arrivals
    ]
    stamps = [arrival.at_ns for arrival in attempt.arrivals]
    assert stamps == sorted(stamps)


@given(st.binary(max_size=300))
def test_noise_is_a_failure_and_never_a_crash(body: bytes) -> None:
    whole = replace(exchange(), body=body, arrivals_ns=(7,), ends=(len(body),))
    transcript.read(whole, LlamaCpp(), sample="s")
