"""What is said of a difference beside its verdict."""

from __future__ import annotations

import pytest
from tests.analysis.marked import flipped, marked, sampled

from steelyard.analysis.effects import effects
from steelyard.analysis.verdict import Marked, judge_pairs, pair
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Effect
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.paired import loss_interval

Sides = dict[str, tuple[Marked, Marked]]


def sized(sides: Sides, margin: float = 0.03) -> dict[str, Effect]:
    paired = {name: (both[0], pair(*both)) for name, both in sides.items()}
    known = {name: (first, found) for name, (first, found) in paired.items() if found is not None}
    return effects(known, Gates(margin=margin))


def test_equal_sides_of_many_items_are_shown_to_be_alike_and_few_are_not() -> None:
    assert sized({"a": flipped(900, 80, 10, 10)})["a"].equivalence.shown
    assert not sized({"a": flipped(90, 8, 1, 1)})["a"].equivalence.shown


def test_a_gain_beyond_the_margin_is_not_alike_though_no_loss_is_shown() -> None:
    sides: Sides = {"a": flipped(800, 100, 0, 100)}
    found = sized(sides)["a"]
    verdict = judge_pairs(sides, Gates(margin=0.03), dict.fromkeys(sides, Missing("no_floor", "")))[
        "a"
    ]
    assert isinstance(verdict, Measured)
    assert verdict.value.name == "no loss shown"
    assert not found.equivalence.shown
    assert found.h < 0


@pytest.mark.parametrize("flips", [(10, 10), (22, 8), (30, 5), (0, 60)])
def test_what_is_alike_always_qualifies_by_the_verdict(flips: tuple[int, int]) -> None:
    sides: Sides = {"a": flipped(900, 80, *flips), "b": flipped(500, 80, 4, 4)}
    verdicts = judge_pairs(sides, Gates(margin=0.03), dict.fromkeys(sides, Missing("no_floor", "")))
    for name, found in sized(sides).items():
        verdict = verdicts[name]
        assert isinstance(verdict, Measured)
        if found.equivalence.shown:
            assert verdict.value.name in ("no loss shown", "within margin")


def test_joint_bounds_of_several_tasks_share_the_error_and_one_task_has_it_all() -> None:
    side = flipped(80, 10, 8, 2)
    alone, several = sized({"a": side})["a"], sized(dict.fromkeys("abcd", side))["a"]
    differences = [1] * 8 + [-1] * 2 + [0] * 90
    for found, alpha in ((alone, 0.025), (several, 0.025 / 4)):
        known = loss_interval(differences, None, alpha, alpha)
        assert value_of(found.joint.low) == pytest.approx(known.low)
        assert value_of(found.joint.high) == pytest.approx(known.high)


def test_items_of_their_own_need_no_other_way_and_passages_get_one() -> None:
    alone = sized({"a": flipped(80, 10, 8, 2)})["a"]
    assert isinstance(alone.resampled, Missing)
    assert isinstance(alone.first_share, Missing)
    letters = "rrrrw" * 40, "rwrrw" * 20 + "rrrrw" * 20
    both = (marked(letters[0], cluster=5), marked(letters[1], cluster=5))
    found = sized({"a": both})["a"]
    assert isinstance(found.resampled, Measured)
    assert isinstance(found.second_share, Measured)
    assert value_of(found.resampled.value.value) == pytest.approx(0.1)
    low, high = found.resampled.value.low, found.resampled.value.high
    assert 0 < (value_of(low) or 0) < 0.1 < (value_of(high) or 0)
    assert value_of(found.second_share.value.value) == pytest.approx(0.7, abs=1e-4)


def test_the_odds_of_samples_have_no_interval_since_those_of_an_item_hang_together() -> None:
    before, after = "r" * 40, "w" * 10 + "r" * 30
    found = sized({"a": (sampled(before, each=10), sampled(after, each=10))})["a"].odds
    assert (value_of(found.value), found.n) == (0.0, 10)
    assert {found.low, found.high} == {Missing("sampled", "samples of an item hang together")}
    alone = sized({"a": (sampled(before, each=1), sampled(after, each=1))})["a"].odds
    assert isinstance(alone.low, Measured)


def test_items_that_were_not_run_count_against_being_alike() -> None:
    reference, variant = flipped(900, 80, 10, 10)
    missed = marked("r" * 880 + "-" * 20 + "w" * 10 + "w" * 80 + "r" * 10)
    assert sized({"a": (reference, variant)})["a"].equivalence.shown
    assert not sized({"a": (reference, missed)})["a"].equivalence.shown
    assert sized({"a": (reference, missed)})["a"].odds.n == 20


def test_with_over_one_percent_not_run_nothing_is_alike_whatever_the_bounds() -> None:
    reference = marked("r" * 2000)
    missed = marked("r" * 1970 + "-" * 30), marked("r" * 1985 + "-" * 15)
    many, few = (sized({"a": (reference, one)}, margin=0.05)["a"].equivalence for one in missed)
    assert many.p_adjusted < 0.001
    assert (many.shown, few.shown) == (False, True)
