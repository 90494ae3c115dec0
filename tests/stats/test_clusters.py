"""Design effects: what is seen of passages, and what is expected of them before anything is."""

import pytest

from steelyard.stats.clusters import (
    EXPECTED_ALIKE,
    EXPECTED_FLIPS,
    design_effect,
    moderated_df,
    moderated_effect,
)

FIVES = [str(item // 5) for item in range(200)]


def test_items_of_their_own_have_no_design_effect_and_one_cluster_alone_is_one_item() -> None:
    assert moderated_effect([1, 0, -1], ["a", "b", "c"]) == 1.0
    assert moderated_effect([1, 0, 0, 0], ["a"] * 4) == 4.0
    assert moderated_df(1) == 1


def test_without_a_flip_the_expected_correlation_stands_in() -> None:
    assert moderated_effect([0] * 200, FIVES) == pytest.approx(1 + 4 * EXPECTED_ALIKE)


def test_among_passages_of_unlike_size_an_items_own_counts() -> None:
    labels = ["big"] * 10 + [str(item) for item in range(10)]
    size = (10 * 10 + 10) / 20
    assert moderated_effect([0] * 20, labels) == pytest.approx(1 + (size - 1) * EXPECTED_ALIKE)


def test_each_flip_seen_counts_against_the_expected_ones() -> None:
    # Ten flips, each alone in its passage: they look independent, and a little less than expected.
    changes = [1 if item % 20 == 0 else 0 for item in range(200)]
    expected = 1 + 4 * EXPECTED_ALIKE
    naive = 10 * (1 - 10 / 200) * 200 / 199
    lone = [(0.95 - 4 * 0.05) ** 2] * 10 + [(5 * 0.05) ** 2] * 30
    robust = sum(lone) * 40 / 39
    known = (robust + EXPECTED_FLIPS * expected) / (naive + EXPECTED_FLIPS)
    assert moderated_effect(changes, FIVES) == pytest.approx(known)
    assert design_effect(changes, FIVES) == 1.0


def test_with_many_flips_it_is_what_is_seen() -> None:
    changes = [1 if passage % 2 else 0 for passage in range(2000) for _ in range(5)]
    labels = [str(passage) for passage in range(2000) for _ in range(5)]
    seen = design_effect(changes, labels)
    assert seen == pytest.approx(5, rel=0.01)
    assert moderated_effect(changes, labels) == pytest.approx(seen, rel=0.01)
