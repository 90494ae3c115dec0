"""Counting marks: nothing leaves the denominator silently."""

from __future__ import annotations

import pytest
from tests.analysis.marked import marked, with_constraints

from steelyard.analysis.marks import adherence, by_constraint, count, too_few_run
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.task import Invalid, Mark, Outcome, Right, Wrong


def test_all_four_are_counted_and_the_share_leaves_out_only_what_was_not_run() -> None:
    found = marked("rrrrrrwwt-")
    counts = count(found.marks, found.clusters)
    assert (counts.right, counts.wrong, counts.invalid, counts.not_run) == (6, 2, 1, 1)
    assert counts.right_share.value == Measured(6 / 9, "derived")
    assert counts.right_share.n == 9
    assert counts.invalid_why == {"truncated": 1}


def test_what_was_not_run_gives_both_bounds() -> None:
    found = marked("rrrrrrww--")
    counts = count(found.marks, found.clusters)
    assert counts.worst_share == Measured(0.6, "derived")
    assert counts.best_share == Measured(0.8, "derived")


def test_no_items_are_no_zero() -> None:
    counts = count({}, {})
    assert isinstance(counts.right_share.value, Missing)
    assert isinstance(counts.worst_share, Missing)
    assert counts.right == counts.not_run == 0


def test_items_of_one_passage_count_for_fewer() -> None:
    alone = marked(("rrrrr" + "wwwww") * 20)
    together = marked(("rrrrr" + "wwwww") * 20, cluster=5)
    narrow = count(alone.marks, alone.clusters).right_share
    wide = count(together.marks, together.clusters).right_share
    assert narrow.value == wide.value
    low, wider_low = value_of(narrow.low), value_of(wide.low)
    assert low is not None
    assert wider_low is not None
    assert wider_low < low - 0.05


@pytest.mark.parametrize(("missed", "too_few"), [(1, False), (2, True)])
def test_over_one_percent_not_run_is_too_few(missed: int, too_few: bool) -> None:
    assert too_few_run(marked("r" * (100 - missed) + "-" * missed).marks) is too_few


def test_adherence_pools_constraints_not_items() -> None:
    found = with_constraints([[True, True, True, False], [True]])
    pooled = adherence(found.marks, found.clusters)
    assert pooled.value == Measured(0.8, "derived")
    assert pooled.n == 5


def test_without_constraints_there_is_no_adherence() -> None:
    found = marked("rrw")
    assert isinstance(adherence(found.marks, found.clusters).value, Missing)


def kept(outcome: Outcome, **held: bool) -> Mark:
    return Mark(outcome, constraints=held)


def test_a_cut_answer_broke_no_form_since_it_had_not_come_to_its_end() -> None:
    marks = {
        "a": kept(Right(), answer_form=True),
        "b": kept(Invalid("unparsable"), answer_form=False),
        "c": kept(Invalid("truncated"), answer_form=False, unit=False),
    }
    assert (adherence(marks, {}).value, adherence(marks, {}).n) == (Measured(0.5, "derived"), 2)
    assert {name: found.n for name, found in by_constraint(marks, {}).items()} == {"answer_form": 2}
    assert count(marks, {}).invalid_why == {"truncated": 1, "unparsable": 1}


def test_what_was_called_or_said_is_shown_by_name_and_is_no_form() -> None:
    marks = {
        "a": kept(Wrong(), schema_valid=True, right_tool=False, right_arguments=False),
        "b": kept(Wrong(), through_api=True, called_nothing=False, asked_for_it=False),
        "c": kept(Wrong(), short=True, all_facts=False, no_other_fact=False, right_state=False),
    }
    assert (adherence(marks, {}).value, adherence(marks, {}).n) == (Measured(1.0, "derived"), 3)
    parts = by_constraint(marks, {})
    assert len(parts) == 10
    assert parts["right_tool"].value == Measured(0.0, "derived")
