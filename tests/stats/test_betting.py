"""Bets: fair where the claim is true, exact beside a slow reference, the same in any order."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from random import Random

import pytest

from steelyard.stats import betting

# Laws of one unit as (value, chance), and their mean.
LAWS = (
    ((1.0, 0.05), (0.0, 0.93), (-1.0, 0.02)),
    ((1.0, 0.30), (0.0, 0.50), (-1.0, 0.20)),
    ((1.0, 0.03), (0.5, 0.10), (0.0, 0.67), (-0.25, 0.20)),
)
SEQUENCE = (0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.5, 0.0, -0.25, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def slow(values: tuple[float, ...], at: Fraction) -> Fraction:
    """Play every bet of the grid unit by unit, in fractions."""
    total = Fraction(0)
    for bet, stake in zip(betting._BETS, betting._STAKES, strict=True):
        money = Fraction(stake)
        for value in values:
            money *= 1 - Fraction(bet) * (Fraction(value) - at) / (1 - at)
        total += money
    return total


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sign", [1, -1])
def test_where_the_claim_is_just_true_a_further_unit_wins_nothing(
    law: tuple[tuple[float, float], ...], sign: int
) -> None:
    mean = math.fsum(value * chance for value, chance in law)
    so_far = Counter({value: 7 * n for n, (value, _) in enumerate(law, start=1)})
    bet = betting.against_at_least if sign == 1 else betting.against_at_most
    after = math.fsum(chance * bet(so_far + Counter([value]), mean) for value, chance in law)
    assert after == pytest.approx(bet(so_far, mean), rel=1e-12)


def test_where_the_loss_is_larger_than_claimed_betting_that_it_is_less_loses() -> None:
    so_far = Counter({0.0: 50, 1.0: 3})
    law = ((1.0, 0.10), (0.0, 0.90))
    after = sum(
        chance * betting.against_at_least(so_far + Counter([value]), 0.05) for value, chance in law
    )
    assert after < betting.against_at_least(so_far, 0.05)


@pytest.mark.parametrize("at", [Fraction(0), Fraction(3, 100), Fraction(-1, 10)])
def test_e_values_are_those_of_the_slow_reference(at: Fraction) -> None:
    units = betting.seen(SEQUENCE)
    assert betting.against_at_least(units, float(at)) == pytest.approx(
        float(slow(SEQUENCE, at)), rel=1e-12
    )
    mirrored = tuple(-value for value in SEQUENCE)
    assert betting.against_at_most(units, float(at)) == pytest.approx(
        float(slow(mirrored, -at)), rel=1e-12
    )


def test_stakes_are_one_in_all_and_no_bet_can_lose_more_than_its_stake() -> None:
    assert math.fsum(betting._STAKES) == pytest.approx(1.0)
    assert all(0 < bet < 1 for bet in betting._BETS)
    assert betting.against_at_least({}, 0.03) == pytest.approx(1.0)


def test_looking_after_every_item_refutes_a_true_claim_as_seldom_as_promised() -> None:
    """The loss is exactly the margin: over 20 at any of 400 looks means refuted at 5 %."""
    source, refuted, rounds = Random(5), 0, 120
    for _ in range(rounds):
        units: Counter[float] = Counter()
        for _ in range(400):
            draw = source.random()
            units[1.0 if draw < 0.07 else -1.0 if draw < 0.11 else 0.0] += 1
            if betting.against_at_least(units, 0.03) >= 20:
                refuted += 1
                break
    assert refuted / rounds <= 0.05


def test_bounds_are_where_the_evidence_reaches_what_is_needed() -> None:
    units = Counter({0.0: 380, 1.0: 12, -1.0: 8})
    high, low = betting.upper_bound(units, 40), betting.lower_bound(units, 40)
    assert low < 4 / 400 < high
    assert betting.against_at_least(units, high) == pytest.approx(40, rel=1e-6)
    assert betting.against_at_most(units, low) == pytest.approx(40, rel=1e-6)
    assert betting.upper_bound(units, 400) > high
    assert betting.upper_bound({}, 40) == 1.0


def test_items_of_one_cluster_are_one_bet() -> None:
    clusters = ("a", "b", "a", "a", "b")
    assert betting.units((1, 0, 1, 0, 0), clusters) == [pytest.approx(2 / 3), 0.0]
    alone = betting.seen([1.0] * 4)
    together = betting.seen(betting.units([1.0] * 4, ["a"] * 4))
    assert betting.against_at_most(together, 0.0) < betting.against_at_most(alone, 0.0)


def test_against_no_loss_it_is_robbins_mixture_over_flips() -> None:
    """Items without a flip say nothing about whether anything is lost."""
    flips = Counter({1.0: 14, -1.0: 3})
    ratio = sum(
        stake * ((1 + bet) ** 14 * (1 - bet) ** 3)
        for bet, stake in zip(betting._BETS, betting._STAKES, strict=True)
    )
    assert betting.against_at_most(flips, 0.0) == pytest.approx(ratio)
    unchanged = flips + Counter({0.0: 500})
    assert betting.against_at_most(unchanged, 0.0) == pytest.approx(ratio)


def test_what_is_no_paired_difference_is_refused() -> None:
    with pytest.raises(ValueError, match="between -1"):
        betting.seen([0.0, 1.5])
