"""Percentiles: numpy's points, intervals that cover, and a refusal below the floor."""

import random

import numpy as np
import pytest

from steelyard.domain.reading import Missing, value_of
from steelyard.stats.quantiles import quantile, quantile_estimate, sample_floor


@pytest.mark.parametrize(("q", "floor"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.05, 59)])
def test_floors_are_where_the_widest_interval_first_covers(q: float, floor: int) -> None:
    assert sample_floor(q) == floor
    assert 1 - q**floor - (1 - q) ** floor >= 0.95
    assert 1 - q ** (floor - 1) - (1 - q) ** (floor - 1) < 0.95


@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("q", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_points_are_numpys(n: int, q: float) -> None:
    source = random.Random(n)
    values = [source.random() for _ in range(n)]
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-12)


def test_a_percentile_below_its_floor_is_refused_and_says_what_it_takes() -> None:
    estimate = quantile_estimate([1.0] * 58, 0.95)
    assert estimate.value == Missing("below_sample_floor", "p95 takes 59 samples; there are 58")
    assert estimate.n == 58


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("extra", [0, 1, 20, 300])
def test_the_interval_covers_the_true_quantile(q: float, extra: int) -> None:
    source = random.Random(7)
    n = sample_floor(q) + extra
    rounds = 400
    covered = 0
    for _ in range(rounds):
        estimate = quantile_estimate([source.random() for _ in range(n)], q)
        low, high = value_of(estimate.low), value_of(estimate.high)
        assert low is not None
        assert high is not None
        covered += low <= q <= high
    assert covered / rounds >= 0.93


def test_at_the_floor_the_interval_is_the_whole_sample() -> None:
    estimate = quantile_estimate([float(x) for x in range(59)], 0.95)
    assert value_of(estimate.high) == 58.0
    low = quantile_estimate([float(x) for x in range(59)], 0.05)
    assert value_of(low.low) == 0.0
