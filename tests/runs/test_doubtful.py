"""Answers that are none: each planted way is named, and what only looks like one is let be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Attempt, Usage
from steelyard.domain.task import Message
from steelyard.runs.doubtful import Named, Put, by_others, kept, may_be_cut, name_of, no_answer

LONG = Put.of((Message("system", "be brief"), Message("user", "word " * 500)), 0, set())
SHORT = Put.of((Message("user", "How many?"),), 0, set())


def answer(text: str = "7", prompt_tokens: int | None = 600) -> Attempt:
    (attempt,) = section([Said(text=text)]).attempts
    if prompt_tokens is None:
        return replace(attempt, usage=Missing("not_reported"))
    return replace(attempt, usage=Measured(Usage(prompt_tokens, 3), "engine"))


def test_fewer_tokens_than_words_is_a_prompt_that_was_cut() -> None:
    found = no_answer(LONG, answer(prompt_tokens=256))
    assert found is not None
    assert found.why == "prompt_cut"
    assert "502 words" in found.detail
    assert "256 tokens" in found.detail


@pytest.mark.parametrize("counted", [None, 502, 400, 4000])
def test_a_prompt_that_may_have_been_read_whole_is_not_called_cut(counted: int | None) -> None:
    assert no_answer(LONG, answer(prompt_tokens=counted)) is None


def test_what_begins_like_another_is_cut_only_where_the_server_is_known_to_cut() -> None:
    begun: set[str] = set()
    first, again, later = (
        Put.of((Message("user", "same " * 40 + f"then {n} " * 300),), ask, begun)
        for n, ask in ((1, 0), (2, 0), (3, 1))
    )
    assert no_answer(first, answer(prompt_tokens=20)) is not None
    for put in (again, later):
        assert no_answer(put, answer(prompt_tokens=20)) is None
        assert may_be_cut(put, answer(prompt_tokens=20))
        assert not may_be_cut(put, answer(prompt_tokens=700))


def test_a_control_token_that_the_question_brought_up_is_no_broken_template() -> None:
    asked = Put.of((Message("user", "What does <|im_end|> mean?"),), 0, set())
    assert no_answer(asked, answer("It ends a turn: <|im_end|>")) is None
    assert no_answer(SHORT, answer("It ends a turn: <|im_end|>")) is not None


def test_a_short_prompt_is_never_called_cut() -> None:
    assert no_answer(SHORT, answer(prompt_tokens=0)) is None


@pytest.mark.parametrize(
    "text",
    ["7<|im_end|>\n<|im_start|>user\nAnd", "[INST] 7 [/INST]", "<start_of_turn>model 7", "7</s>\n"],
)
def test_a_template_that_shows_its_tokens_is_broken(text: str) -> None:
    found = no_answer(SHORT, answer(text))
    assert found is not None
    assert found.why == "template_broken"


@pytest.mark.parametrize(
    "text",
    [
        *("a <s>7</s> b", "<s>old</s>", "<p>one <b>two</b></s>", "if a < b | c > d:", "[INSTALL]"),
        *("x|end|y", "", "The token <|endoftext|> ends a text.", "Write [INST] before it."),
    ],
)
def test_mark_up_and_code_are_no_template(text: str) -> None:
    assert no_answer(SHORT, answer(text)) is None


def test_an_answer_that_comes_again_under_its_name_was_kept() -> None:
    answers = {"a": Named("1", "six"), "b": Named("2", "two"), "c": Named("1", "six")}
    assert kept(answers) == {"c"}


def test_a_short_number_tells_no_answer_apart() -> None:
    assert name_of(b'{"id": "chatcmpl-417", "choices": []}') == ""
    assert name_of(b'{"choices": [{"message": {"tool_calls": [{"id": "call_00000000"}]}}]}') == ""


def test_servers_that_do_not_name_their_answers_are_not_accused() -> None:
    assert not kept({n: Named("chatcmpl-0", "yes") for n in "abc"})
    assert not kept({"a": Named("0", "yes"), "b": Named("0", "no"), "c": Named("1", "no")})
    assert not kept({n: Named("", "yes") for n in "abc"})
    assert not kept({n: Named(n, "yes") for n in "abc"})


def test_the_name_of_an_answer_stands_in_its_first_chunk() -> None:
    assert name_of(b'data: {"id": "chatcmpl-9x9x9x9x", "choices": []}\n\n') == "chatcmpl-9x9x9x9x"
    assert name_of(b'{"model": "m", "message": {}}') == ""


def test_answers_under_another_name_than_most_are_by_others() -> None:
    attempts = section([Said() for _ in range(5)]).attempts
    names = ["m by a", "m by b", "n by a", "m by a", None]
    named = [replace(a, model=name) for a, name in zip(attempts, names, strict=True)]
    assert by_others(named) == {"i002"}
    assert not by_others(attempts)
