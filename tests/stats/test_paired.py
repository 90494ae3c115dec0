"""The paired loss: against a maximum-likelihood oracle, statsmodels, and simulated truth."""

import math
import random

import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar

from steelyard.stats.clusters import EXPECTED_CLUSTERS
from steelyard.stats.paired import (
    Flips,
    flips,
    loss_interval,
    lower_bound,
    mcnemar_exact,
    p_loss_above,
    p_loss_below,
    p_not_equivalent,
    tango_z,
    upper_bound,
)
from steelyard.stats.special import normal_quantile


def by_likelihood(lost: int, won: int, n: int, at: float) -> float:
    """The score statistic, with the restricted share found by brute maximisation."""

    def against(won_share: float) -> float:
        lost_share = won_share + at
        same = 1 - lost_share - won_share
        return -(
            lost * math.log(max(lost_share, 1e-300))
            + won * math.log(max(won_share, 1e-300))
            + (n - lost - won) * math.log(max(same, 1e-300))
        )

    low, high = max(0.0, -at), (1 - at) / 2
    best = minimize_scalar(against, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    variance = n * (2 * best.x + at * (1 - at))
    return (lost - won - n * at) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("lost", "won", "n"), [(8, 3, 100), (150, 86, 1600), (2, 2, 30), (12, 1, 60), (3, 9, 40)]
)
@pytest.mark.parametrize("at", [-0.1, -0.02, 0.01, 0.03, 0.2])
def test_the_score_statistic_is_the_constrained_likelihoods(
    lost: int, won: int, n: int, at: float
) -> None:
    ours = tango_z(Flips(lost, won, n), at)
    assert ours == pytest.approx(by_likelihood(lost, won, n, at), abs=1e-5)


@pytest.mark.parametrize(("lost", "won"), [(15, 6), (6, 15), (1, 0), (400, 333)])
def test_at_no_difference_the_score_is_statsmodels_mcnemars(lost: int, won: int) -> None:
    known = mcnemar([[50, lost], [won, 50]], exact=False, correction=False).statistic
    assert tango_z(Flips(lost, won, 1000), 0.0) ** 2 == pytest.approx(known, rel=1e-9)


def test_the_interval_ends_where_the_likelihood_refutes() -> None:
    found = loss_interval([1] * 150 + [-1] * 86 + [0] * 1364)
    z = normal_quantile(0.975)
    assert by_likelihood(150, 86, 1600, found.low) == pytest.approx(z, abs=1e-5)
    assert by_likelihood(150, 86, 1600, found.high) == pytest.approx(-z, abs=1e-5)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (0, 1), (7, 0), (9, 3), (40, 22), (5, 5)])
def test_mcnemar_agrees_with_statsmodels(lost: int, won: int) -> None:
    known = mcnemar([[50, lost], [won, 50]], exact=True).pvalue if lost + won else 1.0
    assert mcnemar_exact(lost, won) == pytest.approx(known, rel=1e-9)


def test_no_flip_still_leaves_a_loss_possible() -> None:
    z = normal_quantile(0.975)
    found = loss_interval([0] * 200)
    assert found.high == pytest.approx(z * z / (200 + z * z), rel=1e-9)
    assert found.low == pytest.approx(-found.high)
    assert found.design_effect == 1.0


def test_all_lost_is_bounded_by_one_and_all_won_by_minus_one() -> None:
    assert loss_interval([1] * 20).high == 1.0
    assert loss_interval([-1] * 20).low == -1.0
    assert loss_interval([1] * 20).low > 0.6


def test_turning_the_pair_round_turns_the_interval_round() -> None:
    one = loss_interval([1] * 9 + [-1] * 2 + [0] * 89)
    other = loss_interval([-1] * 9 + [1] * 2 + [0] * 89)
    assert (one.loss, one.low, one.high) == pytest.approx((-other.loss, -other.high, -other.low))
    assert (one.lost, one.won, one.items) == (9, 2, 100)


def test_a_bound_excludes_a_value_exactly_when_its_p_says_so() -> None:
    seen = Flips(4, 2, 300)
    for margin in (0.005, 0.01, 0.02, 0.03, 0.05):
        assert (upper_bound(seen, 0.01) < margin) == (p_loss_below(seen, margin) < 0.01)
    for floor in (-0.02, -0.01, 0.0, 0.005):
        assert (lower_bound(seen, 0.01) > floor) == (p_loss_above(seen, floor) < 0.01)


def test_a_statement_that_cannot_be_true_has_no_chance() -> None:
    assert p_loss_below(Flips(0, 10, 10), 1.0) == 0.0
    assert p_loss_above(Flips(0, 10, 10), 1.0) == 1.0
    assert p_loss_below(Flips(0, 0, 10), 0.0) == 0.5


