"""Where thinking ends in a text: closed, unopened, unended, or only spoken of."""

from __future__ import annotations

import pytest

from steelyard.domain import thought
from steelyard.domain.thought import Thought


def test_what_a_template_opened_ends_at_the_first_closing_mark() -> None:
    text = "so it is </thinking> Seven. As </think> says"
    found = thought.leading(text, bare=True)
    assert (found.text, text[found.end :]) == ("so it is", "Seven. As </think> says")
    assert thought.leading(text, bare=False) == Thought()


def test_a_closing_mark_whose_own_opening_stands_before_it_opens_nothing() -> None:
    text = "He wrote <think> hm </think> and seven."
    assert thought.leading(text, bare=True) == Thought()
    assert thought.aloud(text, bare=True) == "He wrote  and seven."


@pytest.mark.parametrize(("opens", "ends"), thought.MARKS)
def test_thinking_that_never_ends_is_no_answer_wherever_it_began(opens: str, ends: str) -> None:
    assert thought.aloud(f"{opens} is it seven", bare=True) == ""
    assert thought.aloud(f"Seven. {opens} or is it", bare=True) == "Seven. "
    assert thought.aloud(f"{opens} a {ends} {opens} b {ends} Seven.", bare=True) == "Seven."
    found = thought.leading(f"{opens} a {ends} {opens} b {ends} Seven.", bare=True)
    assert found.text == "a\nb"
