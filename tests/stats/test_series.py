"""Series: intervals cover the truth as often as they say, however much neighbours hang together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean_estimate
from steelyard.stats.quantiles import quantile_estimate
from steelyard.stats.series import (
    Statistic,
    block_length,
    series_estimate,
)

Column = NDArray[Any]


def identity(series: Column) -> Column:
    return series


def students_t3(series: Column) -> Column:
    drawn: Column = stats.t.ppf(stats.norm.cdf(series), 3)
    return drawn


# Each with its true mean; quantiles follow from those of the normal law.
LOGNORMAL: Final = (np.exp, math.exp(0.5))
HEAVY: Final = (students_t3, 0.0)
NORMAL: Final = (identity, 0.0)


def autoregressive(source: np.random.Generator, n: int, rho: float) -> Column:
    """A stationary AR(1) of unit variance."""
    shocks = source.standard_normal(n) * math.sqrt(1 - rho * rho)
    shocks[0] = source.standard_normal()
    series: Column = signal.lfilter([1.0], [1.0, -rho], shocks)
    return series


def bounds(estimate: Estimate) -> tuple[float, float]:
    low, high = value_of(estimate.low), value_of(estimate.high)
    assert low is not None
    assert high is not None
    return low, high


def coverage(
    n: int,
    rho: float,
    statistic: Statistic,
    replays: int,
    law: tuple[Callable[[Column], Column], float] = NORMAL,
) -> float:
    shape, mean = law
    truth = mean if statistic == "mean" else float(shape(np.array(stats.norm.ppf(statistic))))
    source = np.random.default_rng([n, round(100 * rho)])
    covered = 0
    for replay in range(replays):
        series = shape(autoregressive(source, n, rho))
        low, high = bounds(series_estimate(series, statistic, seed=replay, draws=500))
        covered += low <= truth <= high
    return covered / replays


@pytest.mark.parametrize("statistic", ["mean", 0.5, 0.9])
@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_an_interval_covers_the_truth(rho: float, statistic: Statistic) -> None:
    # 200 replays: 95 % is found within 3 standard errors of 1.5 % each.
    assert 0.905 <= coverage(1000, rho, statistic, 200) <= 0.995


@pytest.mark.full
@pytest.mark.parametrize("statistic", ["mean", 0.5, 0.9])
@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("n", [1000, 2000])
def test_the_coverage_is_the_nominal_one_within_two_points(
    n: int, rho: float, statistic: Statistic
) -> None:
    assert 0.93 <= coverage(n, rho, statistic, 2000) <= 0.97


@pytest.mark.full
@pytest.mark.parametrize("law", [LOGNORMAL, HEAVY], ids=["lognormal", "t3"])
@pytest.mark.parametrize("statistic", ["mean", 0.5, 0.9])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_skew_and_heavy_tails_cost_little_coverage(
    rho: float, statistic: Statistic, law: tuple[Callable[[Column], Column], float]
) -> None:
    assert 0.915 <= coverage(1000, rho, statistic, 1000, law) <= 0.975


def test_the_interval_that_takes_neighbours_for_independent_is_too_narrow() -> None:
    source = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        low, high = bounds(mean_estimate(list(autoregressive(source, 1000, 0.8))))
        covered += low <= 0 <= high
    assert covered / 200 < 0.65


@pytest.mark.parametrize("rho", [0.4, 0.8])
def test_blocks_have_the_length_that_theory_gives(rho: float) -> None:
    # (3/2)^(1/3) · (2ρ/(1 - ρ²))^(2/3) · n^(1/3), for the AR(1) and circular blocks.
    known = 1.5 ** (1 / 3) * (2 * rho / (1 - rho**2)) ** (2 / 3) * 2000 ** (1 / 3)
    source = np.random.default_rng(6)
    found = [block_length(autoregressive(source, 2000, rho)) for _ in range(60)]
    assert np.median(found) == pytest.approx(known, rel=0.25)


def test_independent_samples_need_hardly_any_blocks() -> None:
    source = np.random.default_rng(6)
    assert np.median([block_length(source.standard_normal(2000)) for _ in range(60)]) <= 3


def test_independent_samples_have_nearly_the_interval_of_order_statistics() -> None:
    series = list(np.random.default_rng(1).standard_normal(2000))
    for q in (0.5, 0.9, 0.99):
        exact, blocks = quantile_estimate(series, q), series_estimate(series, q, seed=0)
        assert blocks.value == exact.value
        (low, high), (known_low, known_high) = bounds(blocks), bounds(exact)
        assert high - low == pytest.approx(known_high - known_low, rel=0.25)


def test_a_percentile_is_refused_below_its_floor() -> None:
    series = [float(x % 17) for x in range(298)]
    estimate = series_estimate(series, 0.99, seed=0)
    assert estimate.value == Missing("below_sample_floor", "p99 takes 299 samples; there are 298")


def test_a_percentile_is_refused_where_many_samples_are_worth_few() -> None:
    series = autoregressive(np.random.default_rng(2), 1000, 0.8)
    estimate = series_estimate(series, 0.99, seed=0)
    assert isinstance(estimate.value, Missing)
    assert estimate.value == estimate.low == estimate.high
    assert estimate.value.code == "below_sample_floor"
    assert "there are 1000, which hang together" in estimate.value.detail
    assert isinstance(series_estimate(series, 0.9, seed=0).low, Measured)


def test_the_interval_is_that_of_the_seed_and_never_another() -> None:
    series = autoregressive(np.random.default_rng(2), 500, 0.4)
    once = series_estimate(series, "mean", seed=1)
    assert once == series_estimate(list(series), "mean", seed=1)
    assert once != series_estimate(series, "mean", seed=2)
    assert once != series_estimate(series, "mean", seed=1, draws=300)


def test_an_interval_of_lower_confidence_is_narrower_and_within() -> None:
    series = autoregressive(np.random.default_rng(2), 1000, 0.4)
    for statistic in ("mean", 0.9):
        low, high = bounds(series_estimate(series, statistic, seed=1))
        inner_low, inner_high = bounds(series_estimate(series, statistic, seed=1, confidence=0.8))
        assert low < inner_low < inner_high < high


def test_a_series_too_short_for_blocks_has_a_value_and_no_interval() -> None:
    estimate = series_estimate([1.0, 2.0, 3.0], "mean", seed=0)
    assert value_of(estimate.value) == 2.0
    assert isinstance(estimate.low, Missing)
    median = series_estimate([float(x) for x in range(9)], 0.5, seed=0)
    assert value_of(median.value) == 4.0
    assert isinstance(median.high, Missing)
    assert isinstance(series_estimate([], "mean", seed=0).value, Missing)


def test_a_series_of_one_value_is_sure_of_it() -> None:
    for statistic in ("mean", 0.9):
        assert bounds(series_estimate([0.1] * 60, statistic, seed=0)) == pytest.approx((0.1, 0.1))


def test_one_outlier_among_equals_bounds_nothing_above() -> None:
    estimate = series_estimate([0.1] * 300 + [5.0], "mean", seed=0)
    assert isinstance(estimate.value, Measured)
    assert isinstance(estimate.high, Missing)
    assert estimate.high.code == "unbounded"


def test_a_million_samples_are_no_more_blocks_than_a_thousand() -> None:
    series = np.random.default_rng(2).standard_normal(1_000_000)
    low, high = bounds(series_estimate(series, "mean", seed=0, draws=200))
    assert high - low == pytest.approx(2 * 1.96 / 1000, rel=0.2)


def test_what_is_no_series_is_turned_down() -> None:
    with pytest.raises(ValueError, match="finite"):
        series_estimate([1.0, math.inf] * 20, "mean", seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        series_estimate([1.0] * 20, 1.0, seed=0)
