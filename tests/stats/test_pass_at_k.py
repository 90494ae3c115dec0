"""Pass@k against every draw of k out of n, and against the truth it estimates."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from steelyard.domain.reading import Measured
from steelyard.domain.summary import Estimate
from steelyard.stats.pass_at_k import pass_at_k
from steelyard.stats.proportions import mean_share_estimate, share_estimate


@pytest.mark.parametrize("n", range(1, 8))
def test_it_is_the_share_of_all_draws_with_a_right_one(n: int) -> None:
    for c in range(n + 1):
        for k in range(1, n + 1):
            draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.8])
def test_it_has_no_bias_where_the_plain_formula_has_one(p: float) -> None:
    n, k = 10, 5
    chances = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    truth = 1 - (1 - p) ** k
    expected = sum(w * pass_at_k(n, c, k) for c, w in enumerate(chances))
    plain = sum(w * (1 - (1 - c / n) ** k) for c, w in enumerate(chances))
    assert expected == pytest.approx(truth, abs=1e-12)
    assert plain < truth - 0.002


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 6), (5, 2, 0)])
def test_what_cannot_be_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        pass_at_k(n, c, k)


def bounds(found: Estimate) -> tuple[float, float, float]:
    match found:
        case Estimate(Measured(value=mid), Measured(value=low), Measured(value=high)):
            return low, mid, high
        case _:
            raise AssertionError(found)


def test_shares_of_nought_and_one_have_the_interval_of_hits() -> None:
    hits = [True] * 12 + [False] * 28
    names = [str(n) for n in range(40)]
    ours = bounds(mean_share_estimate([float(hit) for hit in hits], names, most=40))
    assert ours == pytest.approx(bounds(share_estimate(hits, names)), abs=0.003)


def test_more_samples_of_an_item_narrow_it_as_far_as_items_differ() -> None:
    rng = random.Random(3)
    names = [str(n) for n in range(60)]
    chances = [rng.random() for _ in names]

    def width(samples: int) -> float:
        shares = [sum(rng.random() < p for _ in range(samples)) / samples for p in chances]
        low, _, high = bounds(mean_share_estimate(shares, names, most=60 * samples))
        return high - low

    assert width(1) > width(10) > width(1000) > 0.5 * width(10)


def test_none_right_and_all_right_still_have_a_width() -> None:
    names = [str(n) for n in range(30)]
    assert bounds(mean_share_estimate([0.0] * 30, names, most=300))[2] > 0.08
    assert bounds(mean_share_estimate([1.0] * 30, names, most=300))[0] < 0.92


def test_items_of_one_passage_count_as_fewer() -> None:
    shares = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1] * 5
    apart = [str(n) for n in range(30)]
    together = [str(n // 3) for n in range(30)]
    low, _, high = bounds(mean_share_estimate(shares, apart, most=300))
    wide_low, _, wide_high = bounds(mean_share_estimate(shares, together, most=300))
    assert wide_high - wide_low > 1.4 * (high - low)


@pytest.mark.full
@pytest.mark.parametrize(("samples", "k"), [(1, 1), (10, 1), (10, 5), (20, 10)])
def test_the_interval_covers_the_truth(samples: int, k: int) -> None:
    rng = random.Random(samples * 100 + k)
    truth = sum(1 - (1 - rng.betavariate(1, 1.5)) ** k for _ in range(40_000)) / 40_000
    held = 0
    for _ in range(600):
        chances = [rng.betavariate(1, 1.5) for _ in range(100)]
        shares = [
            pass_at_k(samples, sum(rng.random() < p for _ in range(samples)), k) for p in chances
        ]
        low, _, high = bounds(
            mean_share_estimate(shares, list(map(str, range(100))), 100 * samples)
        )
        held += low <= truth <= high
    assert 0.92 <= held / 600 <= 0.98
