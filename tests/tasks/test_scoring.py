"""Every road to a mark, with texts as models really write them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from steelyard.domain.task import Answer, Invalid, Right, Wrong
from steelyard.tasks.given.letters import LetterScorer
from steelyard.tasks.items import Scorer
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.scoring import ChoiceScorer, Constraint, FormScorer, NumberScorer
from steelyard.tasks.values import ValueScorer

TWELVE = NumberScorer(Fraction(12))
WORKED = NumberScorer(Fraction(12), worked=True)
ANNA = ChoiceScorer("Anna", ("Anna", "Ben", "Cara"))
KILOS = MeasureScorer(Fraction(12), "kg", ("kg", "g"))
B = LetterScorer("B", ("sun", "rain", "snow"))
UNIT_OF_TWO = ValueScorer("12", ("12", "15"), numeric=True, worked=True)
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


@pytest.mark.parametrize(
    ("opens", "ends"),
    [
        ("[THINK]", "[/THINK]"),
        ("<thinking>", "</thinking>"),
        ("<seed:think>", "</seed:think>"),
        ("◁think▷", "◁/think▷"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<reasoning>", "</reasoning>"),
    ],
)
def test_thinking_is_no_answer_whatever_marks_it(opens: str, ends: str) -> None:
    assert TWELVE.mark(Answer(f"{opens}13? No.{ends}12", "stop")).outcome == Right()
    assert ANNA.mark(Answer(f"{opens}Ben?{ends}\nAnna", "stop")).outcome == Right()
    cut = Answer(f"{opens}First try.\nAnswer: 13\nNo, because", "length")
    assert WORKED.mark(cut).outcome == Invalid("truncated")


def test_what_was_cut_is_no_refusal_and_neither_is_a_doubt_while_thinking() -> None:
    for scorer in (TWELVE, ANNA, JSON):
        for text in ("I cannot tell yet, let me", "<think>I can't tell, so"):
            assert scorer.mark(Answer(text, "length")).outcome == Invalid("truncated")
    doubt = Answer("<think>I cannot say.</think>hm", "stop")
    assert TWELVE.mark(doubt).outcome == Invalid("unparsable")


@pytest.mark.parametrize(
    "text",
    [
        "1.5e3",
        "1 500",
        "1\u2009500",
        "1\u202f500 EUR",
        "1'500",
        "1.500,00 EUR",
        "1500,00",
        "1.5 \u00d7 10^3",
        "$1,500.00",
        "\\boxed{1{,}500}",
    ],
)
def test_a_number_is_read_however_it_is_written(text: str) -> None:
    assert NumberScorer(Fraction(1500)).mark(Answer(text, "stop")).outcome == Right()


@pytest.mark.parametrize(
    "text",
    [
        "The answer is **12** because 3*4",
        "The answer is 12. Check: 3+4",
        "So \\boxed{12}. Check: 7 + 5 is 3 * 4",
        "**12** boxes, since 3*4",
        "12, not 13",
        "Answer: 12 because 3*4",
        "Answer: 12 (3*4)",
        "Answer: 3 boxes of 4 = 12",
        "**3** boxes with **4** each: 12",
        "**Step 1:** 3 and 4\n**Step 2:** 12",
        "1. Take 3 and 4: 12",
        "the answer to 7+5 is 12",
    ],
)
def test_what_explains_or_checks_a_number_is_not_the_answer(text: str) -> None:
    assert TWELVE.mark(Answer(text, "stop")).outcome == Right()


@pytest.mark.parametrize(
    "text",
    [
        "Answer: 12. Checking the answer: 12 - 4 = 8, correct.",
        "Answer: 12. Explanation of the answer: 12 - 4 = 8.",
        "Answer: 12 (unit of the answer: km)",
        "**Answer: 12** (final answer: verified)",
        "Answer: 12 (Final Answer: 5 is what others say)",
        "Answer: 12. Final answer: verified",
        "Answer: 12 (a line of the form 'Answer: N')",
        "Answer: 5. Wait, Answer: 12",
        "Answer: 5. Wait, the answer is 12",
        "Answer: 12. For five boxes the answer is 15.",
        "The answer is 12. A common wrong answer is 15.",
        "The answer is 12. Without the discount, the answer would be 15.",
        "The answer is 12. Checking the answer: 12 - 4 = 8, correct.",
        "A common wrong answer is 15. The answer is 12.",
        "The answer would be 12.",
    ],
)
def test_words_about_an_answer_give_no_other(text: str) -> None:
    assert TWELVE.mark(Answer(text, "stop")).outcome == Right()


@pytest.mark.parametrize(
    ("scorer", "text"),
    [
        (ANNA, "Answer: Anna (the answer: one word)"),
        (ANNA, "Answer: Anna. Final answer: one word only"),
        (ANNA, "Answer: Ben. No: Answer: Anna"),
        (KILOS, "Answer: 12 kg (unit of the answer: kilograms)"),
        (KILOS, "Answer: 12 kg. Final answer: rounded"),
        (B, "Answer: B. Explanation of the answer: A is incorrect because it rains."),
        (B, "**Answer: B** \u2014 why this answer: A and C contradict the text."),
        (B, "Answer: B. Final Answer: as above"),
        (B, "Answer: A. Wait, Answer: B"),
        (UNIT_OF_TWO, "Answer: 12. Final answer: verified by hand"),
    ],
)
def test_another_head_of_a_line_counts_only_with_an_answer_behind_it(
    scorer: Scorer, text: str
) -> None:
    assert scorer.mark(Answer(text, "stop")).outcome == Right()


def test_many_heads_on_one_line_are_read_at_once() -> None:
    for said in ("Answer: " * 15_000, "the answer is 1. " * 6_000, "Answer: no. " * 9_000):
        for scorer in (TWELVE, ANNA, KILOS, B, UNIT_OF_TWO):
            assert scorer.mark(Answer(f"Answer: x. {said}", "stop")).outcome != Right()


def test_a_number_keeps_its_sign_and_its_size() -> None:
    below = NumberScorer(Fraction(-5), worked=True)
    for text in ("Answer: -5", "Answer: \u22125", "Answer: -$5"):
        assert below.mark(Answer(text, "stop")).outcome == Right()
    assert below.mark(Answer("Answer: 5", "stop")).outcome == Wrong()
    assert WORKED.mark(Answer("Answer: ...12", "stop")).outcome == Right()
    half = NumberScorer(Fraction(1, 2), worked=True)
    assert half.mark(Answer("Answer: .5", "stop")).outcome == Right()
    assert TWELVE.mark(Answer("1e999999999", "stop")).outcome == Invalid(
        "unparsable"
    )  # at once, too


def test_a_choice_is_read_out_of_what_is_called_the_answer() -> None:
    assert ANNA.mark(Answer("The answer is Anna, not Ben", "stop")).outcome == Right()
