"""The beta-binomial share: scipy's likelihood, brute maximisation, and simulated passages."""

import math
import random

import pytest
from scipy import optimize, stats

from steelyard.domain.reading import Missing, value_of
from steelyard.stats.betabinomial import _tally, clustered_share

HITS, SIZES = [5, 4, 0, 3, 5, 1, 5, 2], [5, 5, 5, 4, 5, 3, 5, 5]


def spread(hits: list[int], sizes: list[int]) -> tuple[list[bool], list[str]]:
    flat = [place < k for k, n in zip(hits, sizes, strict=True) for place in range(n)]
    return flat, [str(c) for c, n in enumerate(sizes) for _ in range(n)]


def by_scipy(mean: float, alike: float) -> float:
    scale = (1 - alike) / alike
    a, b = mean * scale, (1 - mean) * scale
    return float(
        sum(
            stats.betabinom.logpmf(k, n, a, b) - math.log(math.comb(n, k))
            for k, n in zip(HITS, SIZES, strict=True)
        )
    )


@pytest.mark.parametrize("mean", [0.1, 0.62, 0.99])
@pytest.mark.parametrize("alike", [0.01, 0.3, 0.9])
def test_the_likelihood_is_scipys(mean: float, alike: float) -> None:
    found = _tally(HITS, SIZES).at(mean, alike)
    assert found == pytest.approx(by_scipy(mean, alike), rel=1e-9)


def test_without_correlation_it_is_the_binomial_likelihood() -> None:
    k, n = sum(HITS), sum(SIZES)
    known = k * math.log(0.6) + (n - k) * math.log(0.4)
    assert _tally(HITS, SIZES).at(0.6, 0.0) == pytest.approx(known, rel=1e-12)


def test_the_ends_are_where_the_profile_has_fallen_by_half_the_squared_quantile() -> None:
    found = clustered_share(*spread(HITS, SIZES))

    def profile(mean: float) -> float:
        best = optimize.minimize_scalar(
            lambda rho: -by_scipy(mean, rho), bounds=(1e-9, 0.9999), method="bounded",
            options={"xatol": 1e-11},
        )  # fmt: skip
        return -float(best.fun)

    highest = optimize.minimize_scalar(lambda m: -profile(m), bounds=(0.3, 0.9), method="bounded")
    assert value_of(found.value) == pytest.approx(highest.x, abs=1e-4)
    least = -highest.fun - stats.chi2.ppf(0.95, 1) / 2
    for end in (found.low, found.high):
        assert profile(value_of(end) or 0.0) == pytest.approx(least, abs=1e-6)


def test_all_right_ends_at_one_and_all_wrong_at_zero() -> None:
    labels = [str(n // 5) for n in range(100)]
    right, wrong = clustered_share([True] * 100, labels), clustered_share([False] * 100, labels)
    assert (value_of(right.value), value_of(right.high)) == (1.0, 1.0)
    assert 0.8 < (value_of(right.low) or 0) < 1
    assert (value_of(wrong.value), value_of(wrong.low)) == (0.0, 0.0)
    assert value_of(wrong.high) == pytest.approx(1 - (value_of(right.low) or 0), abs=1e-9)


def test_passages_that_differ_widen_it_as_far_as_counting_passages_does() -> None:
    hits = [passage % 2 == 0 for passage in range(40) for _ in range(5)]
    found = clustered_share(hits, [str(passage) for passage in range(40) for _ in range(5)])
    alone = clustered_share(hits[::5], [str(passage) for passage in range(40)])
    assert value_of(found.low) == pytest.approx(value_of(alone.low), abs=0.01)
    assert value_of(found.high) == pytest.approx(value_of(alone.high), abs=0.01)


def test_one_passage_and_no_item_have_no_interval() -> None:
    assert isinstance(clustered_share([True, False], ["a", "a"]).low, Missing)
    assert isinstance(clustered_share([], []).value, Missing)


def test_it_covers_the_mean_of_passages_that_differ() -> None:
    source = random.Random(8)
    covered = 0
    for _ in range(100):
        hits, labels = [], []
        for passage in range(40):
            p = source.betavariate(4, 1)
            hits += [source.random() < p for _ in range(5)]
            labels += [str(passage)] * 5
        found = clustered_share(hits, labels)
        covered += (value_of(found.low) or 0) <= 0.8 <= (value_of(found.high) or 0)
    assert covered >= 90
