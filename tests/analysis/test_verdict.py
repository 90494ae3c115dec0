"""The verdict: four names, one definition, and no false accusation."""

from __future__ import annotations

import random

import pytest
from tests.analysis.marked import flipped, marked

from steelyard.analysis import verdict as verdicts
from steelyard.analysis.verdict import (
    Marked,
    flip_count,
    floor,
    judge,
    judge_shown,
    only,
    pair,
)
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Verdict, VerdictName

GATES = Gates()
NO_FLOOR: Reading[float] = Measured(0.0, "derived")


def verdict(
    reference: Marked,
    candidate: Marked,
    aa_floor: Reading[float] = NO_FLOOR,
    gates: Gates = GATES,
) -> Verdict:
    found = judge(reference, {"Q": candidate}, gates, aa_floor)["Q"]
    assert isinstance(found, Measured)
    return found.value


def test_identical_files_do_not_fail_at_the_chosen_number_of_items() -> None:
    reference, same = flipped(800, 400, 0, 0)
    judged = judge(reference, dict.fromkeys("ABCDEFGH", same), GATES, NO_FLOOR)
    for found in judged.values():
        assert isinstance(found, Measured)
        assert found.value.name == "no loss shown"
        assert found.value.high < 0.01


@pytest.mark.parametrize(
    ("lost", "won", "name"),
    [
        (10, 9, "no loss shown"),
        (20, 5, "within margin"),
        (60, 42, "undecided"),
        (120, 10, "worse"),
    ],
)
def test_the_interval_gives_the_name(lost: int, won: int, name: VerdictName) -> None:
    found = verdict(*flipped(700, 370, lost, won))
    assert found.name == name
    assert (found.flips_lost, found.flips_won) == (lost, won)
    assert found.loss == pytest.approx((lost - won) / (1070 + lost + won))
    inside, shown = found.high < found.margin, found.low > found.floor
    expected = {
        (True, False): "no loss shown",
        (True, True): "within margin",
        (False, False): "undecided",
        (False, True): "worse",
    }
    assert expected[inside, shown] == name
    assert found.reason


def test_nothing_inside_the_floor_is_called_worse() -> None:
    reference, candidate = flipped(700, 370, 90, 20)
    assert verdict(reference, candidate).name == "worse"
    lifted = verdict(reference, candidate, Measured(0.05, "derived"))
    assert lifted.name == "undecided"
    assert lifted.floor == 0.05


def test_a_loss_inside_the_floor_is_not_shown_even_where_it_lies_below_the_margin() -> None:
    reference, candidate = flipped(700, 370, 20, 5)
    assert verdict(reference, candidate).name == "within margin"
    assert verdict(reference, candidate, Measured(0.02, "derived")).name == "no loss shown"


def test_without_an_aa_row_nothing_below_the_margin_is_called_worse() -> None:
    reference, candidate = flipped(700, 370, 55, 10)
    assert verdict(reference, candidate).name == "worse"
    unknown = verdict(reference, candidate, Missing("no_aa_row"))
    assert unknown.floor == GATES.margin
    assert unknown.name == "undecided"
    assert unknown.low > 0
    assert "nor is none" not in unknown.reason
    assert "without a known A/A floor" in unknown.reason


def test_a_loss_that_is_shown_is_never_told_as_none() -> None:
    """81 lost and none won of 4,400: a loss of 1.5 points or more, all of it below the margin."""
    sides = flipped(4200, 119, 81, 0)
    for aa_floor in (Missing("no_aa_row"), NO_FLOOR):
        found = verdict(*sides, aa_floor)
        assert found.low > 0
        assert found.name == "within margin"
        assert "no loss" not in found.reason
    inside = verdict(*sides, Measured(0.02, "derived"))
    assert inside.name == "no loss shown"
    assert "between 1.5% and 2.3% is lost" in inside.reason
    assert "2.0%" in inside.reason


def test_what_is_undecided_with_every_item_run_names_more_items() -> None:
    reference = marked("r" * 61 + "w" * 59, cluster=5)
    candidate = marked("r" * 60 + "w" * 58 + "r" * 2, cluster=5)
    found = verdict(reference, candidate, NO_FLOOR)
    assert found.name == "undecided"
    assert isinstance(found.to_decide_items, Measured)
    assert 120 < found.to_decide_items.value < 400


