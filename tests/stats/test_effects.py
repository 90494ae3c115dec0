"""Sizes of effects against statsmodels and scipy, and what clusters do to the odds of flips."""

import math

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from steelyard.domain.reading import Missing, value_of
from steelyard.stats.effects import cohens_d, cohens_h, odds_of_flips
from steelyard.stats.paired import Flips, lower_bound, upper_bound


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.8), (0.5, 0.5), (0.0, 1.0), (0.03, 0.2)])
def test_cohens_h_agrees_with_statsmodels(first: float, second: float) -> None:
    known = proportion_effectsize(first, second)
    assert cohens_h(first, second) == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("lost", "won"), [(8, 3), (3, 8), (40, 40), (1, 9), (900, 1100)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_odds_are_won_over_lost_with_statsmodels_wilson_interval_of_the_share(
    lost: int, won: int, confidence: float
) -> None:
    found = odds_of_flips([True] * won + [False] * lost, confidence=confidence)
    low, high = proportion_confint(won, won + lost, alpha=1 - confidence, method="wilson")
    assert value_of(found.value) == pytest.approx(won / lost)
    assert value_of(found.low) == pytest.approx(low / (1 - low), rel=1e-9)
    assert value_of(found.high) == pytest.approx(high / (1 - high), rel=1e-9)
    assert found.n == lost + won


def test_the_odds_exclude_one_exactly_when_the_loss_excludes_nothing_lost() -> None:
    for lost, won in ((a, b) for a in range(14) for b in range(14) if a + b):
        found = odds_of_flips([True] * won + [False] * lost)
        high = math.inf if isinstance(found.high, Missing) else found.high.value
        flips = Flips(lost, won, 60)
        excluded = lower_bound(flips, 0.025) > 0 or upper_bound(flips, 0.025) < 0
        assert ((value_of(found.low) or 0.0) > 1 or high < 1) == excluded, (lost, won)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 20, 60])
def test_odds_of_whatever_truth_are_covered_as_often_as_promised(count: int) -> None:
    inside = 0.0
    for won in range(count + 1):
        found = odds_of_flips([True] * won + [False] * (count - won))
        low, high = (value_of(end) for end in (found.low, found.high))
        ends = (low or 0) / (1 + (low or 0)), 1.0 if high is None else high / (1 + high)
        # Any share of flips won is as likely as any other: binomial chances, summed over all.
        within = stats.beta.cdf(ends, won + 1, count - won + 1)
        inside += float(within[1] - within[0]) / (count + 1)
    assert 0.935 <= inside <= 0.965


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
