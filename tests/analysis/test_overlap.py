"""Overlap of texts: what is planted comes back, and chance is not taken for it."""

from __future__ import annotations

import random

import pytest

from steelyard.analysis.overlap import RUN_TOKENS, share


def tokens(seed: int, count: int, vocabulary: int = 2000) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(vocabulary) for _ in range(count)]


def test_a_text_is_all_in_itself_and_strangers_share_nothing() -> None:
    ours, theirs = tokens(1, 5000), tokens(2, 5000)
    assert share(ours, ours) == 1
    assert share(ours, theirs) == 0


@pytest.mark.parametrize("planted", [RUN_TOKENS, 100, 700])
def test_a_planted_passage_is_found_whole_wherever_it_stands(planted: int) -> None:
    ours, theirs = tokens(1, 1000), tokens(2, 3000)
    theirs[517 : 517 + planted] = ours[123 : 123 + planted]
    assert share(ours, theirs) == planted / 1000


def test_a_run_one_token_short_of_the_limit_is_no_overlap() -> None:
    ours, theirs = tokens(1, 1000), tokens(2, 1000)
    theirs[7 : 7 + RUN_TOKENS - 1] = ours[100 : 100 + RUN_TOKENS - 1]
    assert share(ours, theirs) == 0


def test_the_same_tokens_in_another_order_are_no_overlap() -> None:
    ours = tokens(1, RUN_TOKENS)
    assert share(ours, list(reversed(ours))) == 0


def test_texts_shorter_than_a_run_overlap_with_nothing() -> None:
    short = tokens(1, RUN_TOKENS - 1)
    assert share(short, short) == 0
    assert share([], short) == 0
