"""The verdict at its limits: ties, holes on either side, clusters, and several at once."""

from __future__ import annotations

import pytest
from tests.analysis.marked import flipped, marked

from steelyard.analysis.verdict import (
    Marked,
    differences,
    floor,
    judge,
    judge_shown,
    only,
    pair,
    verdict_of,
)
from steelyard.analysis.verdict import flipped as flips_either_way
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import Verdict
from steelyard.stats.paired import flips, loss_interval, p_loss_above

GATES = Gates()
ZERO: Reading[float] = Measured(0.0, "derived")
ALPHA = (1 - GATES.confidence) / 2


def judged(reference: Marked, candidates: dict[str, Marked]) -> dict[str, Verdict]:
    found = judge(reference, candidates, GATES, ZERO)
    return {label: one.value for label, one in found.items() if isinstance(one, Measured)}


def test_a_bound_at_the_margin_is_not_below_it_and_one_at_the_floor_is_not_above() -> None:
    assert verdict_of(0.01, 0.03, 0.03, 0.01) == "undecided"
    assert verdict_of(0.011, 0.03, 0.03, 0.01) == "worse"
    assert verdict_of(0.01, 0.029, 0.03, 0.01) == "no loss shown"
    assert verdict_of(0.011, 0.029, 0.03, 0.01) == "within margin"


@pytest.mark.parametrize(("first", "second"), [("r", "w"), ("w", "r")])
def test_the_floor_is_as_far_where_the_reference_wins_of_itself(first: str, second: str) -> None:
    reference, twin = marked(first * 20 + "r" * 180), marked(second * 20 + "r" * 180)
    known = loss_interval([1] * 20 + [0] * 180)
    assert value_of(floor(reference, twin, GATES)) == pytest.approx(known.high)


def test_the_floor_of_passages_that_flip_as_a_whole_lies_farther() -> None:
    letters = "r" * 200, "w" * 20 + "r" * 180
    alone, together = (
        value_of(floor(marked(letters[0], cluster=n), marked(letters[1], cluster=n), GATES))
        for n in (1, 10)
    )
    assert alone is not None
    assert together is not None
    assert together > 1.2 * alone


@pytest.mark.parametrize(
    ("ours", "theirs", "worst", "best"),
    [
        ("-", "w", 1, 0),
        ("-", "r", 0, -1),
        ("w", "-", 0, -1),
        ("r", "-", 1, 0),
        ("-", "-", 1, -1),
        ("r", "w", 1, 1),
        ("w", "r", -1, -1),
        ("t", "w", 0, 0),
    ],
)
def test_a_hole_is_the_worst_and_the_best_that_it_could_have_been(
    ours: str, theirs: str, worst: int, best: int
) -> None:
    _, seen, at_worst, at_best = differences(marked(ours), marked(theirs))
    assert (at_worst, at_best) == ([worst], [best])
    assert len(seen) == ("-" not in (ours, theirs))


def test_a_candidate_with_holes_lends_no_other_its_place_in_the_order() -> None:
    """Ten holes look best of all if they were won; lost, they leave the other one first in line."""
    reference = marked("r" * 1000)
    found = judged(reference, {"a": marked("-" * 10 + "r" * 990), "b": marked("w" * 5 + "r" * 995)})
    first_of_two = loss_interval([1] * 5 + [0] * 995, None, ALPHA / 2, ALPHA / 2)
    assert found["b"].high == pytest.approx(first_of_two.high)


def test_items_that_only_the_candidate_was_asked_keep_their_passage() -> None:
    found = pair(marked("r", cluster=4), marked("rrrw", cluster=4))
    assert found is not None
    assert found.effect == 4  # four items of one passage are one


def test_p_values_that_are_shown_together_are_those_that_hold_together() -> None:
    sides = {name: flipped(90, 0, 10, 2) for name in ("one", "two", "three")}
    found = judge_shown(sides, GATES, dict.fromkeys(sides, ZERO))
    alone = p_loss_above(flips([1] * 10 + [-1] * 2 + [0] * 90), 0.0)
    assert [one.p_adjusted for one in found.values()] == pytest.approx([3 * alone] * 3)


def test_a_share_of_flips_is_less_sure_where_passages_flip_as_a_whole() -> None:
    sides = "r" * 200, "w" * 40 + "r" * 160
    alone, together = (
        flips_either_way(marked(sides[0], cluster=n), marked(sides[1], cluster=n), 0.95)
        for n in (1, 10)
    )
    assert alone.value == together.value == Measured(0.2, "derived")
    assert (value_of(together.high) or 0) > (value_of(alone.high) or 1) + 0.05


def test_a_loss_names_the_limit_that_it_is_above() -> None:
    lost = flipped(700, 100, 200, 0)
    known = judged(lost[0], {"q": lost[1]})["q"]
    assert (known.name, "above the A/A floor 0.0%" in known.reason) == ("worse", True)
    without = judge(lost[0], {"q": lost[1]}, GATES, Missing("no_aa_row"))["q"]
    assert isinstance(without, Measured)
    assert without.value.name == "worse"
    assert f"above the margin {GATES.margin:.1%}" in without.value.reason


def test_passages_that_hang_together_take_more_items_to_decide() -> None:
    reference, candidate = "r" * 200, "w" * 3 + "r" * 197
    alone, together = (
        judged(marked(reference, cluster=n), {"q": marked(candidate, cluster=n)})["q"]
        for n in (1, 5)
    )
    assert (alone.name, together.name) == ("undecided", "undecided")
    assert isinstance(alone.to_decide_items, Measured)
    assert isinstance(together.to_decide_items, Measured)
    assert together.to_decide_items.value > 1.5 * alone.to_decide_items.value


def test_some_of_the_items_keep_their_passages() -> None:
    some = only(marked("rrrr", cluster=2), ["task/00000", "task/00001"])
    assert set(some.marks) == {"task/00000", "task/00001"}
    assert {some.clusters[item] for item in some.marks} == {"c0"}
