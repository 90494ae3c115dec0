"""Corrections: statsmodels' numbers, levels that match them, few false alarms in a null family."""

import random

import pytest
from statsmodels.stats.multitest import multipletests

from steelyard.stats.families import (
    benjamini_hochberg,
    bonferroni,
    closed_levels,
    closed_p_values,
    holm,
    holm_levels,
)
from steelyard.stats.paired import Flips, lower_bound, p_loss_above

FAMILIES = [
    [0.01, 0.02, 0.03, 0.04],
    [0.04, 0.001, 0.2, 0.012, 0.9],
    [0.5],
    [0.02, 0.02, 0.02],
    [0.9, 0.8, 1.0],
]


@pytest.mark.parametrize("family", FAMILIES)
def test_adjusted_p_values_are_statsmodels(family: list[float]) -> None:
    assert holm(family) == pytest.approx(multipletests(family, method="holm")[1], rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_joint_p_values_and_false_discoveries_are_statsmodels(family: list[float]) -> None:
    joint = multipletests(family, method="bonferroni")[1]
    assert bonferroni(family) == pytest.approx(joint, rel=1e-9)
    found = multipletests(family, method="fdr_bh")[1]
    assert benjamini_hochberg(family) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("alpha", [0.025, 0.05])
def test_a_p_below_its_level_is_one_that_holm_rejects(family: list[float], alpha: float) -> None:
    levels = holm_levels(family, alpha)
    by_level = [p <= level for p, level in zip(family, levels, strict=True)]
    assert by_level == [bool(x) for x in multipletests(family, alpha, method="holm")[0]]


def test_once_one_stands_all_later_ones_are_held_to_its_level() -> None:
    assert holm_levels([0.001, 0.04, 0.5, 0.3], 0.05) == (0.05 / 4, 0.05 / 3, 0.05 / 3, 0.05 / 3)


def test_a_family_of_none_has_no_levels() -> None:
    assert holm([]) == () == holm_levels([], 0.05)
    assert bonferroni([]) == () == benjamini_hochberg([])


def test_forty_eight_equal_pairs_are_seldom_called_worse() -> None:
    source = random.Random(11)
    rounds = 60
    raw = corrected = 0
    for _ in range(rounds):
        family = []
        for _ in range(48):
            flipped = sum(source.random() < 0.1 for _ in range(300))
            lost = sum(source.random() < 0.5 for _ in range(flipped))
            family.append(Flips(lost, flipped - lost, 300))
        p_values = [p_loss_above(seen, 0.0) for seen in family]
        levels = holm_levels(p_values, 0.025)
        raw += any(p <= 0.025 for p in p_values)
        corrected += any(
            lower_bound(seen, level) > 0 for seen, level in zip(family, levels, strict=True)
        )
    assert raw / rounds > 0.5
    assert corrected / rounds <= 0.08


def slow_closed(e_values: list[float], alpha: float) -> list[bool]:
    """Refute a claim once every group that holds it has a mean of 1/alpha."""
    count = len(e_values)
    groups = [[at for at in range(count) if mask >> at & 1] for mask in range(1, 1 << count)]
    return [
        all(
            sum(e_values[at] for at in group) / len(group) >= 1 / alpha
            for group in groups
            if index in group
        )
        for index in range(count)
    ]


def test_closed_levels_refute_what_every_group_of_claims_refutes() -> None:
    source = random.Random(3)
    refuted = 0
    for _ in range(300):
        found = [source.choice([0.0, 0.3, 1.0, 30.0, 60.0, 90.0, 400.0]) for _ in range(5)]
        levels = closed_levels(found, 0.025)
        by_level = [e >= level for e, level in zip(found, levels, strict=True)]
        assert by_level == slow_closed(found, 0.025)
        by_p = [p <= 0.025 for p in closed_p_values(found)]
        assert by_p == by_level
        refuted += sum(by_level)
    assert refuted > 100


def test_a_single_claim_needs_one_over_alpha_and_hopeless_ones_beside_it_cost_bonferroni() -> None:
    assert closed_levels([5.0], 0.025) == (40.0,)
    assert closed_levels([5.0, 0.0, 0.0, 0.0], 0.025)[0] == pytest.approx(160.0)
    assert closed_levels([5.0, 999.0, 999.0], 0.025)[0] == pytest.approx(40.0)
