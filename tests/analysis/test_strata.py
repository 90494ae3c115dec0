"""Families pooled over levels: what a row holds, what it is corrected over, levels that part."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import pytest
from tests.analysis.suite import both, ran

from steelyard.analysis import evaluation, strata
from steelyard.analysis.verdict import Pairs
from steelyard.domain.evaluation import Contrast, Pairing
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.task import Task
from steelyard.stats.paired import Flips

T = TypeVar("T")
MATHS = Task("math_words", level=2), Task("math_words", level=3)
LOGIC = Task("logic", level=2), Task("logic", level=3)
CODE = Task("code", level=2)


def known(reading: Reading[T]) -> T:
    assert isinstance(reading, Measured), reading
    return reading.value


def contrast(planted: Mapping[Task, tuple[int, int, int]]) -> Contrast:
    return evaluation.contrast(*both(planted), 0.03, ())


def row(found: Contrast, name: str) -> Pairing:
    return next(one for one in (*found.families, *found.tasks) if one.task == name)


def verdict(found: Contrast, name: str) -> str:
    return known(row(found, name).verdict).name


def test_levels_are_one_family_and_settings_stay_apart_where_there_are_several() -> None:
    small, large = (("k", "4"),), (("k", "8"),)
    tasks = (
        *MATHS,
        Task("math_words", level=2, vary=("json",)),
        *(Task("rag", level=level, settings=small) for level in (2, 3)),
    )
    names = [task.section for task in tasks]
    assert strata.families(tasks, names) == {
        "math_words": ("math_words/l2", "math_words/l3"),
        "varied:math_words": ("varied:math_words/l2",),
        "rag": ("rag/l2[4]", "rag/l3[4]"),
    }
    several = (Task("rag", level=2, settings=small), Task("rag", level=2, settings=large))
    assert strata.families(several, ["rag/l2[4]", "rag/l2[8]"]) == {
        "rag[4]": ("rag/l2[4]",),
        "rag[8]": ("rag/l2[8]",),
    }
    assert strata.families((), ["file:mine"]) == {"file:mine": ("file:mine",)}


def test_a_loss_that_no_level_shows_by_itself_is_shown_by_the_family() -> None:
    quiet = [Task(name, level=level) for name in ("reading", "tools", "rag") for level in (2, 3)]
    found = contrast(
        {**dict.fromkeys(MATHS, (150, 14, 2)), **dict.fromkeys(quiet, (150, 3, 3))},
    )
    assert [verdict(found, task.section) for task in MATHS] == ["undecided", "undecided"]
    assert verdict(found, "math_words") == "worse"
    pooled = known(row(found, "math_words").verdict)
    assert (pooled.items, pooled.flips_lost, pooled.flips_won) == (300, 28, 4)
    assert pooled.loss == pytest.approx(24 / 300)


def test_families_are_corrected_over_families_and_levels_over_levels() -> None:
    names = ("math_words", "reading", "logic", "tools")
    found = contrast({Task(n, level=at): (150, 9, 2) for n in names for at in (2, 3)})
    for rows, count in ((found.families, 4), (found.tasks, 8)):
        assert len(rows) == count
        assert known(rows[0].p_adjusted) == pytest.approx(count * known(rows[0].p))


def test_a_level_that_loses_does_not_hide_behind_one_that_wins() -> None:
    found = contrast({MATHS[0]: (150, 18, 0), MATHS[1]: (150, 0, 18), CODE: (100, 2, 2)})
    assert known(row(found, "math_words").verdict).loss == 0
    assert found.pooled["math_words"].apart
    assert verdict(found, "math_words/l2") == "worse"
    alone = found.pooled["code"]
    assert (alone.tasks, alone.apart) == (("code/l2",), False)
    assert isinstance(alone.p, Missing)
    few = contrast({MATHS[0]: (150, 3, 1), MATHS[1]: (150, 1, 3)})
    assert not few.pooled["math_words"].apart
    alike = contrast({MATHS[0]: (150, 18, 0), MATHS[1]: (150, 20, 0)})
    assert not alike.pooled["math_words"].apart


def test_whether_levels_part_is_corrected_over_the_families() -> None:
    planted = {LOGIC[0]: (150, 9, 2), LOGIC[1]: (150, 2, 6)}
    alone = contrast(planted).pooled["logic"]
    many = [Task(f"f{n}", level=level) for n in range(11) for level in (2, 3)]
    among = contrast({**planted, **dict.fromkeys(many, (60, 2, 2))}).pooled["logic"]
    assert known(among.p) == known(alone.p)
    assert known(among.p_adjusted) == pytest.approx(12 * known(alone.p))
    assert (alone.apart, among.apart) == (True, False)


@pytest.mark.parametrize(("items", "share"), [(150, 0.05), (40, 0.1)])
def test_levels_that_lose_alike_are_seldom_said_to_part(items: int, share: float) -> None:
    source, alarms = random.Random(5), 0
    no = Flips(0, 0, 1)

    def level() -> Pairs:
        seen = tuple(source.choices((1, -1, 0), (share, share, 1 - 2 * share), k=items))
        names = tuple(map(str, range(items)))
        return Pairs(names, names, seen, no, no, 1.0, too_few_run=False)

    for _ in range(400):
        alarms += strata.pooled({"f": ("a", "b")}, {"a": level(), "b": level()})["f"].apart
    assert alarms / 400 <= strata.ALPHA + 0.02


def test_an_evaluation_of_one_run_has_its_families_too() -> None:
    found = evaluation.evaluate(ran("one", {MATHS[0]: "rrrw", MATHS[1]: "rwww", CODE: "rr-"}))
    (maths, code) = found.families
    assert (maths.task, maths.marks.right, maths.marks.wrong) == ("math_words", 4, 4)
    assert (code.marks.right, code.marks.not_run) == (2, 1)
    assert found.pooled["math_words"] == ("math_words/l2", "math_words/l3")
    assert isinstance(maths.band, Measured)


def test_the_floor_of_a_family_is_that_of_all_its_levels() -> None:
    first, second = both({MATHS[0]: (200, 5, 0), MATHS[1]: (200, 5, 0)})
    again = ran("again", {MATHS[0]: "r" * 198 + "ww", MATHS[1]: "r" * 200})
    found = evaluation.contrast(first, second, 0.03, (), again)
    floors = {name: known(floor) for name, floor in found.floors.items()}
    assert floors["math_words/l3"] == 0
    assert 0 < floors["math_words"] < floors["math_words/l2"]
    assert floors["math_words"] == floors["overall"]
    assert known(row(found, "math_words").verdict).floor == floors["math_words"]


def test_a_family_of_which_a_level_was_not_asked_once_more_has_no_floor() -> None:
    first, second = both({MATHS[0]: (200, 5, 0), MATHS[1]: (200, 5, 0)})
    found = evaluation.contrast(first, second, 0.03, (), ran("again", {MATHS[0]: "r" * 200}))
    assert found.floors["math_words/l2"] == Measured(0.0, "derived")
    why = "the first was not asked all of it once more"
    for name in ("math_words/l3", "math_words", "overall"):
        assert found.floors[name] == Missing("no_aa_row", why)
    assert known(row(found, "math_words").verdict).no_floor == why


def test_levels_are_told_apart_though_another_has_no_item_on_both_sides() -> None:
    third = Task("math_words", level=4)
    first, second = both({MATHS[0]: (150, 40, 3), MATHS[1]: (150, 0, 40)})
    mine, theirs = ran("x", {third: "r-"}), ran("y", {third: "-r"})
    first, second = (
        replace(
            one,
            spec=replace(one.spec, tasks=(*MATHS, third)),
            sections=(*one.sections, *more.sections),
        )
        for one, more in ((first, mine), (second, theirs))
    )
    found = evaluation.contrast(first, second, 0.03, ()).pooled["math_words"]
    assert known(found.p) < 0.001
    assert found.apart
