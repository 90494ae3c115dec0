"""Forms and a judge's scores lost: signs, sizes and what hangs together, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from tests.analysis.marked import with_constraints

from steelyard.analysis.graded import adherence_loss, formats, judge_scores
from steelyard.analysis.verdict import Marked
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Invalid, Mark, Right
from steelyard.stats.paired import loss_interval


def width(found: Estimate) -> float:
    low, high = value_of(found.low), value_of(found.high)
    assert low is not None
    assert high is not None
    return high - low


def scored(values: Sequence[float | None], *, cluster: int = 1) -> Marked:
    marks = {
        f"{n:03d}": Mark(
            Right(), judge=Missing("empty") if value is None else Measured(value, "derived")
        )
        for n, value in enumerate(values)
    }
    return Marked(marks, {item: f"c{int(item) // cluster}" for item in marks})


def test_forms_that_the_second_run_lost_are_a_loss_and_its_size_is_by_items() -> None:
    """Of four forms of each item none, one, or two were lost: by items 0, 1/4 and 1/2."""
    first = with_constraints([[True] * 4] * 3)
    second = with_constraints([[True] * 4, [True, True, True, False], [True, False, True, False]])
    found = formats(first, second, 0.95)
    assert (found.loss.value, found.loss.n) == (Measured(3 / 12, "derived"), 12)
    assert value_of(found.d) == pytest.approx(0.25 / 0.25)
    back = formats(second, first, 0.95)
    assert back.loss.value == Measured(-3 / 12, "derived")
    assert value_of(back.d) == pytest.approx(-1.0)


def test_the_forms_of_one_item_hang_together_and_the_bounds_are_two_sided() -> None:
    kept, lost = [True] * 4, [False] * 4
    first, second = with_constraints([kept] * 20), with_constraints([lost] * 4 + [kept] * 16)
    found = adherence_loss(first, second, 0.95)
    owners = [f"task/{n // 4:05d}" for n in range(80)]
    known = loss_interval([1] * 16 + [0] * 64, owners, 0.025, 0.025)
    assert (value_of(found.low), value_of(found.high)) == (known.low, known.high)
    alone = loss_interval([1] * 16 + [0] * 64)
    assert known.low < alone.low < alone.high < known.high


def test_forms_that_one_side_alone_was_asked_for_are_in_no_pair() -> None:
    found = adherence_loss(with_constraints([[True, True]]), with_constraints([[False]]), 0.95)
    assert (found.value, found.n) == (Measured(1.0, "derived"), 1)
    none = adherence_loss(with_constraints([[True]]), with_constraints([[]]), 0.95)
    assert isinstance(none.value, Missing)


def test_a_variant_that_was_cut_more_often_has_lost_no_form_by_it() -> None:
    first = with_constraints([[True], [True], [True]])
    second = with_constraints([[True], [False], [False]])
    cut = Mark(Invalid("truncated"), constraints={"c0": False})
    second = Marked({**second.marks, "task/00002": cut}, second.clusters)
    assert (adherence_loss(first, second, 0.95).value, adherence_loss(first, second, 0.95).n) == (
        Measured(0.5, "derived"),
        2,
    )
    assert formats(second, first, 0.95).loss.n == 2


def test_a_tool_called_wrongly_is_no_form_that_was_lost() -> None:
    def called(right: bool) -> Marked:
        return Marked({"a": Mark(Right(), constraints={"right_tool": right, "schema_valid": True})})

    found = formats(called(True), called(False), 0.95)
    assert (found.loss.value, found.loss.n) == (Measured(0.0, "derived"), 1)


def test_a_score_that_fell_is_a_loss_and_one_that_is_missing_is_in_no_pair() -> None:
    found = judge_scores(scored([1.0, 0.5, 1.0, None]), scored([0.5, 0.5, None, 0.0]), 0.95)
    assert (found.loss.value, found.loss.n) == (Measured(0.25, "derived"), 2)
    assert value_of(found.d) == pytest.approx(0.25 / math.sqrt(0.125))


def test_scores_of_one_passage_hang_together() -> None:
    fell = [1.0 if n // 5 % 2 else 0.5 for n in range(200)]
    alone, shared = (
        judge_scores(scored([1.0] * 200, cluster=size), scored(fell, cluster=size), 0.95).loss
        for size in (1, 5)
    )
    assert alone.value == shared.value == Measured(0.25, "derived")
    assert width(shared) > 1.8 * width(alone)
