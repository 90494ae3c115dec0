"""Corrections: statsmodels' numbers, levels that match them, few false alarms in a null family."""

import random

import pytest
from statsmodels.stats.multitest import multipletests

from steelyard.stats.families import (
    benjamini_hochberg,
    bonferroni,
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
