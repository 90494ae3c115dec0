"""Ratios of sums: Fieller's interval covers, and says so when nothing bounds the ratio."""

import random

import pytest

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.ratios import ratio_estimate


def test_the_ratio_is_that_of_the_sums_and_not_the_mean_of_ratios() -> None:
    assert ratio_estimate([1.0, 3.0], [1.0, 1.0]).value == Measured(2.0, "derived")


def test_nothing_right_leaves_no_ratio() -> None:
    estimate = ratio_estimate([1.0, 2.0], [0.0, 0.0])
    assert isinstance(estimate.value, Missing)
    assert estimate.value.code == "zero_denominator"


def test_a_single_sample_has_a_ratio_and_no_interval() -> None:
    estimate = ratio_estimate([4.0], [2.0])
    assert estimate.value == Measured(2.0, "derived")
    assert isinstance(estimate.low, Missing)


def test_one_right_answer_of_ten_bounds_nothing() -> None:
    estimate = ratio_estimate([1.0] * 10, [1.0] + [0.0] * 9)
    assert estimate.value == Measured(10.0, "derived")
    assert isinstance(estimate.high, Missing)
    assert estimate.high.code == "unbounded"


def test_a_constant_ratio_has_an_interval_of_no_width() -> None:
    estimate = ratio_estimate([2.0, 2.2, 2.4] * 3, [1.0, 1.1, 1.2] * 3)
    assert value_of(estimate.low) == pytest.approx(2.0)
    assert value_of(estimate.high) == pytest.approx(2.0)


@pytest.mark.parametrize("clustered", [False, True])
def test_seconds_per_right_answer_are_covered(clustered: bool) -> None:
    source = random.Random(8)
    rounds = 250
    covered = 0
    for _ in range(rounds):
        seconds, right, labels = [], [], []
        for passage in range(50):
            p = source.betavariate(6, 4)
            for _ in range(4):
                good = source.random() < (p if clustered else 0.6)
                right.append(float(good))
                seconds.append(source.uniform(0.5, 1.5) + (0.0 if good else 0.5))
                labels.append(str(passage))
        estimate = ratio_estimate(seconds, right, labels if clustered else None)
        low, high = value_of(estimate.low), value_of(estimate.high)
        assert low is not None
        assert high is not None
        covered += low <= (1.0 + 0.4 * 0.5) / 0.6 <= high
    assert covered / rounds >= 0.91


def test_what_is_never_below_zero_has_no_bound_below_zero() -> None:
    spent, right = [0.0, 0.0, 90.0, 0.0, 60.0, 0.0], [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    low = value_of(ratio_estimate(spent, right).low)
    assert low == 0.0
    signed = value_of(ratio_estimate([-1.0, *spent[1:]], right).low)
    assert signed is not None
    assert signed < 0
