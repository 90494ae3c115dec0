"""Planning: what a number of items can see agrees with published tables and with simulation."""

import random

import pytest
from scipy import stats

from steelyard.stats.paired import Flips, lower_bound, mcnemar_exact, upper_bound
from steelyard.stats.power import (
    items_for_margin,
    items_for_power,
    items_to_decide,
    mcnemar_power,
    smallest_visible_loss,
)


@pytest.mark.parametrize(
    ("items", "lost", "won", "power"),
    [
        (14, 0.25, 0.05, 0.08),
        (50, 0.12, 0.02, 0.31),
        (100, 0.08, 0.03, 0.22),
        (200, 0.05, 0.02, 0.27),
        (400, 0.08, 0.03, 0.83),
        (1600, 0.04, 0.02, 0.89),
    ],
)
def test_the_power_of_mcnemar_is_the_known_table(
    items: int, lost: float, won: float, power: float
) -> None:
    # The table of judging.md was simulated: two digits, and their own noise.
    assert mcnemar_power(items, lost, won) == pytest.approx(power, abs=0.015)


def test_the_power_is_the_share_of_all_outcomes_that_reject() -> None:
    total = 0.0
    for lost in range(31):
        for won in range(31 - lost):
            if mcnemar_exact(lost, won) <= 0.05:
                total += float(
                    stats.multinomial.pmf([lost, won, 30 - lost - won], 30, [0.3, 0.1, 0.6])
                )
    assert mcnemar_power(30, 0.3, 0.1) == pytest.approx(total, rel=1e-9)


def test_power_with_every_item_flipping_one_way_is_all_or_nothing() -> None:
    assert mcnemar_power(5, 1.0, 0.0) == 0.0  # five heads in a row: p = 0.0625
    assert mcnemar_power(6, 1.0, 0.0) == pytest.approx(1.0)
    assert mcnemar_power(6, 0.0, 1.0) == pytest.approx(1.0)


def test_identical_files_pass_at_the_planned_number_of_items_and_not_below() -> None:
    items = items_for_margin(0.03, discordance=0.0)
    assert upper_bound(Flips(0, 0, items), 0.025) < 0.03
    assert upper_bound(Flips(0, 0, items - 1), 0.025) >= 0.03


@pytest.mark.parametrize("discordance", [0.02, 0.08])
def test_equal_variants_pass_as_often_as_planned(discordance: float) -> None:
    items = items_for_margin(0.03, discordance, power=0.9)
    source = random.Random(6)
    rounds = 200
    passed = 0
    for _ in range(rounds):
        flipped = sum(source.random() < discordance for _ in range(items))
        lost = sum(source.random() < 0.5 for _ in range(flipped))
        passed += upper_bound(Flips(lost, flipped - lost, items), 0.025) < 0.03
    assert 0.84 <= passed / rounds <= 0.97


def test_a_stricter_question_takes_more_items() -> None:
    plain = items_for_margin(0.03, 0.05)
    assert items_for_margin(0.02, 0.05) > plain
    assert items_for_margin(0.03, 0.10) > plain
    assert items_for_margin(0.03, 0.05, alpha=0.025 / 6) > plain
    assert items_for_margin(0.03, 0.05, power=0.99) > plain
    assert items_for_margin(0.03, 0.05, design_effect=2.0) == pytest.approx(2 * plain, abs=2)


def test_a_margin_of_nothing_cannot_be_planned_for() -> None:
    with pytest.raises(ValueError, match="no number of items"):
        items_for_margin(0.0, 0.05)


def test_the_smallest_visible_loss_is_seen_as_often_as_said() -> None:
    loss = smallest_visible_loss(600, discordance=0.06, power=0.8)
    source = random.Random(9)
    rounds = 400
    seen = 0
    for _ in range(rounds):
        drawn = [source.random() for _ in range(600)]
        lost = sum(x < 0.03 + loss for x in drawn)
        won = sum(0.03 + loss <= x < 0.06 + loss for x in drawn)
        seen += lower_bound(Flips(lost, won, 600), 0.025) > 0
    assert 0.74 <= seen / rounds <= 0.86


def test_two_items_can_see_nothing() -> None:
    assert smallest_visible_loss(2, 0.05) == 1.0


def test_clustered_items_see_less() -> None:
    assert smallest_visible_loss(600, 0.06, design_effect=2.0) == pytest.approx(
        smallest_visible_loss(300, 0.06), rel=1e-9
    )


def times(seen: Flips, items: int, by: int) -> Flips:
    return Flips(seen.lost * by / items, seen.won * by / items, by, seen.df)


def test_an_undecided_gain_is_decided_by_more_items() -> None:
    seen = Flips(3, 2, 100)
    items = items_to_decide(seen, 100, margin=0.03, floor=0.03)
    assert items is not None
    assert upper_bound(times(seen, 100, items), 0.025) < 0.03
    assert upper_bound(times(seen, 100, items - 1), 0.025) >= 0.03


def test_a_loss_beyond_the_margin_is_decided_by_showing_it_above_the_floor() -> None:
    seen = Flips(6, 2, 100)
    items = items_to_decide(seen, 100, margin=0.03, floor=0.01)
    assert items is not None
    assert lower_bound(times(seen, 100, items), 0.025) > 0.01
    assert lower_bound(times(seen, 100, items - 1), 0.025) <= 0.01
    assert items > (items_to_decide(seen, 100, margin=0.03) or 0)


def test_a_loss_below_the_margin_may_be_shown_above_the_floor_first() -> None:
    """20 lost and 10 won of 400: sixty more may say `worse`, twelve thousand `within margin`."""
    seen = Flips(20, 10, 400)
    items = items_to_decide(seen, 400, margin=0.03)
    assert items is not None
    assert 400 < items < 500
    assert lower_bound(times(seen, 400, items), 0.025) > 0
    above = items_to_decide(seen, 400, margin=0.03, floor=0.03)
    assert above is not None
    assert 11_000 < above < 13_000


def test_what_is_undecided_takes_more_items_than_there_were() -> None:
    """Items that hang together are fewer independent ones; the same rule judges them later."""
    seen = Flips(0.5, 1.0, 60, df=23)
    assert upper_bound(seen, 0.0125) >= 0.03
    found = items_to_decide(seen, 120, margin=0.03, floor=0.03, alpha_high=0.0125)
    assert found is not None
    assert found > 120


def test_a_loss_at_its_floor_is_never_decided() -> None:
    assert items_to_decide(Flips(4, 1, 100), 100, margin=0.03, floor=0.03) is None


def test_the_items_of_a_power_are_the_first_that_have_it() -> None:
    found = items_for_power(0.05, 0.02, 0.8)
    assert found is not None
    assert mcnemar_power(found, 0.05, 0.02) >= 0.8 > mcnemar_power(found - 1, 0.05, 0.02)
    stricter = items_for_power(0.05, 0.02, 0.8, alpha=0.0125)
    assert stricter is not None
    assert stricter > found
