"""Each side of the paired loss is bounded by its own error, and losses and gains alike."""

from __future__ import annotations

import pytest

from steelyard.stats.paired import (
    Flips,
    flips,
    loss_interval,
    lower_bound,
    p_not_equivalent,
    upper_bound,
)


def test_each_bound_errs_by_its_own_probability() -> None:
    lost = [1] * 12 + [-1] * 4 + [0] * 84
    found = loss_interval(lost, None, alpha_low=0.1, alpha_high=0.005)
    assert found.low == loss_interval(lost, None, 0.1, 0.1).low
    assert found.high == loss_interval(lost, None, 0.005, 0.005).high
    even = loss_interval(lost)
    assert even.low < found.low < found.loss < even.high < found.high


def test_what_is_lost_by_passages_is_bounded_as_what_is_won_by_them() -> None:
    """Few clusters tell the spread less surely, whichever way the flips go."""
    lost = [1, 1, 0, 0, 0, 0, 0, 0, -1, 0, 1, 0]
    clusters = [str(n // 3) for n in range(12)]
    seen, mirrored = flips(lost, clusters), flips([-d for d in lost], clusters)
    assert lower_bound(seen, 0.025) == pytest.approx(-upper_bound(mirrored, 0.025))
    as_if_known = Flips(seen.lost, seen.won, seen.items)
    assert lower_bound(seen, 0.025) < lower_bound(as_if_known, 0.025) - 0.005
    assert upper_bound(seen, 0.025) > upper_bound(as_if_known, 0.025) + 0.005


def test_where_every_item_is_lost_the_bound_is_all_of_them() -> None:
    assert upper_bound(Flips(7, 0, 7), 0.025) == 1.0
    assert lower_bound(Flips(0, 7, 7), 0.025) == -1.0


def test_alike_is_judged_with_what_was_not_run_as_lost_and_as_won() -> None:
    """Thirty of a thousand not run: at worst all of them lost, which is the very margin."""
    lost, won, none = Flips(30, 0, 1000), Flips(0, 30, 1000), Flips(0, 0, 1000)
    assert p_not_equivalent(lost, none, 0.03) == pytest.approx(0.5)
    assert p_not_equivalent(none, won, 0.03) == pytest.approx(0.5)
    assert p_not_equivalent(none, none, 0.03) < 1e-6
