"""An A/A row that came last names verdicts, and lets nobody in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.analysis.aa_row import named
from steelyard.analysis.verdict import QUALIFYING
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Verdict, VerdictName

BASE = Verdict(
    name="within margin",
    loss=0.015,
    low=0.01,
    high=0.02,
    margin=0.03,
    floor=0.03,
    items=400,
    flips_lost=6,
    flips_won=0,
    p_adjusted=0.01,
    to_decide_items=Missing("decided", "these items decide it"),
    reason="as it was",
)


@pytest.mark.parametrize(
    ("name", "low", "high", "floor", "named_so"),
    [
        ("within margin", 0.01, 0.02, 0.015, "no loss shown"),
        ("no loss shown", 0.01, 0.02, 0.005, "within margin"),
        ("no loss shown", -0.01, 0.02, 0.0, "no loss shown"),
        ("worse", 0.04, 0.09, 0.05, "undecided"),
        ("worse", 0.04, 0.09, 0.01, "worse"),
        ("undecided", 0.01, 0.09, 0.0, "undecided"),
    ],
)
def test_a_verdict_is_named_by_the_floor_and_who_qualifies_stays(
    name: VerdictName, low: float, high: float, floor: float, named_so: VerdictName
) -> None:
    before = replace(BASE, name=name, low=low, high=high, no_floor="none yet")
    after = named(before, Measured(floor, "derived"))
    assert after.name == named_so
    assert (after.no_floor == "") == (after.floor == floor)
    assert (after.name in QUALIFYING) == (name in QUALIFYING)


def test_without_an_aa_row_and_where_nothing_was_run_the_verdict_stays() -> None:
    assert named(BASE, Missing("no_aa_row", "")) is BASE
    polluted = replace(BASE, name="undecided", reason="more than 1% of the items were not run")
    assert named(polluted, Measured(0.0, "derived")) is polluted
