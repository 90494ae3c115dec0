"""Clusters drawn again: the same numbers twice, the spread that the sandwich has, and coverage."""

import math
import random

import pytest
from scipy import stats

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.bootstrap import CLUSTERS_MIN, clustered_mean
from steelyard.stats.clusters import totals


def lost_by_passage(source: random.Random, passages: int) -> tuple[list[int], list[str]]:
    values, labels = [], []
    for passage in range(passages):
        p = 0.4 if source.random() < 0.25 else 0.0
        values += [1 if source.random() < p else 0 for _ in range(5)]
        labels += [str(passage)] * 5
    return values, labels


def test_the_same_seed_draws_the_same_clusters() -> None:
    values, labels = lost_by_passage(random.Random(1), 61)
    values, labels = values[:-3], labels[:-3]

    def drawn(seed: int) -> object:
        return clustered_mean(values, labels, seed=seed, draws=150)

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_with_many_clusters_it_is_the_interval_of_their_means() -> None:
    values, labels = lost_by_passage(random.Random(2), 400)
    found = clustered_mean(values, labels, seed=0, draws=20_000)
    means = [total / 5 for total in totals(values, labels)]
    half = stats.t.ppf(0.975, 399) * math.sqrt(stats.tvar(means) / 400)
    centre = sum(values) / len(values)
    assert value_of(found.value) == pytest.approx(centre)
    assert value_of(found.low) == pytest.approx(centre - half, abs=0.005)
    assert value_of(found.high) == pytest.approx(centre + half, abs=0.005)


def test_clusters_of_unlike_size_count_by_their_items() -> None:
    values = [1, 1, 1, 1] + [0] * 60
    labels = ["big"] * 4 + [str(n) for n in range(60)]
    assert value_of(clustered_mean(values, labels, seed=0).value) == 4 / 64


def test_few_clusters_clusters_all_alike_and_no_items_have_no_interval() -> None:
    few = clustered_mean([1, 0] * 5, [str(n) for n in range(10)], seed=0)
    assert isinstance(few.low, Missing)
    assert str(CLUSTERS_MIN) in few.low.detail
    alike = clustered_mean([0] * 80, [str(n // 2) for n in range(80)], seed=0)
    assert isinstance(alike.high, Missing)
    assert alike.value == Measured(0.0, "derived")
    assert isinstance(clustered_mean([], [], seed=0).value, Missing)


def test_it_covers_the_true_loss() -> None:
    source = random.Random(3)
    covered = 0
    for _ in range(200):
        values, labels = lost_by_passage(source, 60)
        found = clustered_mean(values, labels, seed=0, draws=1000)
        covered += (value_of(found.low) or 0) <= 0.1 <= (value_of(found.high) or 0)
    assert covered >= 182