def test_the_floor_is_zero_for_the_same_marks_and_grows_with_flips_that_cancel() -> None:
    reference, twin = flipped(800, 400, 0, 0)
    assert floor(reference, twin, GATES) == Measured(0.0, "derived")
    assert flip_count(reference, twin) == Measured(0, "derived")
    reference, twin = flipped(740, 400, 30, 30)
    found = floor(reference, twin, GATES)
    assert isinstance(found, Measured)
    assert 0.01 < found.value < 0.02
    assert flip_count(reference, twin) == Measured(60, "derived")


def test_a_twin_that_was_not_run_gives_no_floor() -> None:
    reference = marked("rrww")
    assert isinstance(floor(reference, Marked(), GATES), Missing)
    assert isinstance(flip_count(reference, Marked()), Missing)


def test_correction_makes_a_verdict_of_many_more_careful_than_of_one() -> None:
    reference, candidate = flipped(700, 370, 45, 20)
    alone = verdict(reference, candidate)
    same = flipped(700, 370, 45, 20)[1]
    judged = judge(reference, dict.fromkeys("ABCDEFGH", same), GATES, NO_FLOOR)
    many = judged["H"]
    assert isinstance(many, Measured)
    assert many.value.low < alone.low
    assert many.value.high > alone.high
    assert many.value.p_adjusted > alone.p_adjusted
    # Equal findings have equal bounds, whatever their labels.
    assert len({found.value for found in judged.values() if isinstance(found, Measured)}) == 1


def test_true_equals_are_accused_in_few_campaigns() -> None:
    """Six variants as good as the reference whose marks wander by 6 %: one in twenty at most."""
    source = random.Random(5)
    accused = 0
    for _ in range(40):
        reference = "".join("r" if source.random() < 0.5 else "w" for _ in range(300))
        candidates = {label: marked(_wandered(reference, source)) for label in "ABCDEF"}
        judged = judge(marked(reference), candidates, GATES, NO_FLOOR)
        names = [found.value.name for found in judged.values() if isinstance(found, Measured)]
        accused += any(name in ("worse", "within margin") for name in names)
    assert accused <= 5


def _wandered(reference: str, source: random.Random) -> str:
    """As many right as wrong, so that a flip is as often won as lost."""
    other = {"r": "w", "w": "r"}
    return "".join(other[mark] if source.random() < 0.06 else mark for mark in reference)


def test_an_undecided_verdict_says_how_many_items_would_decide_it() -> None:
    found = verdict(*flipped(700, 370, 60, 42))
    assert found.name == "undecided"
    assert isinstance(found.to_decide_items, Measured)
    assert found.items < found.to_decide_items.value < 10_000
    assert found.low <= 0
    assert found.reason == (
        f"up to {found.high:.1%} may be lost, and less than 3.0% is allowed; it may also lose "
        "nothing"
    )
    decided = verdict(*flipped(700, 370, 5, 5))
    assert isinstance(decided.to_decide_items, Missing)


def test_a_loss_at_the_very_limit_cannot_be_decided_and_says_so() -> None:
    found = verdict(*flipped(900, 64, 33, 3))
    assert found.loss == pytest.approx(0.03)
    gates = Gates(margin=found.loss)
    at_limit = verdict(*flipped(900, 64, 33, 3), Measured(found.loss, "derived"), gates)
    assert at_limit.name == "undecided"
    assert str(at_limit.to_decide_items) == (
        "no number of items would decide it: stay with the reference, or choose another --margin"
    )


def test_clustered_items_widen_the_interval() -> None:
    letters = "r" * 600
    lost = "w" * 40 + "r" * 560
    alone = verdict(marked(letters), marked(lost))
    together = verdict(marked(letters, cluster=20), marked(lost, cluster=20))
    assert together.loss == alone.loss
    assert together.high > alone.high
    assert together.low < alone.low


def test_items_not_run_count_against_the_variant_above_and_for_it_below() -> None:
    reference = marked("r" * 700 + "w" * 300)
    whole = verdict(reference, marked("r" * 700 + "w" * 300))
    holed = verdict(reference, marked("-" * 8 + "r" * 692 + "w" * 300))
    assert holed.loss == 0
    assert holed.items == 992
    assert holed.high > whole.high + 0.005
    assert holed.name == "no loss shown"


