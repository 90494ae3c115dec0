"""Drills say the truth: the families' second solvers agree with every answer they can find."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

import pytest
from tests.tasks.solvers import solve_logic, solve_reading

from steelyard.forge import drills
from steelyard.forge.drills import Turn
from steelyard.tasks.items import split_of


def whole(turns: list[Turn]) -> Iterator[tuple[str, Turn]]:
    """Yield each turn with the text that its question is about put before it again."""
    text = ""
    for turn in turns:
        told, asked = re.fullmatch(r"((?:[^?]*\. )?)([^.?]*\? .*)", turn.prompt).groups()  # type: ignore[union-attr]
        text = told or text
        yield text + asked, turn


@pytest.mark.parametrize(
    ("drill", "solve"),
    [
        (drills.scene, solve_reading),
        (drills.order, solve_logic),
        (drills.traits, solve_logic),
        (drills.seats, solve_logic),
    ],
)
def test_a_second_solver_finds_the_same_answer(
    drill: Callable[[Random], list[Turn]], solve: Callable[[str], str]
) -> None:
    rng = Random(3)
    asked = 0
    for _ in range(300):
        for prompt, turn in whole(drill(rng)):
            if not re.search(r"What is \w+\?", prompt):  # of no family: what kind somebody is
                assert solve(prompt) == turn.answer, prompt
                asked += 1
    assert asked > 500


def test_sums_are_right() -> None:
    rng = Random(5)
    for turn in (turn for _ in range(300) for turn in drills.sums(rng)):
        said = re.findall(r"What is (.*)\?", turn.prompt)[0].replace("x", "*")
        left, *rest = re.findall(r"[+*-]|\d+", said)
        value = int(left)
        for sign, number in zip(rest[::2], map(int, rest[1::2]), strict=True):
            value = {"+": value + number, "-": value - number, "*": value * number}[sign]
        assert str(value) == turn.answer


def test_a_scene_is_retold_word_for_word() -> None:
    text, sentences = drills.retold(Random(7))
    told = re.findall(r"[^.]+\.", text)
    again = [f"{head} {last}." for head, last in sentences]
    assert sorted(again) == sorted([sentence.strip() for sentence in told] * 2)


def test_what_is_held_out_is_not_drilled() -> None:
    rng = Random(11)
    for _ in range(300):
        for prompt, _ in whole(drills.order(rng)):
            *said, asked = re.findall(r"[^.?]+[.?]", prompt.partition(" Answer")[0])
            key = (*sorted(sentence.strip() for sentence in said), asked.strip())
            assert split_of("logic", key) == "train"
