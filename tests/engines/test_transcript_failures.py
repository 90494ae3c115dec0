"""What is not whole is a failure with a name, and no failure says a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.streams import OVERFLOW, ROLE, STOP, event, exchange, read, said, streamed

from steelyard.domain.stream import Exchange, Failed
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp


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


@pytest.mark.parametrize(
    "data",
    [
        'event: error\ndata: {"message": "boom"}\n\n',
        'event: error\ndata: {"error": {"message": "boom"}}\n\n',
        "event: error\ndata: boom\n\n",
        'data: {"object": "error", "message": "boom", "code": 500}\n\n',
    ],
)
def test_however_an_engine_puts_its_error_the_words_are_kept(data: str) -> None:
    assert read(event(said("x")), data.encode()).outcome == Failed("error_in_stream", "boom")


@pytest.mark.parametrize(
    ("status", "location", "words"),
    [
        (302, "https://user:secret@other.example:8443/v1?key=1", "other.example:8443"),
        (307, "/v2/chat", "/v2/chat"),
        (308, "", "nowhere"),
    ],
)
def test_a_redirect_says_where_it_points(status: int, location: str, words: str) -> None:
    moved = replace(exchange(b"<html>moved</html>", status=status), location=location)
    outcome = transcript.read(moved, LlamaCpp(), sample="s").outcome
    assert outcome == Failed("redirected", f"HTTP {status} to {words}")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (200, "compressed_body"),
        (407, "proxy_wants_login"),
        (502, "bad_gateway"),
        (504, "gateway_timeout"),
    ],
)
def test_a_compressed_answer_is_refused_by_name(status: int, why: str) -> None:
    packed = replace(exchange(b'{"choices": []}', status=status), encoding="gzip")
    outcome = transcript.read(packed, LlamaCpp(), sample="s").outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == why
    assert "compressed" in outcome.detail


KEY = "sk-/very+secret=42"


def hidden(words: str) -> str:
    return words.replace(KEY, "***")


@pytest.mark.parametrize(
    "lead", [0, 45, 85, 95, 105, 115, 480, 495], ids=lambda lead: f"after {lead} letters"
)
@pytest.mark.parametrize(
    "told",
    [
        lambda words: exchange(words.encode(), status=401),
        lambda words: exchange(json.dumps({"error": {"message": words}}).encode(), status=401),
        lambda words: exchange(b"{" + words.encode(), status=500),
        lambda words: exchange(f"<html>{words}".encode()),
        lambda words: exchange(event({"error": {"message": words}})),
        lambda words: exchange(f"data: {words}\n\n".encode()),
        lambda words: exchange(f"event: error\ndata: {words}\n\n".encode()),
        lambda words: replace(exchange(status=302), location=f"/{words}"),
        lambda words: replace(exchange(), encoding=words),
    ],
    ids=["text", "json", "torn", "page", "in stream", "nonsense", "error event", "moved", "packed"],
)
def test_a_key_that_a_server_repeats_is_covered_wherever_words_are_cut(
    told: Callable[[str], Exchange], lead: int
) -> None:
    whole = told("x" * lead + KEY)
    outcome = transcript.read(whole, LlamaCpp(), sample="s", cover=hidden).outcome
    assert isinstance(outcome, Failed)
    pieces = [KEY[at : at + 5] for at in range(len(KEY) - 4)]
    assert [piece for piece in pieces if piece in outcome.detail] == []


def test_what_the_model_said_is_not_covered() -> None:
    whole = exchange(event(said(f"my key is {KEY}")), event(STOP))
    assert transcript.read(whole, LlamaCpp(), sample="s", cover=hidden).text.endswith(KEY)


def test_a_page_in_place_of_a_stream_is_not_taken_for_a_short_answer() -> None:
    outcome = read(b"<html>please sign in</html>").outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "malformed_stream"


@given(st.binary(max_size=300))
def test_noise_is_a_failure_and_never_a_crash(body: bytes) -> None:
    whole = replace(exchange(), body=body, arrivals_ns=(7,), ends=(len(body),))
    transcript.read(whole, LlamaCpp(), sample="s")
