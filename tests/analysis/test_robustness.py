"""Forms against their clean items: planted flips come back, and nothing is made of no pairs."""

from __future__ import annotations

import pytest

from steelyard.analysis.marks import by_constraint
from steelyard.analysis.robustness import Place, robustness
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.task import Mark, NotRun, Right, Wrong

FORMS = ("clean", "typos_5", "typos_10", "json")
# Right or not, a row a clean item: clean, two grades of typos, JSON.
RIGHT = ("1111", "1101", "1000", "0010", "0000")


def planted() -> tuple[dict[str, Mark], dict[str, Place]]:
    marks, places = {}, {}
    for row, hits in enumerate(RIGHT):
        for form, hit in zip(FORMS, hits, strict=True):
            marks[f"{row}{form}"] = Mark(Right() if hit == "1" else Wrong())
            places[f"{row}{form}"] = Place(str(row), form)
    return marks, places


def test_flips_spread_and_worst_case_are_as_planted() -> None:
    found = robustness(*planted())
    assert [each.form for each in found.forms] == ["clean", "json", "typos_5", "typos_10"]
    by_name = {each.form: (each.pairs, each.lost, each.won) for each in found.forms}
    assert by_name["clean"] == (5, 0, 0)
    assert by_name["typos_5"] == (5, 1, 0)
    assert by_name["typos_10"] == (5, 2, 1)
    assert by_name["json"] == (5, 1, 0)
    assert found.forms[0].right.value == Measured(3 / 5, "derived")
    assert isinstance(found.spread, Measured)
    assert found.spread.value == pytest.approx(1 / 5)
    assert found.worst_case.value == Measured(1 / 5, "derived")
    assert found.worst_case.n == 5
    assert found.flip_rate.value == Measured(5 / 15, "derived")


def test_an_item_that_was_not_run_is_in_no_pair() -> None:
    marks, places = planted()
    marks["0clean"] = Mark(NotRun("http_500"))
    found = robustness(marks, places)
    assert {each.pairs for each in found.forms} == {4}
    assert found.worst_case.n == 4
    assert found.worst_case.value == Measured(0.0, "derived")


def test_without_a_pair_there_is_no_number() -> None:
    found = robustness({"a": Mark(Right())}, {"a": Place("a", "typos_5")})
    assert isinstance(found.spread, Missing)
    assert isinstance(found.flip_rate.value, Missing)
    assert isinstance(found.worst_case.value, Missing)


def test_constraints_are_counted_by_name_where_they_were_asked_for() -> None:
    marks = {
        "a": Mark(Right(), {}, {"unit": True, "case": True}),
        "b": Mark(Wrong(), {}, {"case": False}),
    }
    found = by_constraint(marks, {})
    assert found["unit"].n == 1
    assert found["case"].value == Measured(0.5, "derived")
