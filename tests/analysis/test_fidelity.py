"""Fidelity: known arrays in, known numbers out, with intervals that respect neighbours."""

from __future__ import annotations

import math
import random

import pytest

from steelyard.analysis.fidelity import Circumstances, Positions, compared, of_reference
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Estimate, Fidelity

WHERE = Circumstances("7e" * 32, 512, "f16", "ab" * 32)


def found(positions: Positions) -> Fidelity:
    reading = compared(positions, WHERE)
    assert isinstance(reading, Measured)
    return reading.value


def bounds(estimate: Estimate) -> tuple[float, float, float]:
    low, value, high = (value_of(r) for r in (estimate.low, estimate.value, estimate.high))
    assert low is not None
    assert value is not None
    assert high is not None
    return low, value, high


def test_the_reference_against_itself_has_no_distance() -> None:
    same = found(Positions([0.0] * 400, [math.log(8.0)] * 400, [True] * 400))
    assert bounds(same.kl_divergence) == (0.0, 0.0, 0.0)
    assert bounds(same.top_agreement) == (1.0, 1.0, 1.0)
    assert bounds(same.perplexity) == pytest.approx((8.0, 8.0, 8.0))
    assert (same.positions, same.text_sha256, same.context_tokens) == (400, "7e" * 32, 512)
    assert (same.kv_type, same.reference_sha256) == ("f16", "ab" * 32)


def test_known_values_come_back_inside_bounds_that_stay_in_range() -> None:
    source = random.Random(1)
    divergence = [source.expovariate(1 / 0.02) for _ in range(4000)]
    surprise = [2.0 + source.gauss(0, 1) for _ in range(4000)]
    same = [source.random() < 0.97 for _ in range(4000)]
    numbers = found(Positions(divergence, surprise, same))
    for estimate, truth in (
        (numbers.kl_divergence, 0.02),
        (numbers.perplexity, math.exp(2.0)),
        (numbers.top_agreement, 0.97),
    ):
        low, _, high = bounds(estimate)
        assert low < truth < high


def test_bounds_stay_where_the_quantity_can_be() -> None:
    """One bad passage at the end: a mean and its plain interval would reach below zero."""
    divergence = [0.0] * 390 + [9.0] * 10
    same = [value == 0.0 for value in divergence]
    skewed = found(Positions(divergence, [1.0] * 400, same))
    assert bounds(skewed.kl_divergence)[0] == 0.0
    assert bounds(skewed.top_agreement)[2] == 1.0


def test_neighbours_that_resemble_each_other_widen_the_interval() -> None:
    source = random.Random(2)
    free = [source.random() for _ in range(4000)]
    held = [value for value in free[::100] for _ in range(100)]
    low, _, high = bounds(found(Positions(free, free, [True] * 4000)).kl_divergence)
    wide_low, _, wide_high = bounds(found(Positions(held, held, [True] * 4000)).kl_divergence)
    assert wide_high - wide_low > 3 * (high - low)


def test_the_same_arrays_give_the_same_numbers() -> None:
    values = [math.sin(n) ** 2 for n in range(1000)]
    positions = Positions(values, values, [n % 7 > 0 for n in range(1000)])
    assert compared(positions, WHERE) == compared(positions, WHERE)


@pytest.mark.parametrize(
    ("positions", "code"),
    [
        (Positions([], [], []), "no_positions"),
        (Positions([0.1], [0.1, 0.2], [True]), "uneven_positions"),
        (Positions([math.nan], [0.1], [True]), "not_finite"),
        (Positions([0.1], [math.inf], [True]), "not_finite"),
    ],
)
def test_arrays_that_say_nothing_are_missing_with_a_reason(positions: Positions, code: str) -> None:
    reading = compared(positions, WHERE)
    assert isinstance(reading, Missing)
    assert reading.code == code


def test_the_reference_has_a_perplexity_and_no_distance() -> None:
    reading = of_reference([math.log(8.0)] * 100, WHERE)
    assert isinstance(reading, Measured)
    assert bounds(reading.value.perplexity) == pytest.approx((8.0, 8.0, 8.0))
    assert isinstance(reading.value.kl_divergence.value, Missing)
    assert isinstance(of_reference([], WHERE), Missing)


def test_too_few_positions_give_a_value_without_bounds() -> None:
    few = found(Positions([0.1, 0.2], [1.0, 1.0], [True, False]))
    assert value_of(few.kl_divergence.value) == pytest.approx(0.15)
    assert isinstance(few.kl_divergence.low, Missing)
