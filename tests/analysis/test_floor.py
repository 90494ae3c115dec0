"""The A/A floor of few items: what was not ruled out is not called zero."""

from __future__ import annotations

import pytest

from steelyard.analysis.verdict import Marked, floor, judge
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.task import Mark, Right, Wrong

GATES = Gates()


def marked(right: int, wrong: int = 0) -> Marked:
    outcomes = [Right()] * right + [Wrong()] * wrong
    return Marked({f"{n:04d}": Mark(one, {}) for n, one in enumerate(outcomes)}, {})


def test_a_dozen_items_that_are_marked_alike_leave_the_noise_unknown() -> None:
    found = floor(marked(12), marked(12), GATES)
    assert isinstance(found, Missing)
    assert found.code == "too_few_aa_items"
    assert found.detail == "12 marked alike do not rule out a noise of 24.2%"


@pytest.mark.parametrize(("items", "known"), [(124, False), (126, True), (300, True)])
def test_without_a_flip_it_is_zero_once_the_margin_is_ruled_out(items: int, known: bool) -> None:
    found = floor(marked(items), marked(items), GATES)
    assert (found == Measured(0.0, "derived")) is known


def test_where_the_noise_is_unknown_nothing_below_the_margin_is_worse() -> None:
    """Thirty lost of a hundred are above it all the same."""
    first = marked(100)
    aa_floor = floor(first, first, GATES)
    found = judge(first, {"few": marked(94, 6), "many": marked(70, 30)}, GATES, aa_floor)
    names = {k: v.value.name for k, v in found.items() if isinstance(v, Measured)}
    assert names == {"few": "undecided", "many": "worse"}


def test_a_verdict_says_why_its_floor_is_the_margin_and_of_a_measured_one_nothing() -> None:
    first = marked(12)
    unknown = judge(first, {"a": first}, GATES, floor(first, first, GATES))["a"]
    assert isinstance(unknown, Measured)
    assert unknown.value.floor == GATES.margin
    assert unknown.value.no_floor == "12 marked alike do not rule out a noise of 24.2%"
    many = marked(300)
    measured = judge(many, {"a": many}, GATES, floor(many, many, GATES))["a"]
    assert isinstance(measured, Measured)
    assert (measured.value.floor, measured.value.no_floor) == (0.0, "")
