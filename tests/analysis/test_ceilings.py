"""Items that are too easy or too hard are said to be so, with their numbers and what to ask."""

from __future__ import annotations

import pytest

from steelyard.analysis.ceilings import Asked, levels, remarks
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate


def asked(name: str, right: int, n: int, level: int = 1) -> Asked:
    share = Measured(right / n, "derived")
    return Asked(name, Estimate(share, share, share, n), *levels(level, (1, 2, 3)))


def test_a_reference_that_knows_nearly_all_can_hardly_lose() -> None:
    told = remarks("F16", asked("all", 99, 100), [asked("logic", 99, 100)])
    assert told == (
        "EASY: F16 gets 99 of 100 right, so these items can hardly show a loss: ask --level 2.",
    )
    assert not remarks("F16", asked("all", 94, 100), [])
    assert not remarks("F16", asked("all", 29, 29), [])


def test_families_are_named_where_the_whole_is_neither() -> None:
    families = [
        asked("math_words", 1_188, 1_200),
        asked("logic", 600, 1_200),
        asked("reading", 1_200, 1_200),
        asked("formats", 12, 1_200),
    ]
    assert remarks("F16", asked("all", 3_000, 4_800), families) == (
        "EASY: F16 gets 1,188 of 1,200 in math words, 1,200 of 1,200 in reading right, so these "
        "items can hardly show a loss: ask --level 2.",
        "HARD: F16 gets 12 of 1,200 in formats right, so there is hardly anything to lose: easier "
        "questions are wanted, your own (`steelyard eval --file`) or a standard set "
        "(`steelyard eval --set`).",
    )


@pytest.mark.parametrize(
    ("right", "level", "words"),
    [
        (100, 3, "harder questions are wanted, your own (`steelyard eval --file`) or a standard"),
        (0, 3, "HARD: F16 gets 0 of 100 right, so there is hardly anything to lose: ask --level 2"),
    ],
)
def test_a_level_is_named_only_where_there_is_one(right: int, level: int, words: str) -> None:
    (told,) = remarks("F16", asked("all", right, 100, level), [])
    assert words in told


def test_lengths_are_no_levels_and_nothing_is_said_of_what_was_not_run() -> None:
    assert levels(4, (4, 8, 16, 1, 2)) == (None, None)
    none = Missing("no_items")
    assert not remarks("F16", Asked("all", Estimate(none, none, none, 0)), [])
