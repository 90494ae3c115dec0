"""Sizes of effects against statsmodels and scipy, and what clusters do to the odds of flips."""

import math

import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_effectsize

from steelyard.domain.reading import Missing, value_of
from steelyard.stats.effects import clopper_pearson, cohens_d, cohens_h, odds_of_flips


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.8), (0.5, 0.5), (0.0, 1.0), (0.03, 0.2)])
def test_cohens_h_agrees_with_statsmodels(first: float, second: float) -> None:
    known = proportion_effectsize(first, second)
    assert cohens_h(first, second) == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("k", "n"), [(0, 1), (1, 1), (0, 14), (13, 14), (150, 300), (1200, 1200), (7, 2000)]
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_exact_interval_agrees_with_scipy(k: int, n: int, confidence: float) -> None:
    known = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    assert clopper_pearson(k, n, confidence) == pytest.approx((known.low, known.high), rel=1e-9)


@pytest.mark.parametrize(("lost", "won"), [(8, 3), (3, 8), (40, 40), (1, 9)])
def test_the_odds_are_won_over_lost_with_the_exact_interval_of_the_share(
    lost: int, won: int
) -> None:
    found = odds_of_flips([True] * won + [False] * lost)
    known = stats.binomtest(won, won + lost).proportion_ci(0.95, method="exact")
    assert value_of(found.value) == pytest.approx(won / lost)
    assert value_of(found.low) == pytest.approx(known.low / (1 - known.low), rel=1e-9)
    assert value_of(found.high) == pytest.approx(known.high / (1 - known.high), rel=1e-9)
    assert found.n == lost + won


@pytest.mark.parametrize(("lost", "won"), [(6, 0), (5, 0), (11, 2), (11, 3), (0, 6), (2, 11)])
def test_the_odds_exclude_one_exactly_when_mcnemar_shows_a_difference(lost: int, won: int) -> None:
    found = odds_of_flips([True] * won + [False] * lost)
    high = math.inf if isinstance(found.high, Missing) else found.high.value
    outside = (value_of(found.low) or 0.0) > 1 or high < 1
    assert outside == (mcnemar([[50, lost], [won, 50]], exact=True).pvalue < 0.05)


def test_flips_of_one_sort_leave_one_end_open() -> None:
    only_won = odds_of_flips([True] * 7)
    assert isinstance(only_won.value, Missing)
    assert isinstance(only_won.high, Missing)
    assert (value_of(only_won.low) or 0) > 1
    assert value_of(odds_of_flips([False] * 7).low) == 0.0
    assert isinstance(odds_of_flips([]).low, Missing)


def test_flips_that_hang_together_widen_the_odds() -> None:
    won = [passage % 3 == 0 for passage in range(30) for _ in range(4)]
    labels = [str(passage) for passage in range(30) for _ in range(4)]
    alone, together = odds_of_flips(won), odds_of_flips(won, labels)
    assert together.value == alone.value
    assert (value_of(together.low) or 0) < (value_of(alone.low) or 0)
    assert (value_of(together.high) or 0) > (value_of(alone.high) or 0)
    assert odds_of_flips(won, [str(n) for n in range(120)]) == alone


def test_cohens_d_of_pairs_is_the_mean_by_the_spread() -> None:
    assert value_of(cohens_d([0.0, 0.5, 0.5, 1.0])) == pytest.approx(0.5 / 0.408248, rel=1e-5)
    assert isinstance(cohens_d([0.2, 0.2]), Missing)
    assert isinstance(cohens_d([1.0]), Missing)
