"""Text comes to exactly the tokens asked for, whatever the tokenizer is like."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import pytest

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.reading import Measured, Missing
from steelyard.workloads.lengths import (
    Calibrated,
    MessageTokens,
    RawTokens,
    count,
    learned,
    learned_overhead,
    written,
)

Tokeniser = Callable[[str], list[str]]

SYLLABLES = re.compile(r" ?[A-Za-z]{1,3}|\d|\s|[^\w\s]")
WORDS = re.compile(r"\w+|[^\w\s]")
MERGING = re.compile(r"(?: ?[A-Za-z]+){1,2}|[\da-f]+|\s+|[^\w\s]+")


def by_syllables(text: str) -> list[str]:
    return SYLLABLES.findall(text)


def by_words(text: str) -> list[str]:
    return WORDS.findall(text)


def by_bytes(text: str) -> list[str]:
    return list(text)


def by_pairs_of_words(text: str) -> list[str]:
    """Two words may become one token, so that more text is not always more tokens."""
    return MERGING.findall(text)


def costly(text: str) -> list[str]:
    """Every letter of a word is three tokens, and a lone mark is one."""
    return [piece for part in text for piece in ([part] if not part.isalpha() else [part] * 3)]


class Counting:
    """A tokenize route that counts how often it was asked."""

    def __init__(self, split: Tokeniser) -> None:
        self.split = split
        self.calls = 0

    def __call__(self, text: str, *, special: bool = False) -> Sequence[int]:
        del special
        self.calls += 1
        return range(len(self.split(text)))


def prose(draw: random.Random) -> str:
    nouns = ["river", "stone", "lighthouse", "bird", "understanding", "a", "of", "misunderstood"]
    return " ".join(draw.choice(nouns) for _ in range(12)) + "."


def silence(draw: random.Random) -> str:
    del draw
    return " "


@pytest.mark.parametrize("split", [by_syllables, by_words, by_bytes, by_pairs_of_words, costly])
@pytest.mark.parametrize("tokens", [16, 17, 100, 511, 512])
def test_a_message_has_exactly_the_tokens_asked_for(split: Tokeniser, tokens: int) -> None:
    for seed in range(8):
        lengths = MessageTokens(Counting(split))
        draw = random.Random(seed)
        said = written("a1b2c. ", tokens, draw=draw, lengths=lengths, text=prose)
        assert len(split(said)) == tokens
        assert said == said.strip()


@pytest.mark.parametrize("tokens", [1, 2, 5, 10, 11])
def test_a_message_shorter_than_its_own_beginning_is_cut_within_it(tokens: int) -> None:
    lengths = MessageTokens(Counting(by_bytes))
    said = written("a1b2c3d4. ", tokens, draw=random.Random(1), lengths=lengths, text=prose)
    assert len(said.strip()) == tokens


def test_a_beginning_that_costs_too_much_in_its_first_letter_is_left_out() -> None:
    lengths = MessageTokens(Counting(costly))
    assert written("abc. ", 2, draw=random.Random(1), lengths=lengths, text=prose) == ".."


def test_a_length_is_found_in_few_questions() -> None:
    asked = []
    for seed in range(50):
        route = Counting(by_syllables)
        draw = random.Random(seed)
        written("a1b2c. ", 512, draw=draw, lengths=MessageTokens(route), text=prose)
        asked.append(route.calls)
    assert sum(asked) / len(asked) < 10


def test_what_the_template_adds_is_left_room_for() -> None:
    lengths = MessageTokens(Counting(by_words), overhead_tokens=11)
    said = written("a1. ", 100, draw=random.Random(1), lengths=lengths, text=prose)
    assert len(by_words(said)) == 89


def test_a_prompt_that_the_template_alone_fills_is_refused() -> None:
    lengths = MessageTokens(Counting(by_words), overhead_tokens=20)
    with pytest.raises(BadInput, match="template alone takes 20"):
        written("a1. ", 20, draw=random.Random(1), lengths=lengths, text=prose)


def test_a_tokenizer_that_always_says_the_same_is_an_error_not_an_endless_loop() -> None:
    with pytest.raises(SteelyardError, match="no text of exactly 64 tokens"):
        written(
            "a1. ",
            64,
            draw=random.Random(1),
            lengths=MessageTokens(Counting(lambda _: ["x"])),
            text=prose,
        )


def test_a_source_without_words_is_an_error_not_an_endless_loop() -> None:
    with pytest.raises(SteelyardError, match="gives no words"):
        written("a1. ", 64, draw=random.Random(1), lengths=Calibrated(), text=silence)


def test_a_calibration_meets_lengths_that_it_was_not_learned_at() -> None:
    def usage(said: str) -> int:
        return len(by_syllables(said)) + 14

    first = [
        written("a1b2c. ", tokens, draw=random.Random(seed), lengths=Calibrated(), text=prose)
        for seed, tokens in enumerate([60, 400] * 8)
    ]
    fit = learned([(len(said.split()), usage(said)) for said in first])
    assert isinstance(fit, Measured)
    assert fit.source == "estimated"
    off = [
        usage(written("d4e5f. ", 250, draw=random.Random(s), lengths=fit.value, text=prose)) / 250
        for s in range(20)
    ]
    assert abs(sum(off) / len(off) - 1) < 0.03


@pytest.mark.parametrize(
    ("pairs", "fit"),
    [
        ([(100, 210), (200, 410)], Calibrated(2.0, 10.0)),
        ([(100, 150), (100, 170)], Calibrated(1.6, 0.0)),
        ([(100, 300), (200, 300)], Calibrated(2.0, 0.0)),
        ([(100, 100), (200, 300)], Calibrated(400 / 300, 0.0)),
        ([(0, 9), (100, 130), (5, 0)], Calibrated(1.3, 0.0)),
    ],
)
def test_words_and_usage_give_the_line_through_them(
    pairs: list[tuple[int, int]], fit: Calibrated
) -> None:
    found = learned(pairs)
    assert isinstance(found, Measured)
    assert found.value.tokens_per_word == pytest.approx(fit.tokens_per_word)
    assert found.value.overhead_tokens == pytest.approx(fit.overhead_tokens, abs=1e-9)


def test_nothing_is_learned_from_nothing() -> None:
    assert isinstance(learned([]), Missing)
    assert isinstance(learned_overhead([]), Missing)


def test_the_tokens_of_a_template_are_known_when_they_are_always_the_same() -> None:
    assert learned_overhead([(50, 61), (80, 91)]) == Measured(11, "derived")
    assert isinstance(learned_overhead([(50, 61), (80, 92)]), Missing)
    assert isinstance(learned_overhead([(50, 49)]), Missing)


def test_tokens_are_counted_where_they_can_be_and_estimated_where_not() -> None:
    route = Counting(by_words)
    assert count("a river, of stones", RawTokens(route)) == 5
    assert count("a river, of stones", MessageTokens(route, 50)) == 5
    assert count("a river, of stones", Calibrated(2.0, 50.0)) == 8
