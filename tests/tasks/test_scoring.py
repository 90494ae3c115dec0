"""Every road to a mark, with texts as models really write them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from steelyard.domain.task import Answer, Invalid, Right, Wrong
from steelyard.tasks.scoring import ChoiceScorer, Constraint, FormScorer, NumberScorer

TWELVE = NumberScorer(Fraction(12))
WORKED = NumberScorer(Fraction(12), worked=True)
ANNA = ChoiceScorer("Anna", ("Anna", "Ben", "Cara"))
RULE = ChoiceScorer("no", ("yes", "no", "unknown"), worked=True)
JSON = FormScorer(
    (Constraint("json_object", "json_object"), Constraint("json_keys", "json_keys", "name age")),
    '{"name": "Anna", "age": 7}',
)
LINES = FormScorer(
    (
        Constraint("bullets", "matches", r"- [^\n]*(\n- [^\n]*)*"),
        Constraint("line_count", "matches", r"[^\n]*(\n[^\n]*){1}"),
    ),
    "- coat\n- key",
)


@pytest.mark.parametrize(
    "text", ["12", " 12", "12.", "12.0", "**12**", "The answer is 12.", "7 + 5 = 12", "+12"]
)
def test_a_right_number_is_right_however_it_is_dressed(text: str) -> None:
    assert TWELVE.mark(Answer(text, "stop")).outcome == Right()


@pytest.mark.parametrize("text", ["13", "-12", "12 13", "12/5", "1,200", "120"])
def test_another_number_is_wrong(text: str) -> None:
    assert TWELVE.mark(Answer(text, "stop")).outcome == Wrong()


def test_both_readings_are_kept() -> None:
    mark = TWELVE.mark(Answer("She has 12 cups.", "stop"))
    assert mark.extracted == {"strict": None, "flexible": "12"}
    assert mark.constraints == {"answer_form": False}
    assert TWELVE.mark(Answer("12", "stop")).constraints == {"answer_form": True}


def test_half_a_number_is_truncated_not_wrong() -> None:
    assert TWELVE.mark(Answer("1", "length")).outcome == Invalid("truncated")
    assert TWELVE.mark(Answer("First 3 + 4 is 7 and", "length")).outcome == Invalid("truncated")


def test_an_answer_that_was_finished_before_the_room_ran_out_counts() -> None:
    assert TWELVE.mark(Answer("12\nBecause 7 + ", "length")).outcome == Right()
    assert WORKED.mark(Answer("7 + 5\nAnswer: 12\nLet me che", "length")).outcome == Right()


def test_working_out_that_never_came_to_an_answer_is_truncated() -> None:
    assert WORKED.mark(Answer("7 + 5 = 12\nthen 12 - ", "length")).outcome == Invalid("truncated")


def test_the_last_answer_line_is_the_one_that_counts() -> None:
    text = "Answer: 9? No, wait.\nAnswer: 12"
    assert WORKED.mark(Answer(text, "stop")).outcome == Right()
    assert WORKED.mark(Answer("**Answer:** 12", "stop")).outcome == Right()


def test_a_thought_is_no_answer() -> None:
    assert TWELVE.mark(Answer("<think>13? No.</think>12", "stop")).outcome == Right()
    assert TWELVE.mark(Answer("<think>maybe 12", "length")).outcome == Invalid("truncated")


@pytest.mark.parametrize("text", ["I'm sorry, I can\u2019t help with that.", "I cannot answer."])
def test_a_refusal_is_called_one(text: str) -> None:
    for scorer in (TWELVE, ANNA, JSON):
        assert scorer.mark(Answer(text, "stop")).outcome == Invalid("refused")


@pytest.mark.parametrize("text", ["", "lots of cups", "a dozen"])
def test_a_text_without_a_number_is_unparsable(text: str) -> None:
    assert TWELVE.mark(Answer(text, "stop")).outcome == Invalid("unparsable")


@pytest.mark.parametrize("text", ["Anna", "anna.", '"Anna"', "It is Anna who has it.", "**Anna**"])
def test_a_right_choice_is_right(text: str) -> None:
    assert ANNA.mark(Answer(text, "stop")).outcome == Right()


def test_a_choice_outside_the_options_is_wrong_and_two_choices_are_none() -> None:
    assert ANNA.mark(Answer("Dora", "stop")).outcome == Wrong()
    both = ANNA.mark(Answer("Anna or maybe Ben, hard to say", "stop"))
    assert both.outcome == Invalid("unparsable")
    assert ANNA.mark(Answer("An", "length")).outcome == Invalid("truncated")


def test_an_article_is_no_part_of_a_place() -> None:
    place = ChoiceScorer("barn", ("barn", "hall"))
    assert place.mark(Answer("In the barn.", "stop")).outcome == Right()


def test_a_worked_choice_is_read_from_its_line() -> None:
    said = "Yes would need a rule.\nAnswer: no"
    assert RULE.mark(Answer(said, "stop")).outcome == Right()
    assert RULE.mark(Answer("Answer: unknown", "stop")).outcome == Wrong()


def test_json_is_compared_by_value_and_its_constraints_by_name() -> None:
    mark = JSON.mark(Answer('{"name":"Anna","age":7}', "stop"))
    assert mark.outcome == Right()
    assert mark.constraints == {"json_object": True, "json_keys": True}
    swapped = JSON.mark(Answer('{"age": 7, "name": "Anna"}', "stop"))
    assert swapped.outcome == Wrong()
    assert swapped.constraints == {"json_object": True, "json_keys": False}


def test_the_right_words_in_the_wrong_form_are_wrong() -> None:
    mark = JSON.mark(Answer("Anna is 7", "stop"))
    assert mark.outcome == Wrong()
    assert mark.constraints == {"json_object": False, "json_keys": False}
    assert mark.extracted["strict"] is None


def test_the_right_form_with_wrong_content_is_wrong_and_adheres() -> None:
    mark = JSON.mark(Answer('{"name": "Ben", "age": 7}', "stop"))
    assert mark.outcome == Wrong()
    assert all(mark.constraints.values())


def test_json_cut_at_the_limit_is_truncated() -> None:
    assert JSON.mark(Answer('{"name": "An', "length")).outcome == Invalid("truncated")
    assert JSON.mark(Answer("", "stop")).outcome == Invalid("unparsable")


def test_lines_are_counted_and_compared() -> None:
    assert LINES.mark(Answer("- coat\n- key", "stop")).outcome == Right()
    mark = LINES.mark(Answer("- coat\n- key\n- hat", "stop"))
    assert mark.outcome == Wrong()
    assert mark.constraints == {"bullets": True, "line_count": False}
