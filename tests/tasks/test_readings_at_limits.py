"""Answers at the limits of what can be read: tolerances, names within names, words about marks."""

from __future__ import annotations

from fractions import Fraction

import pytest

from steelyard.domain.task import Answer, Invalid, Mark, Right, Wrong
from steelyard.tasks.given.texts import EditScorer, ExactScorer
from steelyard.tasks.numbers import as_number, said_number, the_answer
from steelyard.tasks.scoring import ChoiceScorer, Constraint, FormScorer, NumberScorer
from steelyard.tasks.values import FieldsScorer


def said(text: str, reasoning: str = "") -> Answer:
    return Answer(text, "stop", reasoning)


@pytest.mark.parametrize(
    ("text", "right"), [("10.5", True), ("9.5", True), ("10.51", False), ("9.49", False)]
)
def test_a_number_as_far_off_as_is_allowed_is_right(text: str, right: bool) -> None:
    scorer = NumberScorer(Fraction(10), absolute=Fraction(1, 2))
    assert (scorer.mark(said(text)).outcome == Right()) == right


def test_a_name_in_a_text_that_was_cut_is_no_answer_yet() -> None:
    scorer = ChoiceScorer("Ann", ("Ann", "Bob"))
    cut = scorer.mark(Answer("Bob was there first.\nThen An", "length"))
    assert cut.outcome == Invalid("truncated")
    assert scorer.mark(Answer("Answer: Ann\nsince she", "length")).outcome == Right()


def test_a_text_of_the_right_form_is_no_refusal_whatever_its_words() -> None:
    one_line = FormScorer((Constraint("line", "matches", r"[^\n]+"),), "I cannot swim")
    assert one_line.mark(said("I cannot swim")).outcome == Right()
    assert one_line.mark(said("I cannot fly")).outcome == Wrong()
    assert one_line.mark(said("I cannot\nhelp with that")).outcome == Invalid("refused")


def test_edits_are_counted_from_the_nearest_text_and_as_many_as_allowed_are_right() -> None:
    scorer = EditScorer(("a far away text", "abcdefghij"), most=0.1)
    assert scorer.mark(said("abcdefghiX")).outcome == Right()
    assert scorer.mark(said("abcdefghXX")).outcome == Wrong()


def test_a_name_within_another_name_is_not_the_one_that_was_named() -> None:
    scorer = ChoiceScorer("Ann-Lee", ("Ann", "Ann-Lee", "Bob"))
    assert scorer.mark(said("It must be Ann-Lee.")).outcome == Right()
    assert scorer.mark(said("It must be Ann.")).outcome == Wrong()


def test_of_two_answers_in_one_text_the_last_one_counts() -> None:
    text = "At first my answer is Bob. But he left, so the answer is Ann."
    assert ChoiceScorer("Ann", ("Ann", "Bob")).mark(said(text)).outcome == Right()


def marked(answer: Answer) -> list[Mark]:
    return [
        NumberScorer(Fraction(7), worked=True).mark(answer),
        ExactScorer(("Answer: 7\n</think> is a mark",)).mark(answer),
        FormScorer((), "Answer: 7\n</think> is a mark").mark(answer),
    ]


def test_where_thinking_came_apart_a_closing_mark_is_only_a_word() -> None:
    text = "Answer: 7\n</think> is a mark"
    assert [mark.outcome for mark in marked(said(text, "I think"))] == [Right()] * 3
    assert not any(mark.outcome == Right() for mark in marked(said(text)))


def test_of_several_fences_the_last_one_is_the_answer() -> None:
    text = '```json\n{"a": 1}\n```\nNo, that was wrong:\n```json\n{"a": 2}\n```\nDone.'
    assert FieldsScorer('{"a": 2}').mark(said(text)).outcome == Right()


@pytest.mark.parametrize("text", ['{"a": [1, 2]}', '{"a": [1, 2, 3, 4]}', '{"a": []}'])
def test_a_list_with_an_item_too_few_or_too_many_is_another_list(text: str) -> None:
    assert FieldsScorer('{"a": [1, 2, 3]}').mark(said(text)).outcome == Wrong()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 5. Wait, that was wrong. The answer is 7.", "7"),
        ("The answer is 5.\nNo: the answer is 7, to be sure.", "7"),
        ("The answer is 7. The answer is not 5.", "7"),
        ("The answer is 7 (for 5 the answer is 8).", "7"),
        ("The answer is not 5 but 7.", "7"),
        ("The answer is 7. To check that the answer is right: 7 - 2 = 5.", "7"),
        ("1) Three and four is 7", "7"),
        ("3) because 3 and 4 is 7", "7"),
        (r"First \boxed{5}, but then \boxed{7}.", "7"),
        ("7, not 9", "7"),
    ],
)
def test_of_several_numbers_the_one_that_is_said_to_be_the_answer_is(
    text: str, number: str
) -> None:
    assert the_answer(text) == number


def test_a_number_that_stands_alone_behind_answer_is_read_whole() -> None:
    assert said_number(" 1 500 ") == "1 500"
    assert said_number(" 12,50 €") == "12,50"


@pytest.mark.parametrize(("text", "whole"), [("2e5", True), ("2e500", True), ("2e5000", False)])
def test_a_power_of_thousands_of_digits_is_no_number(text: str, whole: bool) -> None:
    assert (as_number(text) is not None) == whole
