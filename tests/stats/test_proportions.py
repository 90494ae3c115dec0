"""Shares: Wilson's interval against statsmodels, its coverage, and what clustering does to it."""

import random

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.clusters import design_effect, totals
from steelyard.stats.proportions import share_estimate, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 14), (13, 14), (150, 300), (1200, 1200)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_wilson_agrees_with_statsmodels(k: int, n: int, confidence: float) -> None:
    known = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx(known, rel=1e-9, abs=1e-12)


def test_a_share_of_no_items_is_refused() -> None:
    with pytest.raises(ValueError, match="no items"):
        wilson(0, 0)


@pytest.mark.parametrize(("n", "p"), [(14, 0.9), (30, 0.97), (100, 0.5), (300, 0.95)])
def test_wilson_covers_what_it_says_where_wald_does_not(n: int, p: float) -> None:
    covered = sum(
        stats.binom.pmf(k, n, p) for k in range(n + 1) if wilson(k, n)[0] <= p <= wilson(k, n)[1]
    )
    assert 0.93 <= covered <= 0.98


@pytest.mark.parametrize("n", [14, 30, 100, 500, 2000])
def test_shares_of_whatever_truth_are_covered_as_often_as_promised(n: int) -> None:
    inside = 0.0
    for k in range(n + 1):
        # Truths from 30 to 98 % are as likely as each other: binomial chances, summed over them.
        low, high = (min(0.98, max(0.3, end)) for end in wilson(k, n))
        within = stats.beta.cdf([low, high], k + 1, n - k + 1)
        inside += float(within[1] - within[0]) / (n + 1) / 0.68
    assert 0.935 <= inside <= 0.965


def test_a_share_of_no_samples_is_missing_and_not_zero() -> None:
    estimate = share_estimate([])
    assert estimate.n == 0
    assert isinstance(estimate.value, Missing)


def test_independent_items_give_wilsons_interval() -> None:
    estimate = share_estimate([True] * 9 + [False])
    assert estimate.value == Measured(0.9, "derived")
    assert (value_of(estimate.low), value_of(estimate.high)) == wilson(9, 10)


def test_items_that_move_together_count_as_one() -> None:
    hits = [passage % 2 == 0 for passage in range(20) for _ in range(5)]
    labels = [str(passage) for passage in range(20) for _ in range(5)]
    each = 5.0 * (2.093 / 1.960) ** 2  # Student's t of 19 degrees of freedom
    low, high = wilson(50 / each, 100 / each)
    together = share_estimate(hits, labels)
    # 20 passages of 5 identical answers are 20 observations, up to the G/(G-1) correction.
    assert value_of(together.low) == pytest.approx(low, abs=0.01)
    assert value_of(together.high) == pytest.approx(high, abs=0.01)


def test_the_design_effect_is_one_where_nothing_is_shared_or_nothing_varies() -> None:
    assert design_effect([1, 0, 1], ["a", "b", "c"]) == 1.0
    assert design_effect([1, 1, 1], ["a", "a", "b"]) == 1.0


def test_one_cluster_alone_is_one_observation() -> None:
    assert design_effect([1, 0, 1, 0], ["a"] * 4) == 4.0


def test_a_lucky_spread_between_clusters_never_narrows_an_interval() -> None:
    assert design_effect([1, 0, 1, 0], ["a", "a", "b", "b"]) == 1.0


def test_totals_keep_the_order_in_which_clusters_appear() -> None:
    assert totals([1, 2, 3, 4], ["b", "a", "b", "a"]) == [4, 6]


def test_clustered_coverage_holds_where_the_naive_interval_fails() -> None:
    source = random.Random(5)
    naive = clustered = 0
    rounds = 400
    for _ in range(rounds):
        hits, labels = [], []
        for passage in range(40):
            p = source.betavariate(2, 2)  # mean 0.5, strongly different passages
            hits += [source.random() < p for _ in range(5)]
            labels += [str(passage)] * 5
        low, high = wilson(sum(hits), len(hits))
        naive += low <= 0.5 <= high
        estimate = share_estimate(hits, labels)
        clustered += (value_of(estimate.low) or 0) <= 0.5 <= (value_of(estimate.high) or 0)
    assert naive / rounds < 0.90
    assert clustered / rounds >= 0.92
