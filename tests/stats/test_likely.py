"""The likely loss: against quadrature by scipy, and coverage summed over every outcome."""

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, special, stats

from steelyard.stats.likely import PRIOR, bounds, p_below, quantile
from steelyard.stats.paired import Flips, lower_bound, upper_bound


def by_quadrature(seen: Flips, at: float) -> float:
    """Return the same probability: the flips by the beta law, and of them those that lost."""
    if at < 0:
        return 1 - by_quadrature(Flips(seen.won, seen.lost, seen.items), -at)
    flips = stats.beta(seen.lost + seen.won + 2 * PRIOR, seen.items - seen.lost - seen.won + PRIOR)
    ways = seen.lost + PRIOR, seen.won + PRIOR

    def beyond(share: float) -> float:
        return float(flips.pdf(share) * special.betaincc(*ways, min(1.0, (1 + at / share) / 2)))

    ends = sorted({at, 1.0, *(x for x in flips.ppf([1e-9, 0.1, 0.9, 1 - 1e-9]) if at < x < 1)})
    parts = [
        integrate.quad(beyond, low, high, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
        for low, high in pairwise(ends)
    ]
    return 1 - math.fsum(parts)


@pytest.mark.parametrize(
    ("lost", "won", "n"),
    [
        (0, 0, 14),
        (3, 1, 14),
        (2.4, 0.3, 17.7),
        (8, 3, 100),
        (0, 0, 300),
        (150, 86, 1600),
        (900, 20, 2000),
        (0, 2, 5000),
    ],
)
def test_its_ends_have_the_probability_that_quadrature_gives(
    lost: float, won: float, n: float
) -> None:
    seen = Flips(lost, won, n)
    low, high = bounds(seen, seen, 0.025)
    assert by_quadrature(seen, low) == pytest.approx(0.025, abs=1e-9)
    assert by_quadrature(seen, high) == pytest.approx(0.975, abs=1e-9)
    between = (low + 2 * high) / 3
    assert p_below(seen, between) == pytest.approx(by_quadrature(seen, between), abs=1e-9)


def test_one_gamma_against_two_is_a_beta_law() -> None:
    """Where nothing else is possible the loss at 0 says how flips split; scipy has that law."""
    for lost, won in ((3, 1), (30, 12), (400, 350)):
        known = stats.beta.cdf(0.5, lost + PRIOR, won + PRIOR)
        assert p_below(Flips(lost, won, 1000), 0.0) == pytest.approx(known, abs=1e-11)


def test_lost_and_won_change_places_with_the_sign() -> None:
    low, high = bounds(Flips(9, 2, 100), Flips(9, 2, 100), 0.025)
    other = bounds(Flips(2, 9, 100), Flips(2, 9, 100), 0.025)
    assert (-high, -low) == pytest.approx(other, abs=1e-10)


def test_items_that_were_not_run_widen_it_on_both_sides() -> None:
    seen, best, worst = Flips(4, 4, 98), Flips(4, 6, 100), Flips(6, 4, 100)
    low, high = bounds(seen, seen, 0.025)
    wider = bounds(best, worst, 0.025)
    assert wider[0] < low
    assert high < wider[1]


def test_all_items_lost_and_one_item_still_have_an_interval() -> None:
    for seen in (Flips(14, 0, 14), Flips(0, 30, 30), Flips(0, 0, 1), Flips(1, 0, 1)):
        low, high = bounds(seen, seen, 0.025)
        assert -1 < low < high < 1


def test_many_items_give_the_interval_of_the_verdict() -> None:
    seen = Flips(1500, 1000, 20000)
    known = lower_bound(seen, 0.025), upper_bound(seen, 0.025)
    assert bounds(seen, seen, 0.025) == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize("items", [14, pytest.param(30, marks=pytest.mark.full)])
def test_few_items_cover_what_they_say_over_truths_that_differ(items: int) -> None:
    """Summed over every outcome, truths flat from 0 to 30 % lost and 0 to 15 % won."""

    @cache
    def ends(lost: int, won: int, tail: float) -> tuple[float, float]:
        seen = Flips(lost, won, items)
        return quantile(seen, tail), quantile(seen, 1 - tail)

    def covered(lost: float, won: float, tail: float) -> float:
        shares = [lost, won, 1 - lost - won]
        total = 0.0
        for first in range(items + 1):
            for second in range(items + 1 - first):
                chance = float(law(first, second, shares))
                if chance > 1e-5:
                    low, high = ends(first, second, tail)
                    total += chance * (low <= lost - won <= high)
        return total

    def law(first: int, second: int, shares: list[float]) -> float:
        rest = items - first - second
        ways = math.comb(items, first) * math.comb(items - first, second)
        return ways * shares[0] ** first * shares[1] ** second * shares[2] ** rest

    steps = (np.arange(6) + 0.5) / 6
    truths = [(0.3 * x, 0.15 * y) for x in steps for y in steps]
    assert 0.93 < np.mean([covered(*truth, 0.025) for truth in truths]) < 0.97
    six = np.mean([covered(*truth, 0.025 / 6) ** 6 for truth in truths])
    assert 0.925 < six < 0.97
