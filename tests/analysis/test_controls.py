"""The controls of a campaign are those of all its runs, not of the first one."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.timed import record

from steelyard.analysis.controls import in_force
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import AppliedControl

ONE = AppliedControl("threads", "1", Measured("1", "engine"))
TWO = AppliedControl("threads", "1", Measured("2", "engine"))
SEED = AppliedControl("seed", "0", Missing("not_reported"))


def test_what_all_runs_say_is_in_force() -> None:
    runs = [replace(record([]), controls=(ONE, SEED)) for _ in range(3)]
    assert in_force(runs) == (ONE, SEED)


def test_runs_that_differ_are_named_with_their_counts() -> None:
    runs = [replace(record([]), controls=(control,)) for control in (ONE, TWO, ONE)]
    (threads,) = in_force(runs)
    assert threads.applied == Missing("runs_differ", "1 in 2 of 3 runs; 2 in 1 of 3 runs")


def test_a_run_that_failed_before_its_controls_were_read_says_nothing() -> None:
    failed = replace(record([]), outcome="failed", controls=(TWO,))
    assert in_force([failed, replace(record([]), controls=(ONE,))]) == (ONE,)
