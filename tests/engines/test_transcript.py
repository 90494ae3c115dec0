"""From stamped bytes to an attempt: every way in which an answer can be less than whole."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.streams import (
    DONE,
    ROLE,
    STOP,
    USAGE,
    event,
    exchange,
    read,
    said,
    streamed,
    thought,
)

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Arrival, Attempt, Completed, Failed, Usage
from steelyard.domain.task import Call
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp


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


def test_an_end_at_once_by_the_models_own_will_is_an_answer() -> None:
    assert streamed(ROLE, STOP, USAGE).outcome == Completed()


def test_an_answer_that_was_not_streamed_is_read_too() -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
        "usage": USAGE["usage"],
    }
    attempt = read(b" ", json.dumps(whole).encode())
    assert (attempt.text, attempt.outcome) == ("42", Completed())


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


def test_a_request_that_was_sent_again_says_so() -> None:
    again = replace(exchange(event(said("a")), event(STOP)), reconnects=2)
    assert transcript.read(again, LlamaCpp(), sample="s").reconnects == 2
    assert streamed(said("a"), STOP).reconnects == 0


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