@pytest.mark.parametrize("bad", [[], [0.5], [2]])
def test_what_is_no_flip_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="paired"):
        flips(bad)


@pytest.mark.parametrize(
    ("lost", "won", "margin"),
    [(4, 4, 0.03), (4, 4, 0.01), (9, 1, 0.03), (1, 9, 0.03), (0, 0, 0.02)],
)
def test_alike_is_shown_exactly_when_the_interval_is_inside_the_margin(
    lost: int, won: int, margin: float
) -> None:
    seen = Flips(lost, won, 400)
    inside = -margin < lower_bound(seen, 0.025) and upper_bound(seen, 0.025) < margin
    assert (p_not_equivalent(seen, seen, margin) < 0.025) == inside


def test_the_p_of_alike_is_the_larger_of_two_one_sided_score_tests() -> None:
    seen = Flips(6, 3, 300)
    z = by_likelihood(6, 3, 300, 0.03), by_likelihood(6, 3, 300, -0.03)
    known = max(stats.norm.cdf(z[0]), stats.norm.sf(z[1]))
    assert p_not_equivalent(seen, seen, 0.03) == pytest.approx(known, abs=1e-6)


def test_items_of_their_own_are_judged_by_the_normal_law_and_clusters_by_students() -> None:
    alone = flips([1, 0, -1, 0], ["a", "b", "c", "d"])
    assert alone == flips([1, 0, -1, 0]) == Flips(1, 1, 4)
    assert flips([1, 0, -1, 0], ["a", "a", "b", "c"]).df == 2 + EXPECTED_CLUSTERS
    assert flips([1, 0], ["a", "a"]).df == 1


def test_passages_without_a_flip_do_not_pass_for_independent_items() -> None:
    found = loss_interval([0] * 200, [str(item // 5) for item in range(200)])
    t = stats.t.ppf(0.975, 39 + EXPECTED_CLUSTERS)
    assert found.design_effect == pytest.approx(2.0)  # 1 + (5 - 1) / 4
    assert found.high == pytest.approx(t * t / (100 + t * t), rel=1e-9)


def test_items_that_flip_together_widen_the_interval() -> None:
    differences = [1 if passage < 4 else 0 for passage in range(40) for _ in range(5)]
    labels = [str(passage) for passage in range(40) for _ in range(5)]
    alone, together = loss_interval(differences), loss_interval(differences, labels)
    assert together.loss == alone.loss == 0.1
    assert together.design_effect == pytest.approx(4.5, abs=0.1)  # 5 of 20 flips, 2 of 4
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("n", "lost", "won"), [(14, 0.15, 0.1), (50, 0.08, 0.03), (300, 0.05, 0.02), (1200, 0.02, 0.02)]
)
def test_the_interval_covers_the_true_loss(n: int, lost: float, won: float) -> None:
    source = random.Random(n)
    rounds = 500
    covered = 0
    for _ in range(rounds):
        drawn = [source.random() for _ in range(n)]
        plus = sum(x < lost for x in drawn)
        minus = sum(lost <= x < lost + won for x in drawn)
        seen = Flips(plus, minus, n)
        covered += lower_bound(seen, 0.025) <= lost - won <= upper_bound(seen, 0.025)
    assert 0.93 <= covered / rounds <= 0.985


def test_the_clustered_interval_covers_the_true_loss() -> None:
    source = random.Random(3)
    rounds = 300
    covered = 0
    for _ in range(rounds):
        differences, labels = [], []
        for passage in range(60):
            p = 0.4 if source.random() < 0.25 else 0.0  # a passage is lost in part, or not at all
            differences += [1 if source.random() < p else 0 for _ in range(5)]
            labels += [str(passage)] * 5
        found = loss_interval(differences, labels)
        covered += found.low <= 0.1 <= found.high
    assert covered / rounds >= 0.92


def test_a_loss_of_the_margin_is_called_less_no_oftener_than_allowed_where_passages_flip() -> None:
    source = random.Random(11)
    labels = [str(item // 5) for item in range(300)]
    rounds, weight = 600, 1 / 0.3 - 1  # a correlation of 0.3 within a passage
    wrong = 0
    for _ in range(rounds):
        shares = [source.betavariate(0.03 * weight, 0.97 * weight) for _ in range(60)]
        found = flips([int(source.random() < shares[int(label)]) for label in labels], labels)
        wrong += p_loss_below(found, 0.03) < 0.025
    assert wrong / rounds <= 0.03
