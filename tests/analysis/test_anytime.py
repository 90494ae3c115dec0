"""Verdicts that hold at any time: bounds and decision agree, and giving up is generous."""

from __future__ import annotations

import pytest

from steelyard.analysis import anytime
from steelyard.analysis.anytime import Tally
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured
from steelyard.stats.paired import Flips, p_loss_above, p_loss_below, upper_bound

GATES = Gates(margin=0.03)


def tally(same: int, lost: int = 0, won: int = 0, unknown: int = 0) -> Tally:
    made = Tally()
    for count, pair in (
        *((same, (True, True)), (lost, (True, False))),
        *((won, (False, True)), (unknown, (True, None))),
    ):
        for _ in range(count):
            made.add(*pair)
    return made


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (tally(600), "no loss shown"),
        (tally(580, lost=6, won=5), "no loss shown"),
        (tally(100, lost=60), "worse"),
        (tally(60), "undecided"),
        (tally(1000, lost=60, won=30), "undecided"),
    ],
)
def test_the_bounds_agree_with_the_decision(found: Tally, name: str) -> None:
    field = {"it": found, "hopeless": tally(10, lost=90), "not begun": Tally()}
    verdict = anytime.judge(field, GATES, "it")
    assert verdict.name == name
    assert anytime.is_decided(field, GATES, "it") == (name != "undecided")
    assert (verdict.high < 0.03) == (name == "no loss shown")
    assert (verdict.low > 0.03) == (name == "worse")


def test_a_small_loss_that_is_shown_is_within_the_margin() -> None:
    verdict = anytime.judge({"it": tally(9800, lost=150, won=10)}, GATES, "it")
    assert verdict.name == "within margin"
    assert 0 < verdict.low < verdict.loss < verdict.high < 0.03


def test_more_candidates_make_each_bound_wider() -> None:
    alone = anytime.judge({"it": tally(580, 6, 5)}, GATES, "it")
    assert alone.no_floor == "reached without an A/A row"
    others = {f"other {n}": tally(10, lost=90) for n in range(6)}
    among = anytime.judge({"it": tally(580, 6, 5), **others}, GATES, "it")
    assert among.high > alone.high
    assert among.loss == alone.loss


def test_an_item_not_run_counts_against_it_above_and_for_it_below() -> None:
    found = tally(396, unknown=4)
    assert found.worst[1.0] == 4
    assert found.best[0.0] == 400
    assert anytime.judge({"it": tally(600, unknown=7)}, GATES, "it").name == "undecided"


def test_the_items_that_would_decide_it_do_when_they_come_out_alike() -> None:
    verdict = anytime.judge({"it": tally(190, lost=5, won=5)}, GATES, "it")
    assert isinstance(verdict.to_decide_items, Measured)
    times = verdict.to_decide_items.value / 200
    whole = -(-verdict.to_decide_items.value // 200)
    assert times > 1
    more = tally(190 * whole, lost=5 * whole, won=5 * whole)
    assert anytime.is_decided({"it": more}, GATES, "it")


def test_the_chance_of_the_whole_plan_falls_with_a_loss_and_ends_as_its_verdict() -> None:
    assert anytime.chance(tally(20), 1600, GATES) > 0.5
    assert anytime.chance(tally(10, lost=10), 1600, GATES) < 0.01
    assert anytime.chance(tally(1560, lost=20, won=20), 1600, GATES) == 1.0
    assert anytime.chance(tally(1500, lost=80, won=20), 1600, GATES) == 0.0
    assert anytime.chance(tally(185, lost=12, won=3), 1600, GATES) > 0.01


def test_the_test_of_all_planned_items_is_made_when_they_are_there_and_not_before() -> None:
    found, rest = tally(1551, lost=32, won=17), Tally(1600)
    rest.worst, rest.best, rest.items = found.worst, found.best, 1600
    flips = Flips(32, 17, 1600)
    assert found.p_below(0.02) > rest.p_below(0.02) == 2 * p_loss_below(flips, 0.02)
    assert found.p_above(-0.01) > rest.p_above(-0.01) == 2 * p_loss_above(flips, -0.01)
    verdict = anytime.judge({"it": rest}, Gates(margin=0.02), "it")
    assert (verdict.name, verdict.high) == ("within margin", upper_bound(flips, 0.025))
    rest.planned = 1601
    assert anytime.judge({"it": rest}, Gates(margin=0.02), "it").name == "undecided"


def test_those_shown_to_qualify_leave_their_share_of_the_error_to_the_others() -> None:
    """A p-value of 0.04 is too much for one of two, and enough for the last of them."""
    miss, good = Tally(), tally(600)
    miss.planned = miss.items = 1600
    miss.worst.update({1.0: 66, -1.0: 40, 0.0: 1494})
    assert 0.025 < miss.p_below(0.03) < 0.05
    gates, both = Gates(margin=0.03), {"miss": miss, "other": tally(10)}
    assert anytime.qualifying(both, gates) == frozenset()
    assert "miss" in anytime.qualifying(both, gates, granted=["other"])
    assert anytime.qualifying({"miss": miss, "good": good}, gates) == {"miss", "good"}


def test_the_items_that_would_decide_it_are_the_plan_where_only_its_end_would() -> None:
    found = tally(755, lost=28, won=17)
    found.planned = 1600
    needed = anytime.judge({"it": found}, GATES, "it").to_decide_items
    assert needed == Measured(1600, "estimated")


def test_a_chance_is_told_even_where_nothing_is_known_of_any_item() -> None:
    found = Tally()
    for _ in range(5):
        found.add(None, None)
    assert 0 <= anytime.chance(found, 300, GATES) < 0.5
