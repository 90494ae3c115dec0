"""Where bands begin, and what keeps a share from having one."""

from __future__ import annotations

import pytest

from steelyard.analysis import bands
from steelyard.analysis.marks import count
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Marks
from steelyard.domain.task import Mark, NotRun, Right, Wrong


def marks(right: int, wrong: int, not_run: int = 0) -> Marks:
    outcomes = [Right()] * right + [Wrong()] * wrong + [NotRun("server_error")] * not_run
    return count({f"{at:04d}": Mark(outcome) for at, outcome in enumerate(outcomes)}, {})


@pytest.mark.parametrize(
    ("task", "share", "band"),
    [
        ("overall", 0.90, "excellent"),
        ("overall", 0.8999, "good"),
        ("overall", 0.60, "poor"),
        ("overall", 0.5999, "failed"),
        ("math_words/l2", 0.70, "acceptable"),
        ("math_words/l2", 0.69, "failed"),
        ("reading/l1", 0.65, "acceptable"),
        ("logic/l1", 0.85, "excellent"),
        ("formats/l3", 0.80, "acceptable"),
    ],
)
def test_bands_begin_at_their_limits(task: str, share: float, band: str) -> None:
    assert bands.band(task, share) == Measured(band, "derived")


def test_a_family_without_agreed_limits_has_no_band() -> None:
    assert isinstance(bands.band("mine/l1", 1.0), Missing)


def test_an_item_that_was_not_run_counts_as_not_right() -> None:
    assert bands.rated("overall", marks(900, 99)) == Measured("excellent", "derived")
    assert bands.rated("overall", marks(900, 99, not_run=2)) == Measured("good", "derived")


def test_over_one_in_a_hundred_not_run_there_is_no_band() -> None:
    found = bands.rated("overall", marks(18, 0, not_run=6))
    assert isinstance(found, Missing)
    assert found.code == "not_run"
    assert bands.spanned("overall", marks(18, 0, not_run=6)) == ()


def test_few_items_reach_several_bands_and_many_one() -> None:
    assert bands.spanned("overall", marks(9, 0)) == ("acceptable", "excellent")
    assert bands.spanned("overall", marks(2000, 0)) == ("excellent",)