def test_items_that_the_reference_did_not_run_count_against_the_variant_too() -> None:
    candidate = marked("w" * 300 + "r" * 700)
    whole = verdict(marked("w" * 300 + "r" * 700), candidate)
    holed = verdict(marked("-" * 8 + "w" * 292 + "r" * 700), candidate)
    assert holed.high > whole.high + 0.005


def test_where_the_holes_alone_leave_it_open_the_way_out_is_to_fill_them() -> None:
    reference = marked("r" * 700 + "w" * 300)
    holed = verdict(reference, marked("-" * 9 + "w" * 31 + "r" * 660 + "r" * 20 + "w" * 280))
    assert holed.name == "undecided"
    assert isinstance(holed.to_decide_items, Missing)
    assert holed.to_decide_items.code == "not_run"


def test_over_one_percent_not_run_is_undecided_whatever_the_interval_says() -> None:
    reference = marked("r" * 700 + "w" * 300)
    found = verdict(reference, marked("-" * 11 + "r" * 689 + "w" * 300))
    assert found.name == "undecided"
    assert "not run" in found.reason
    assert found.to_decide_items == Missing(
        "not_run", "ask again what was not run: `sweep --resume`, or `eval` with the same --out"
    )


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("missed", "too_few"), [(1, False), (2, True)])
def test_over_one_percent_not_run_on_either_side_is_too_few(
    missed: int, too_few: bool, side: int
) -> None:
    sides = [marked("r" * 100), marked("r" * 100)]
    sides[side] = marked("r" * (100 - missed) + "-" * missed)
    found = pair(*sides)
    assert found is not None
    assert found.too_few_run is too_few


def test_items_that_one_side_was_never_asked_count_as_not_run() -> None:
    reference = marked("r" * 1000)
    assert verdict(reference, marked("r" * 500)).name == "undecided"
    assert verdict(marked("r" * 500), reference).name == "undecided"


def test_a_candidate_without_marks_has_no_verdict() -> None:
    reference = marked("rrww")
    judged = judge(reference, {"gone": Marked(), "dead": marked("----")}, GATES, NO_FLOOR)
    assert all(isinstance(found, Missing) for found in judged.values())


def test_a_truncated_answer_is_a_lost_one() -> None:
    found = verdict(marked("r" * 400), marked("t" * 40 + "r" * 360))
    assert found.flips_lost == 40
    assert found.name == "worse"


def test_what_is_shown_of_families_is_bounded_for_all_of_them_at_once() -> None:
    reference, candidate = marked("r" * 200), marked("w" * 30 + "r" * 170)
    first, rest = ([f"task/{n:05d}" for n in part] for part in (range(100), range(100, 200)))
    sides = {
        name: (only(reference, items), only(candidate, items))
        for name, items in (("first", first), ("rest", rest), ("none", []))
    }
    zero = Measured(0.0, "derived")
    found = judge_shown(sides, GATES, dict.fromkeys(sides, zero))
    assert set(found) == {"first", "rest"}
    lost = found["first"]
    assert (lost.items, lost.flips_lost, lost.flips_won, lost.name) == (100, 30, 0, "worse")
    assert lost.loss == pytest.approx(0.3)
    assert 0.18 < lost.low < lost.loss < lost.high < 0.44
    alone = judge_shown({"first": sides["first"]}, GATES, {"first": zero})["first"]
    assert lost.low < alone.low < alone.high < lost.high
    assert found["rest"].name == "undecided"  # a hundred items do not bound a loss by the margin
    silent = judge_shown({"first": sides["first"]}, GATES, {"first": Missing("no_aa_row", "")})
    assert silent["first"].floor == GATES.margin


def test_flips_either_way_are_a_share_with_an_interval() -> None:
    found = verdicts.flipped(marked("rrrw" * 50), marked("wrrr" * 50), 0.95)
    assert found.value == Measured(0.5, "derived")
    assert found.n == 200
    assert isinstance(found.low, Measured)
    assert 0.42 < found.low.value < 0.45


def test_the_floor_of_a_family_is_that_of_its_own_items() -> None:
    reference, twin = marked("r" * 200), marked("w" * 10 + "r" * 190)
    first, rest = ([f"task/{n:05d}" for n in part] for part in (range(100), range(100, 200)))
    found = floor(only(reference, first), only(twin, first), GATES)
    assert isinstance(found, Measured)
    assert found.value > 0.1
    assert floor(only(reference, rest), only(twin, rest), Gates(margin=0.05)) == Measured(
        0.0, "derived"
    )
