"""From stamped bytes to an attempt: every way in which an answer can be less than whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Arrival, Attempt, Completed, Exchange, Failed, Usage
from steelyard.domain.task import Call
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


def calling(*pieces: tuple[int, str, str, str]) -> Attempt:
    """Read a stream of pieces of calls: number, id, name, arguments."""
    deltas = [
        {"index": n, "id": i, "function": {"name": name, "arguments": arguments}}
        for n, i, name, arguments in pieces
    ]
    return streamed(*({"choices": [{"delta": {"tool_calls": [d]}}]} for d in deltas), STOP)


def test_pieces_of_several_calls_are_put_together_by_their_numbers() -> None:
    attempt = calling(
        (0, "a", "add", ""), (1, "b", "sub", '{"x"'), (0, "", "", '{"x": 1}'), (1, "", "", ": 2}")
    )
    assert attempt.calls == (Call("add", '{"x": 1}', "a"), Call("sub", '{"x": 2}', "b"))


def test_calls_that_a_server_sent_under_one_number_are_told_apart() -> None:
    by_id = calling((0, "a", "add", '{"x": 1}'), (0, "b", "add", '{"x"'), (0, "b", "", ": 2}"))
    assert by_id.calls == (Call("add", '{"x": 1}', "a"), Call("add", '{"x": 2}', "b"))
    whole = calling((0, "", "add", '{"x": 1}'), (0, "", "add", '{"x": 1}'))
    assert whole.calls == (Call("add", '{"x": 1}'), Call("add", '{"x": 1}'))


def test_a_name_that_is_repeated_with_every_piece_is_one_call() -> None:
    attempt = calling((0, "a", "add", '{"x":'), (0, "a", "add", ' {"y": 1}'), (0, "a", "add", "}"))
    assert attempt.calls == (Call("add", '{"x": {"y": 1}}', "a"),)


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
        (["[TH", "INK]h", "m[/TH", "INK]4", "2"], "42", "hm", "rrrcc"),
        (["<think", "ing>hm</", "thinking>\n", "42"], "42", "hm", "rrrc"),
        (["◁think▷hm", "◁/think▷", "42"], "42", "hm", "rrc"),
        (["<seed:think>", "hm</seed:think>", "42"], "42", "hm", "rrc"),
        (["<|START_THINKING|>hm", "<|END_THINKING|>", "42"], "42", "hm", "rrc"),
        (["<reasoning>hm</reasoning>", "42"], "42", "hm", "rc"),
        (["<think>a</think>\n", "<think>b</think>", "42"], "42", "a\nb", "rrc"),
        (
            ["<|channel|>analysis<|message|>hm", "<|channel|>final<|message|>", "42"],
            "42",
            "hm",
            "rrc",
        ),
        (["hm[/THINK]", "42"], "42", "hm", "rc"),
        (["<thinking>never", " closed"], "", "never closed", "rr"),
        (["42 ", "<reasoning>sum</reasoning>"], "42 <reasoning>sum</reasoning>", "", "cc"),
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


def test_a_closing_tag_beside_thinking_in_its_own_field_is_a_word() -> None:
    attempt = streamed(ROLE, thought("hm"), said("say </think>"), said(" so"), STOP)
    assert (attempt.text, attempt.reasoning) == ("say </think> so", "hm")


def test_a_character_cut_in_two_is_made_whole() -> None:
    attempt = streamed(ROLE, said("\ud83d"), said("\ude42"), STOP)
    assert attempt.text == "🙂"
    attempt.text.encode()


def test_another_choice_is_not_the_answer() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}
    attempt = streamed(ROLE, other, said("yes"), STOP, USAGE)
    assert attempt.text == "yes"
    assert attempt.usage == Measured(Usage(18, 4), source="engine")
    assert isinstance(streamed(ROLE, other, said("yes")).outcome, Failed)


def test_of_counts_in_every_event_the_last_one_holds() -> None:
    def counted(text: str, so_far: int) -> dict[str, object]:
        return {**said(text), "usage": {"prompt_tokens": 18, "completion_tokens": so_far}}

    attempt = streamed(ROLE, counted("a", 3), counted("b", 7), STOP)
    assert attempt.usage == Measured(Usage(18, 7), source="engine")


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


def test_a_request_that_was_sent_again_says_so() -> None:
    again = replace(exchange(event(said("a")), event(STOP)), reconnects=2)
    assert transcript.read(again, LlamaCpp(), sample="s").reconnects == 2
    assert streamed(said("a"), STOP).reconnects == 0


def test_a_page_in_place_of_a_stream_is_not_taken_for_a_short_answer() -> None:
    outcome = read(b"<html>please sign in</html>").outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "malformed_stream"


def stamped(
    *reads: bytes, drained: Sequence[int], segments: int = 0, handed_ns: int = 0
) -> Attempt:
    plain = exchange(*reads)
    whole = replace(
        plain,
        stamps="kernel",
        drained_ns=drained,
        segments=segments,
        handed_ns=handed_ns,
        late_ns=7,
    )
    return transcript.read(whole, LlamaCpp(), sample="s")


A, B, C = event(said("a")), event(said("b")), event(said("c"))


def test_an_event_that_waited_for_another_says_how_long_at_most() -> None:
    attempt = stamped(A + B, C + event(STOP), drained=(65, 108))
    assert [(a.at_ns, a.spread_ns) for a in attempt.arrivals] == [
        *((100, 35), (100, 0), (110, 2), (110, 0)),
    ]


@pytest.mark.parametrize("more", [b": ping\n\n", b"data: [DO", DONE])
def test_any_bytes_behind_an_event_may_be_what_it_waited_for(more: bytes) -> None:
    assert stamped(A + more, drained=(90,)).arrivals[0].spread_ns == 10


def test_the_line_feed_that_ends_a_read_is_part_of_its_last_event() -> None:
    ended = A.replace(b"\n", b"\r\n")
    assert stamped(ended, ended, drained=(90, 105)).arrivals[0].spread_ns == 0
    late = stamped(ended[:-1], ended[-1:] + ended, drained=(90, 105))
    assert [a.spread_ns for a in late.arrivals] == [0, 0]


def test_without_more_pieces_than_reads_nothing_waited() -> None:
    reads = (A + B, C)
    assert [a.spread_ns for a in stamped(*reads, drained=(65, 105), segments=2).arrivals] == [0] * 3
    assert stamped(*reads, drained=(65, 105), segments=3).arrivals[0].spread_ns == 35
    assert stamped(*reads, drained=(), segments=3).arrivals[0].spread_ns == 0


def test_a_socket_emptied_after_the_stamp_leaves_no_spread() -> None:
    assert stamped(A + B, drained=(130,)).arrivals[0].spread_ns == 0


def test_the_clients_own_share_is_kept() -> None:
    attempt = stamped(A, drained=(95,), handed_ns=63)
    assert (attempt.stamps, attempt.late_ns, attempt.send_spread_ns) == ("kernel", 7, 3)
    plain = read(A)
    assert (plain.stamps, plain.late_ns, plain.send_spread_ns) == ("user", 0, 0)


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=15))
def test_what_was_sent_lies_within_stamp_and_spread(sends: list[tuple[int, bool]]) -> None:
    """Each send is one event, so long after the one before; some are taken up with the next."""
    now, sent, reads, stamps, drained, pending = 60, [], [], [], [60], b""
    for number, (gap, joined) in enumerate(sends):
        now += gap
        sent.append(now)
        pending += event(said(str(number)))
        if not joined or number == len(sends) - 1:
            reads.append(pending)
            stamps.append(now)
            drained.append(now)
            pending = b""
    whole = replace(
        exchange(*reads), arrivals_ns=stamps, drained_ns=drained[:-1], segments=len(sends)
    )
    attempt = transcript.read(whole, LlamaCpp(), sample="s")
    assert len(attempt.arrivals) == len(sent)
    for arrival, true_ns in zip(attempt.arrivals, sent, strict=True):
        assert arrival.at_ns - arrival.spread_ns <= true_ns <= arrival.at_ns


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


def test_what_the_sender_may_have_held_back_has_a_spread_to_its_last_byte() -> None:
    held = stamped(A, B + C, drained=(90, 100), segments=2)
    assert [a.spread_ns for a in held.arrivals] == [0, 10, 10]
    assert stamped(A, B + C, drained=(90, 101), segments=2).arrivals[2].spread_ns == 0
