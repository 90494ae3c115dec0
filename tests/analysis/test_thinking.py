"""The reasoning ledger: counts that can be added up by hand, and lengths side by side."""

from __future__ import annotations

import pytest
from tests.analysis.answered import Said, section

from steelyard.analysis.metrics.worth import seconds_per_right, tokens_per_right
from steelyard.analysis.thinking import ledger, length_ratio
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import Section
from steelyard.domain.summary import Estimate


def test_thinking_is_counted_by_the_engine_where_it_counts() -> None:
    thoughts = [Said(tokens=30, reasoning="a b", reasoning_tokens=n) for n in (10, 20)]
    found = ledger([section([*thoughts, Said(tokens=40)])])
    assert (found.answers, found.thought) == (3, 2)
    assert found.tokens.value == Measured(15.0, "derived")
    assert value_of(found.share) == pytest.approx(0.3)  # 30 of 100, but for what has no thinking
    assert found.tokens.n == 2


def test_where_nobody_counts_the_share_of_letters_stands_and_says_so() -> None:
    found = ledger([section([Said(tokens=40, text="x" * 10, reasoning="y" * 30)])])
    assert found.tokens.value == Measured(30.0, "estimated")
    assert found.share == Measured(0.75, "estimated")


def test_answers_without_thinking_have_none() -> None:
    found = ledger([section([Said(), Said()])])
    assert found.thought == found.cut == found.loops == 0
    assert isinstance(found.tokens.value, Missing)
    assert isinstance(found.share, Missing)


def test_what_was_cut_while_it_thought_is_told_from_what_was_cut_while_it_answered() -> None:
    answers = [
        Said("t", finish="length", text="", reasoning="hm"),
        Said("t", finish="length", text="half an ans"),
        Said("r"),
        Said("-", finish="length"),  # never came whole
    ]
    found = ledger([section(answers)])
    assert (found.answers, found.cut, found.cut_thinking) == (3, 2, 1)


def test_thinking_that_is_counted_and_hidden_was_cut_as_well() -> None:
    answers = [
        Said("t", finish="length", text="", reasoning_tokens=24),
        Said("t", finish="length", text="", reasoning_tokens=0),
        Said("t", finish="length", text=""),
    ]
    assert ledger([section(answers)]).cut_thinking == 1
    half = Said("t", finish="length", text="half an ans", reasoning="hm")
    found = ledger([section([*answers, half])])
    assert (found.cut, found.cut_thought, found.cut_thinking) == (4, 2, 1)


def test_loops_count_in_thinking_and_in_answers_that_did_not_end_by_themselves() -> None:
    circle = "let me see again . " * 12
    answers = [
        Said(reasoning=circle),
        Said("t", finish="length", text=circle),
        Said(text=circle),  # somebody may have asked for it
    ]
    assert ledger([section(answers)]).loops == 2


def test_the_same_items_in_two_settings_make_no_interval_narrower() -> None:
    names = ("rag/l1[3]", "rag/l1[5]")

    def width(found: Estimate) -> float:
        low, high = value_of(found.low), value_of(found.high)
        assert low is not None
        assert high is not None
        return high - low

    def asked(*tokens: int) -> list[Section]:
        answers = [Said(tokens=n, reasoning="hm", reasoning_tokens=n // 2) for n in tokens]
        return [section(answers, name) for name in names]

    first, second = asked(*range(10, 50)), asked(*range(60, 20, -1))
    for once, twice in (
        (ledger(first[:1]).tokens, ledger(first).tokens),
        (length_ratio(first[:1], second[:1]), length_ratio(first, second)),
        (tokens_per_right(first[:1]), tokens_per_right(first)),
        (seconds_per_right(first[:1]), seconds_per_right(first)),
    ):
        assert width(twice) == pytest.approx(width(once), rel=0.05)


def test_the_second_run_takes_so_many_times_as_many_tokens() -> None:
    first = section([Said(tokens=n) for n in (10, 20, 30, 40)])
    second = section([Said(tokens=2 * n) for n in (10, 20, 30, 40)])
    found = length_ratio([first], [second])
    assert value_of(found.value) == value_of(found.low) == value_of(found.high) == 2.0
    more = length_ratio([first], [section([Said(tokens=n) for n in (30, 20, 60, 40)])])
    assert value_of(more.value) == 1.5
    low, high = value_of(more.low), value_of(more.high)
    assert low is not None
    assert high is not None
    assert low < 1.5 < high
