"""A fitted slope against statsmodels, and how much of a spread is no error."""

from __future__ import annotations

import random

import pytest
from statsmodels.api import OLS, add_constant

from steelyard.stats.regression import reliability, slope

POINTS = {
    "five": ([0.61, 0.7, 0.72, 0.74, 0.9], [1.1, 1.3, 1.2, 1.9, 2.4]),
    "falling": ([0.1, 0.5, 0.2, 0.9, 0.4, 0.35], [5.0, 2.0, 4.4, 0.7, 3.3, 2.9]),
    "close together": ([0.7001, 0.7002, 0.7004], [3.0, -1.0, 2.0]),
}


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_slope_and_its_interval_agree_with_statsmodels(name: str, confidence: float) -> None:
    x, y = POINTS[name]
    known = OLS(y, add_constant(x)).fit()
    found = slope(x, y, confidence)
    assert found.value == pytest.approx(known.params[1], rel=1e-9)
    ends = known.conf_int(alpha=1 - confidence)[1]
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=1e-9)


def test_no_slope_is_made_up_of_too_little() -> None:
    with pytest.raises(ValueError, match="3 points"):
        slope([0.1, 0.2], [1.0, 2.0])
    with pytest.raises(ValueError, match="the same x"):
        slope([0.5, 0.5, 0.5], [1.0, 2.0, 3.0])


def drawn(shares: list[float], items: int, seed: int, alike: int = 1) -> list[list[bool]]:
    """Hits of subjects of known shares on the same items, some of which are hard for all."""
    rng = random.Random(seed)
    hard = [rng.uniform(-0.2, 0.2) for _ in range(items)]
    groups = [[rng.random() for _ in range(items // alike)] for _ in shares]
    return [
        [luck[n // alike] < share + hard[n // alike] for n in range(items)]
        for share, luck in zip(shares, groups, strict=True)
    ]


def alone(items: int) -> list[str]:
    return [str(n) for n in range(items)]


def test_what_differs_by_much_more_than_its_error_is_reliable() -> None:
    assert reliability(drawn([0.3, 0.45, 0.6, 0.75, 0.7], 400, 1), alone(400)) > 0.95


def test_of_equal_subjects_hardly_any_spread_is_more_than_error() -> None:
    found = [reliability(drawn([0.6] * 6, 200, seed), alone(200)) for seed in range(40)]
    assert sum(found) / 40 < 0.25


def test_the_reliability_foretells_by_how_much_a_slope_is_too_flat() -> None:
    """The mean slope of a law with slope 2, over shares with errors, is about 2 x reliability."""
    shares, slopes, sure = [0.45 + 0.02 * n for n in range(14)], [], []
    for seed in range(60):
        rows = drawn(shares, 120, seed)
        seen = [sum(row) / 120 for row in rows]
        slopes.append(slope(seen, [2 * share for share in shares]).value)
        sure.append(reliability(rows, alone(120)))
    assert sum(slopes) / 60 < 1.75
    assert sum(slopes) / 60 == pytest.approx(2 * sum(sure) / 60, rel=0.08)


def test_items_of_one_passage_tell_less() -> None:
    rows = drawn([0.4, 0.5, 0.6, 0.5, 0.55], 300, 3, alike=10)
    passages = [str(n // 10) for n in range(300)]
    assert reliability(rows, passages) < reliability(rows, alone(300)) - 0.2


def test_one_subject_one_passage_and_one_share_tell_nothing() -> None:
    assert reliability([[True, False]], alone(2)) == 0.0
    assert reliability([[True, False], [True, True]], ["a", "a"]) == 0.0
    assert reliability([[True, False], [False, True]], alone(2)) == 0.0
