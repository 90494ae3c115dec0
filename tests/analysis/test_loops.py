"""Loops: planted ones are found, whatever repeats; what only has one shape is none."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from steelyard.analysis import loops
from steelyard.analysis.loops import Loop
from steelyard.domain.task import Task
from steelyard.tasks import registry
from steelyard.tasks.conversation import Conversation

LEXICON = [f"{a}{b}{c}" for a in "bdfglmprst" for b in "aeiou" for c in "klnrst"]


def prose(draw: Random, words: int) -> str:
    return " ".join(draw.choice(LEXICON) for _ in range(words))


@pytest.mark.parametrize("unit", [1, 2, 7, 31, 120])
def test_a_planted_loop_is_found_with_its_unit(unit: int) -> None:
    for seed in range(20):
        draw = Random(f"{unit}/{seed}")
        before, again = prose(draw, draw.randrange(400)), prose(draw, unit)
        copies = max(4, -(-60 // unit))
        found = loops.find(f"{before} " + f"{again} " * copies + prose(draw, draw.randrange(40)))
        assert found is not None, (unit, seed)
        assert found.period == unit
        assert found.repeated >= (copies - 1) * unit


def test_a_loop_in_which_one_word_of_twenty_changes_is_found() -> None:
    for seed in range(20):
        draw = Random(seed)
        unit = prose(draw, 20).split()
        turns = [" ".join([*unit[:-1], str(number)]) for number in range(8)]
        found = loops.find(prose(draw, 200) + " " + " ".join(turns))
        assert found is not None
        assert found.period == 20


@pytest.mark.parametrize("unit", [260, 500])
def test_a_loop_of_a_long_unit_is_found(unit: int) -> None:
    for seed in range(5):
        draw = Random(f"long/{unit}/{seed}")
        before, again = prose(draw, draw.randrange(400)), prose(draw, unit).split()
        turns = [" ".join([*again[:-1], str(number)]) for number in range(4)]
        found = loops.find(f"{before} {' '.join(turns)}")
        assert found is not None
        assert found.period == unit


@pytest.mark.parametrize(("word", "period"), [("a", 1), ("haha", 2), ("nextstep", 8)])
def test_a_loop_within_one_word_is_found(word: str, period: int) -> None:
    found = loops.find(f"so then {word * 200} and")
    assert found is not None
    assert found.period == period


def test_it_says_where_the_loop_begins() -> None:
    assert loops.find("so then " + "wait , " * 20) == Loop(period=2, start=2, repeated=38)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no no",
        " ".join(map(str, range(500))),
        "\n".join(f"Step {n}: {n} + {n * 7 % 31} = {n + n * 7 % 31}" for n in range(80)),
        ", ".join(f'{{"name": "{w}", "size": {i}}}' for i, w in enumerate(LEXICON[:60])),
        prose(Random(0), 3000),
        f"Name: {'_' * 80} Date: {'_' * 80}",
        f"A googol is 1{'0' * 100}.",
        "".join(Random(1).choices("0123456789abcdef", k=4000)),
    ],
)
def test_counting_rows_and_prose_are_no_loops(text: str) -> None:
    assert loops.find(text) is None


def test_no_passage_of_the_families_and_no_worked_answer_is_a_loop() -> None:
    for name in ("math_words", "reading", "logic", "business", "multi_turn"):
        family = registry.family(name)
        for item in registry.drawn(Task(name, items=100, revision=family.revision)):
            turns = item.turns if isinstance(item, Conversation) else (item,)
            for turn in turns:
                assert loops.find(turn.prompt) is None, turn.prompt


def test_prose_of_people_is_no_loop() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for page in [*docs.glob("how-to/*.md"), *docs.glob("decisions/*.md")]:
        assert loops.find(page.read_text(encoding="utf-8")) is None, page
