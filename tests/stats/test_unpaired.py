"""A difference of shares of other items: Newcombe's interval, its p, and what clusters do to it."""

from __future__ import annotations

import random

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from steelyard.stats.unpaired import Shares, interval, p_no_difference, shares


def counted(k1: int, n1: int, k2: int, n2: int, size: int = 1) -> Shares:
    """So many hits of so many, each side's first; so many items in a row share a cluster."""
    first, second = ([i < k for i in range(n)] for k, n in ((k1, n1), (k2, n2)))
    ours, theirs = ([str(i // size) for i in range(n)] for n in (n1, n2))
    return shares(first, second, ours, theirs)


@pytest.mark.parametrize(
    "counts", [(14, 20, 9, 20), (100, 100, 86, 100), (0, 30, 0, 30), (5, 300, 9, 120)]
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_independent_items_give_newcombes_interval_as_statsmodels_does(
    counts: tuple[int, int, int, int], confidence: float
) -> None:
    known = confint_proportions_2indep(*counts, method="newcomb", alpha=1 - confidence)
    assert interval(counted(*counts), confidence) == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "counts", [(16, 20, 9, 20), (100, 100, 86, 100), (9, 120, 5, 300), (3, 40, 30, 40)]
)
@pytest.mark.parametrize("size", [1, 5])
def test_the_p_value_is_where_the_interval_just_excludes_none(
    counts: tuple[int, int, int, int], size: int
) -> None:
    seen = counted(*counts, size)
    p = p_no_difference(seen)
    assert 0 < p < 1
    inner, outer = interval(seen, 1 - p * 1.01), interval(seen, 1 - p * 0.99)
    assert inner[0] * inner[1] > 0 > outer[0] * outer[1]


def test_no_difference_has_no_small_p_and_a_whole_one_has_a_tiny_one() -> None:
    assert p_no_difference(counted(5, 10, 10, 20)) == 1.0
    assert p_no_difference(counted(3000, 3000, 0, 3000)) <= 1e-11


def test_items_that_hang_together_widen_it_from_either_side() -> None:
    """The first side is all right: only the second shows that passages hang together."""
    alone, together = counted(60, 60, 40, 60), counted(60, 60, 40, 60, size=5)
    assert interval(together)[0] < interval(alone)[0] - 0.05
    assert p_no_difference(together) > 10 * p_no_difference(alone)


def test_a_side_without_items_is_refused() -> None:
    with pytest.raises(ValueError, match="either side"):
        shares([], [True], [], ["a"])


def covered(truth: tuple[float, float], n: int, size: int, alike: float, draws: int) -> float:
    """Return how often the interval holds the truth; `alike` is the correlation in a cluster."""
    rng, gap = random.Random(repr((truth, n, size, alike))), truth[0] - truth[1]
    labels = [str(i // size) for i in range(n)]

    def side(share: float) -> list[bool]:
        odds = 1 / alike - 1 if alike else 0.0
        of = [
            rng.betavariate(share * odds, (1 - share) * odds) if alike else share
            for _ in range(-(-n // size))
        ]
        return [rng.random() < of[i // size] for i in range(n)]

    held = 0
    for _ in range(draws):
        low, high = interval(shares(side(truth[0]), side(truth[1]), labels, labels))
        held += low <= gap <= high
    return held / draws


@pytest.mark.full
@pytest.mark.parametrize("truth", [(0.5, 0.5), (0.8, 0.8), (0.9, 0.75), (0.6, 0.3)])
@pytest.mark.parametrize(
    ("n", "size", "alike"), [(60, 1, 0), (300, 1, 0), (60, 4, 0.2), (300, 4, 0.3)]
)
def test_it_covers_the_truth_as_often_as_it_says(
    truth: tuple[float, float], n: int, size: int, alike: float
) -> None:
    assert 0.935 <= covered(truth, n, size, alike, 1500) <= 0.985
