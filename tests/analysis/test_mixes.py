"""The claim about a mix: what the held-out windows allow to be said, and no more."""

from __future__ import annotations

import random

import pytest

from steelyard.analysis.mixes import divergence, proved
from steelyard.domain.reading import Measured, Missing


def windows(seed: int, factor: float, noise: float) -> tuple[list[float], list[float]]:
    """Sums of 36 windows: the stock mix's scatter by a half, the mix follows them."""
    draw = random.Random(seed)
    stock = [2.0 * draw.uniform(0.5, 1.5) for _ in range(36)]
    return [x * factor * draw.uniform(1 - noise, 1 + noise) for x in stock], stock


def test_a_fifth_less_is_better_by_a_tenth_though_windows_scatter_more_than_that() -> None:
    proof = proved(*windows(1, 0.8, 0.1), positions=36 * 448)
    assert proof.claim == "better by a tenth"
    assert isinstance(proof.ratio.value, Measured)
    assert proof.ratio.value.value == pytest.approx(0.8, abs=0.03)
    assert isinstance(proof.stock.value, Measured)
    assert proof.stock.value.value == pytest.approx(2 / 448, rel=0.1)


def test_a_twentieth_less_is_better_and_no_tenth() -> None:
    assert proved(*windows(2, 0.95, 0.05), positions=36 * 448).claim == "better"


def test_the_same_divergence_is_claimed_to_be_better_as_rarely_as_the_interval_says() -> None:
    claims = [proved(*windows(s, 1.0, 0.3), positions=36 * 448).claim for s in range(400)]
    assert 1 <= sum(claim != "none" for claim in claims) <= 22
    assert "better by a tenth" not in claims


def test_one_window_claims_nothing() -> None:
    proof = proved([1.0], [2.0], positions=448)
    assert isinstance(proof.ratio.high, Missing)
    assert proof.claim == "none"


def test_the_mean_is_of_positions_and_its_interval_of_windows() -> None:
    found = divergence([1.0, 3.0], positions=4)
    assert found.value == Measured(1.0, "derived")
    assert found.n == 2
