"""Means and spreads: scipy's intervals, simulated coverage, and refusals of what says nothing."""

import random
from statistics import median

import numpy as np
import pytest
from scipy import stats

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Estimate
from steelyard.stats.means import (
    batch_means,
    bootstrap,
    cv_estimate,
    mean_estimate,
    skewed_mean,
)


def bounds(estimate: Estimate) -> tuple[float, float]:
    low, high = value_of(estimate.low), value_of(estimate.high)
    assert low is not None
    assert high is not None
    return low, high


def test_the_mean_has_students_interval() -> None:
    values = [3.1, 2.9, 3.4, 3.3, 2.7]
    known = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert bounds(mean_estimate(values)) == pytest.approx(known, rel=1e-9)


def test_one_value_has_a_mean_and_no_interval() -> None:
    estimate = mean_estimate([2.0])
    assert estimate.value == Measured(2.0, "derived")
    assert estimate.low == estimate.high == Missing("too_few_samples", "one sample has no spread")


def test_no_value_has_no_mean() -> None:
    assert isinstance(mean_estimate([]).value, Missing)


def test_the_ends_of_a_skewed_mean_are_where_halls_transformation_is_students() -> None:
    values = [0.4, 0.5, 0.6, 0.7, 0.9, 1.1, 1.6, 3.9]
    n, skewness = len(values), float(stats.skew(values, bias=False))
    reach = stats.t.ppf(0.975, n - 1) / n**0.5
    found = bounds(skewed_mean(values))
    for end, known in zip(found, (reach, -reach), strict=True):
        u = (np.mean(values) - end) / np.std(values, ddof=1)
        cubic = u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * n)
        assert cubic == pytest.approx(known, rel=1e-9)
    low, high = bounds(mean_estimate(values))
    assert low < found[0]
    assert high < found[1]


def test_a_mean_without_skewness_or_spread_has_students_interval() -> None:
    for values in ([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0], [1.0, 5.0], [3.0], []):
        assert skewed_mean(values) == mean_estimate(values)


def test_means_of_skewed_times_cover_what_they_say_and_students_do_not() -> None:
    source = random.Random(3)
    rounds, skewed, plain = 3000, 0, 0
    for _ in range(rounds):
        times = [source.expovariate(1.0) for _ in range(14)]
        low, high = bounds(skewed_mean(times))
        skewed += low <= 1 <= high
        low, high = bounds(mean_estimate(times))
        plain += low <= 1 <= high
    assert 0.93 < skewed / rounds < 0.97
    assert plain / rounds < 0.925


def test_batch_means_cover_where_neighbours_resemble_each_other() -> None:
    source = random.Random(2)
    plain = batched = 0
    rounds = 200
    for _ in range(rounds):
        value, series = 0.0, []
        for _ in range(600):
            value = 0.8 * value + source.gauss(0, 1)
            series.append(value)
        low, high = bounds(mean_estimate(series))
        plain += low <= 0 <= high
        low, high = bounds(batch_means(series, batches=10))
        batched += low <= 0 <= high
    assert plain / rounds < 0.7
    assert batched / rounds >= 0.9


def test_a_series_shorter_than_its_batches_has_a_mean_and_no_interval() -> None:
    estimate = batch_means([1.0, 2.0, 3.0])
    assert value_of(estimate.value) == 2.0
    assert isinstance(estimate.low, Missing)


@pytest.mark.parametrize("n", [10, 30])
def test_the_spreads_interval_covers_the_true_one(n: int) -> None:
    source = random.Random(n)
    rounds = 400
    covered = 0
    for _ in range(rounds):
        low, high = bounds(cv_estimate([source.gauss(1, 0.05) for _ in range(n)]))
        covered += low <= 0.05 <= high
    assert 0.92 <= covered / rounds <= 0.98


def test_the_spread_is_the_sample_deviation_over_the_mean() -> None:
    values = [9.0, 10.0, 11.0, 10.5]
    known = float(np.std(values, ddof=1) / np.mean(values))
    assert value_of(cv_estimate(values).value) == pytest.approx(known, rel=1e-12)


def test_a_wild_spread_of_ten_samples_is_not_bounded_above() -> None:
    estimate = cv_estimate([0.01] * 9 + [5.0])
    assert isinstance(estimate.value, Measured)
    assert isinstance(estimate.high, Missing)


@pytest.mark.parametrize(
    ("values", "code"), [([1.0], "too_few_samples"), ([-1.0, 1.0], "mean_not_positive")]
)
def test_a_spread_that_means_nothing_is_refused(values: list[float], code: str) -> None:
    estimate = cv_estimate(values)
    assert isinstance(estimate.value, Missing)
    assert estimate.value.code == code


def test_the_bootstrap_is_the_same_for_the_same_seed_and_near_the_truth() -> None:
    source = random.Random(1)
    groups = [[source.gauss(5, 1)] for _ in range(60)]
    low, high = bootstrap(groups, median, seed=4, draws=300)
    assert (low, high) == bootstrap(groups, median, seed=4, draws=300)
    assert (low, high) != bootstrap(groups, median, seed=5, draws=300)
    assert low < 5.2
    assert high > 4.8
    assert high - low < 1.2


def test_the_bootstrap_draws_groups_whole() -> None:
    groups = [[0.0] * 50, [1.0] * 50, [0.0] * 50, [1.0] * 50]
    low, high = bootstrap(groups, lambda xs: sum(xs) / len(xs), seed=1, draws=200)
    assert high - low >= 0.75  # 200 independent values would give 0.14
