"""What is said of a difference beside its verdict."""

from __future__ import annotations

import pytest
from tests.analysis.marked import flipped, marked, sampled

from steelyard.analysis.effects import effects
from steelyard.analysis.verdict import Marked, judge_pairs, pair
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Effect
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Estimate
from steelyard.stats import likely
from steelyard.stats.paired import Flips, loss_interval

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


def test_what_is_likely_lost_is_narrower_than_the_verdicts_bounds_and_joint_is_wider() -> None:
    side = flipped(20, 6, 3, 1)
    found = sized(dict.fromkeys("abcd", side))["a"]
    seen = Flips(3, 1, 30)
    for one, alpha in ((found.likely, 0.025), (found.likely_joint, 0.025 / 4)):
        assert (value_of(one.low), value_of(one.high)) == likely.bounds(seen, seen, alpha)
        assert value_of(one.value) == pytest.approx(2 / 30)
    known = loss_interval([1] * 3 + [-1] + [0] * 26)
    assert width(found.likely) < known.high - known.low
    assert width(found.likely) < width(found.likely_joint) < width(found.joint)
    alone = sized({"a": side})["a"]
    assert alone.likely == alone.likely_joint == found.likely


def test_passages_that_hang_together_widen_what_is_likely() -> None:
    letters = "rrrrr" * 20, "wwrrr" + "rrrrr" * 18 + "wwwrr"
    apart, together = (
        sized({"a": (marked(letters[0], cluster=c), marked(letters[1], cluster=c))})["a"].likely
        for c in (1, 5)
    )
    assert width(apart) < width(together)


def test_items_that_were_not_run_widen_what_is_likely() -> None:
    reference, variant = flipped(900, 80, 10, 10)
    missed = marked("r" * 880 + "-" * 20 + "w" * 10 + "w" * 80 + "r" * 10)
    run, not_run = (sized({"a": (reference, one)})["a"].likely for one in (variant, missed))
    assert width(run) < width(not_run)


def width(found: Estimate) -> float:
    low, high = value_of(found.low), value_of(found.high)
    assert low is not None
    assert high is not None
    return high - low


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


def test_what_is_likely_holds_the_loss_that_was_seen() -> None:
    for lost, won in ((14, 0), (0, 14)):
        found = sized({"a": flipped(0, 0, lost, won)})["a"]
        for interval in (found.likely, found.likely_joint, found.joint):
            low, value, high = map(value_of, (interval.low, interval.value, interval.high))
            assert low is not None
            assert value is not None
            assert high is not None
            assert low <= value <= high
