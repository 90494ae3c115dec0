"""Drift: a machine that heats up may not make a fast variant look slow."""

from __future__ import annotations

import random

import pytest

from steelyard.analysis.drift import Beat, drift
from steelyard.campaigns.order import interleave, shuffled
from steelyard.domain.reading import Measured, Missing, value_of

TRUTH = {"A": 100.0, "B": 104.0, "C": 108.0, "D": 112.0, "E": 116.0}
NOISE = Measured(0.02, "derived")


def heat(at: float, whole: float) -> float:
    """A third of the speed is lost by the end."""
    return 1 - 0.33 * at / whole


def test_a_steady_sentinel_corrects_nothing() -> None:
    steady = drift([Beat(t, 50.0 + 0.2 * (t % 2)) for t in range(7)], NOISE)
    assert value_of(steady.share) == pytest.approx(0.004, rel=0.01)
    assert not steady.corrects
    assert steady.factor(3.0) == 1.0


def test_a_ramp_is_divided_out_by_interpolation_and_flat_beyond_the_ends() -> None:
    ramp = drift([Beat(t, 100.0 * heat(t, 10)) for t in (0, 5, 10)], NOISE)
    assert ramp.corrects
    for t in (0.0, 2.5, 5.0, 8.0, 10.0):
        assert 60.0 * heat(t, 10) * ramp.factor(t) == pytest.approx(60.0 * heat(5, 10))
    assert ramp.factor(-3.0) == ramp.factor(0.0)
    assert ramp.factor(13.0) == ramp.factor(10.0)


def test_two_sentinels_are_too_few() -> None:
    few = drift([Beat(0, 1.0), Beat(1, 2.0)], NOISE)
    assert isinstance(few.share, Missing)
    assert few.factor(0.5) == 1.0
    assert drift([], NOISE).beats == ()


def test_a_dead_sentinel_is_no_speed_to_divide_by() -> None:
    assert not drift([Beat(0, 1.0), Beat(1, 0.0), Beat(2, 1.0)], NOISE).corrects


def test_with_unknown_noise_every_drift_is_corrected() -> None:
    assert drift([Beat(0, 100.0), Beat(1, 99.0), Beat(2, 98.0)], Missing("no_canary")).corrects


def ranking(speeds: dict[str, list[float]]) -> list[str]:
    return sorted(speeds, key=lambda label: sum(speeds[label]) / len(speeds[label]))


def campaign(seed: int, *, blocked: bool) -> tuple[list[str], list[str]]:
    """Run a planted ramp; return the ranking as timed, and with the sentinel divided out."""
    source = random.Random(seed)
    order: list[str] = []
    for block in range(3):
        # The slowest first is the worst case: heat and truth pull against each other.
        cells = sorted(TRUTH, key=TRUTH.__getitem__)
        if blocked:
            cells = shuffled(cells, str, seed=seed, block=block)
        order += interleave(cells, lambda _: "sentinel", first_block=block == 0)
    if not blocked:
        order = ["sentinel"] + [c for c in sorted(TRUTH) for _ in range(3)] + ["sentinel"] * 2
    raw: dict[str, list[tuple[float, float]]] = {label: [] for label in TRUTH}
    beats = []
    for at, label in enumerate(order):
        noise = 1 + source.gauss(0, 0.004)
        speed = TRUTH.get(label, 100.0) * heat(at, len(order)) * noise
        if label == "sentinel":
            beats.append(Beat(at, speed))
        else:
            raw[label].append((at, speed))
    found = drift(beats, NOISE)
    timed = {label: [speed for _, speed in runs] for label, runs in raw.items()}
    fair = {label: [s * found.factor(at) for at, s in runs] for label, runs in raw.items()}
    return ranking(timed), ranking(fair)


@pytest.mark.parametrize("seed", range(8))
def test_a_planted_heat_ramp_keeps_the_ranking(seed: int) -> None:
    _, corrected = campaign(seed, blocked=True)
    assert corrected == list(TRUTH)


def test_without_blocks_and_sentinel_the_same_ramp_turns_the_ranking_round() -> None:
    timed, _ = campaign(0, blocked=False)
    assert timed == list(reversed(TRUTH))
