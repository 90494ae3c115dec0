"""Where a formula has a special case: its ends, its ties, few clusters and none that differ."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.bootstrap import CLUSTERS_MIN, clustered_mean
from steelyard.stats.clusters import design_effect, items_per_independent, moderated_effect
from steelyard.stats.families import holm, holm_levels
from steelyard.stats.paired import Flips, lower_bound, upper_bound
from steelyard.stats.power import items_to_decide, smallest_visible_loss
from steelyard.stats.proportions import mean_share_estimate, wilson


def test_a_p_value_at_its_very_level_is_rejected_and_the_next_is_tested_at_its_own() -> None:
    p_values = [0.025, 0.05, 0.9]
    assert holm_levels([0.025, 0.05], 0.05) == (0.025, 0.05)
    assert holm_levels([0.03, 0.05], 0.05) == (0.025, 0.025)
    levels = holm_levels([p / 1.5 for p in p_values], 0.05)
    shown = [p / 1.5 <= level for p, level in zip(p_values, levels, strict=True)]
    assert shown == [p <= 0.05 for p in holm([p / 1.5 for p in p_values])]


def test_few_clusters_are_worth_fewer_items_by_the_square_of_students_t() -> None:
    values, clusters = [True] * 4 + [False] * 4 + [True, False], [*"aaaabbbbcc"]
    wider = float(stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975))
    assert items_per_independent(values, clusters, 0.95) == pytest.approx(
        design_effect(values, clusters) * wider**2
    )


def test_passages_in_which_flips_cancel_are_worth_no_more_than_their_items() -> None:
    flips, clusters = [1, -1] * 30, [str(n // 2) for n in range(60)]
    assert moderated_effect(flips, clusters) == 1.0


@pytest.mark.parametrize("n", [1, 2, 9, 10, 17, 23, 32, 1000])
def test_none_of_any_number_has_a_lower_end_of_exactly_zero_and_all_an_upper_of_one(n: int) -> None:
    assert wilson(0, n)[0] == 0.0
    assert wilson(n, n)[1] == 1.0
    assert 0 < wilson(n, n)[0] < 1


def test_a_mean_of_shares_rests_on_no_more_trials_than_there_were() -> None:
    """Items that all have a half scatter not at all: their trials bound the mean, not nothing."""
    found = mean_share_estimate([0.5] * 10, [*"abcdefghij"], most=40)
    assert (value_of(found.low), value_of(found.high)) == pytest.approx(wilson(20, 40))
    nearly = mean_share_estimate([0.5] * 9 + [0.51], [*"abcdefghij"], most=40)
    assert value_of(nearly.high) == pytest.approx(wilson(0.501 * 40, 40)[1])


def test_a_mean_of_shares_rests_on_no_fewer_trials_than_clusters() -> None:
    """All or nothing in three clusters: Student's t would leave less than three trials."""
    found = mean_share_estimate([1.0, 0.0, 1.0], [*"abc"], most=12)
    assert (value_of(found.low), value_of(found.high)) == pytest.approx(wilson(2, 3))


def test_clusters_drawn_again_bound_a_mean_as_students_t_does() -> None:
    """Percentiles of the draws alone are too near by the square root of 20/19, and by t for z."""
    values = [float(stats.norm.ppf((n + 0.5) / CLUSTERS_MIN)) for n in range(CLUSTERS_MIN)]
    found = clustered_mean(values, [str(n) for n in range(CLUSTERS_MIN)], seed=1, draws=200_000)
    spread = math.sqrt(sum(v * v for v in values) / (CLUSTERS_MIN - 1) / CLUSTERS_MIN)
    half = float(stats.t.ppf(0.975, CLUSTERS_MIN - 1)) * spread
    assert value_of(found.high) == pytest.approx(half, rel=0.015)
    assert value_of(found.low) == pytest.approx(-half, rel=0.015)
    few = clustered_mean(values[1:], [str(n) for n in range(CLUSTERS_MIN - 1)], seed=1)
    assert isinstance(few.low, Missing)
    assert isinstance(few.value, Measured)


def test_either_side_decides_at_its_own_level() -> None:
    """A loss of a tenth of the items: shown to be above nothing long before it is below all."""
    seen = Flips(12, 2, 100)
    loose, strict = (
        items_to_decide(seen, 100, margin=0.0, alpha_low=low, alpha_high=high)
        for low, high in ((0.1, 0.001), (0.001, 0.1))
    )
    assert loose is not None
    assert strict is not None
    for needed, alpha in ((loose, 0.1), (strict, 0.001)):
        before, then = (
            Flips(seen.lost * n / 100, seen.won * n / 100, n) for n in (needed - 1, needed)
        )
        assert lower_bound(before, alpha) <= 0 < lower_bound(then, alpha)


def test_more_passages_tell_the_spread_more_surely_and_are_counted_on() -> None:
    """With as few degrees of freedom as now it would take more items than it will."""
    seen = Flips(1, 1, 30, df=2)
    needed = items_to_decide(seen, 30, margin=0.03)
    assert needed is not None
    as_now = Flips(needed / 30, needed / 30, needed, df=2)
    assert upper_bound(as_now, 0.025) > 0.03
    by_then = Flips(needed / 30, needed / 30, needed, df=round(3 * needed / 30) - 1)
    assert upper_bound(by_then, 0.025) < 0.03


def test_the_smallest_loss_that_shows_is_connors() -> None:
    """With few items its second term matters: without it the loss would be larger."""
    items, discordance = 40, 0.2
    loss = smallest_visible_loss(items, discordance)
    flipping = discordance + loss
    z_level, z_power = float(stats.norm.ppf(0.975)), float(stats.norm.ppf(0.8))
    assert loss * math.sqrt(items) == pytest.approx(
        z_level * math.sqrt(flipping) + z_power * math.sqrt(flipping - loss**2)
    )
    assert smallest_visible_loss(3, discordance) == 1.0


def test_a_mean_of_shares_rests_on_as_many_trials_as_would_scatter_as_much() -> None:
    found = mean_share_estimate([0.4, 0.6, 0.5, 0.5], [*"abcd"], most=1000)
    wider = float(stats.t.ppf(0.975, 3) / stats.norm.ppf(0.975))
    trials = 0.25 / wider**2 / (0.02 * 4 / 3 / 16)
    assert 50 < trials < 60
    assert value_of(found.low) == pytest.approx(wilson(trials / 2, trials)[0])


def test_clusters_of_other_sizes_are_drawn_with_all_their_items() -> None:
    """Ten of one item lost and ten of nine kept are a loss of a tenth, and not of a half."""
    clusters = [f"one{n}" for n in range(10)] + [f"nine{n // 9}" for n in range(90)]
    found = clustered_mean([1.0] * 10 + [0.0] * 90, clusters, seed=1)
    assert (value_of(found.low) or 1) < 0.1 < (value_of(found.high) or 0) < 0.35
