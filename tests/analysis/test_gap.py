"""Public items beside private ones: the planted gap, its correction, and what is no gap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.sides import READING, run, task_section

from steelyard.analysis.gap import gap, in_order, unlike
from steelyard.domain.gap import GapRow
from steelyard.domain.private import made
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import RunRecord, Section, Stopped
from steelyard.domain.task import Source, Task

OWN = made(bytes(32))
LOGIC = Task("logic", items=100)


def other_items(section: Section) -> Section:
    """The same marks of items with other ids."""
    return replace(
        section,
        marks={f"p{item}": mark for item, mark in section.marks.items()},
        clusters={f"p{item}": f"p{cluster}" for item, cluster in section.clusters.items()},
    )


def public(*sides: tuple[Task, str]) -> RunRecord:
    return run("pub", *((task, task_section(task, letters)) for task, letters in sides))


def private(*sides: tuple[Task, str], cluster: int = 1) -> RunRecord:
    asked = [(replace(task, private_seed=OWN), letters) for task, letters in sides]
    return run(
        "priv",
        *((task, other_items(task_section(task, said, cluster=cluster))) for task, said in asked),
    )


def numbers(row: GapRow) -> tuple[float, float, float]:
    found = row.gap.value, row.gap.low, row.gap.high
    assert all(isinstance(one, Measured) for one in found)
    value, low, high = (value_of(one) or 0.0 for one in found)
    return value, low, high


def test_a_model_that_knows_the_public_items_shows_a_gap() -> None:
    found = gap(public((LOGIC, "r" * 100)), private((LOGIC, "r" * 60 + "w" * 40)))
    value, low, high = numbers(found.overall)
    assert value == pytest.approx(0.4)
    assert 0.28 < low < 0.32
    assert 0.48 < high < 0.52
    assert (found.public, found.private) == ("pub", "priv")
    assert (found.overall.public.right, found.overall.private.right) == (100, 60)
    assert value_of(found.overall.p) == value_of(found.families[0].p_adjusted)
    assert OWN not in found.seed
    assert found.seed.startswith("*** (sha256 ")


def test_a_model_that_has_seen_neither_shows_none() -> None:
    found = gap(public((LOGIC, "r" * 61 + "w" * 39)), private((LOGIC, "r" * 60 + "w" * 40)))
    value, low, high = numbers(found.overall)
    assert low < 0 < value < high < 0.2
    assert value_of(found.overall.p) > 0.5  # type: ignore[operator]


def test_several_families_share_one_error_and_their_bounds_are_those_of_holm() -> None:
    sides = ((LOGIC, "r" * 100), (replace(READING, items=100), "r" * 60 + "w" * 40))
    one = gap(public(sides[0]), private((LOGIC, "r" * 92 + "w" * 8)))
    two = gap(public(*sides), private((LOGIC, "r" * 92 + "w" * 8), (sides[1])))
    logic, reading = two.families
    assert value_of(logic.p) == value_of(one.overall.p)
    assert value_of(logic.p_adjusted) == pytest.approx(2 * (value_of(logic.p) or 0))
    assert numbers(logic)[1] < numbers(one.overall)[1]
    assert value_of(reading.p) == value_of(reading.p_adjusted) == 1.0
    assert two.overall.public.right == 160


def test_items_that_both_sets_have_are_left_out_of_either() -> None:
    theirs = private((LOGIC, "r" * 50 + "w" * 50))
    (section,) = theirs.sections
    twins = task_section(LOGIC, "rrrrr")
    section = replace(section, marks={**section.marks, **twins.marks})
    found = gap(public((LOGIC, "r" * 100)), replace(theirs, sections=(section,)))
    assert found.in_both == {"logic": 5}
    row = found.families[0]
    assert (row.public.right, row.private.right, row.gap.n) == (95, 50, 195)


def test_over_one_per_cent_not_run_leaves_the_gap_open() -> None:
    found = gap(public((LOGIC, "r" * 98 + "--")), private((LOGIC, "r" * 50 + "w" * 50)))
    assert found.overall.gap.value == Missing("not_run", "more than 1% of the items were not run")
    assert found.overall.wanting == 2
    assert found.overall.public.right == 98


def test_nothing_run_on_one_side_is_no_gap_of_anything() -> None:
    found = gap(public((LOGIC, "-" * 100)), private((LOGIC, "r" * 100)))
    assert isinstance(found.overall.p, Missing)


def test_which_of_two_is_the_public_one_they_say_themselves() -> None:
    one, two = public((LOGIC, "r")), private((LOGIC, "r"))
    assert in_order(one, two) == in_order(two, one) == (one, two)
    assert in_order(one, one) is in_order(two, two) is None
    given = run("set", (replace(LOGIC, source=Source("q", "csv", "ab")), task_section(LOGIC, "r")))
    assert in_order(given, two) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"items": 50}, "logic/l1 was asked with other items"),
        ({"revision": 2, "samples": 3}, "logic/l1 was asked with other revision, samples"),
        ({"level": 2}, "only pub was asked logic/l1"),
    ],
)
def test_what_was_asked_otherwise_is_named(change: dict[str, int], why: str) -> None:
    other = replace(LOGIC, **change)  # type: ignore[arg-type]
    assert why in list(unlike(public((LOGIC, "r")), private((other, "r"))))


def test_seeds_may_differ_and_a_run_that_ended_early_may_not() -> None:
    one, two = public((LOGIC, "r")), private((replace(LOGIC, seed=5), "r"))
    assert list(unlike(one, two)) == []
    early = replace(two, stopped=Stopped(1, 100, "the budget was spent", looked=False))
    assert list(unlike(one, early)) == ["priv was stopped before all items were asked"]
    broken = replace(one, outcome="failed", reason="it fell over")
    assert list(unlike(broken, two)) == ["pub failed: it fell over"]


def test_items_of_one_passage_count_for_less() -> None:
    said = ("r" * 5 + "w" * 5) * 10
    alone = gap(public((LOGIC, "r" * 100)), private((LOGIC, said)))
    together = gap(public((LOGIC, "r" * 100)), private((LOGIC, said), cluster=5))
    assert numbers(together.overall)[1] < numbers(alone.overall)[1] - 0.05
