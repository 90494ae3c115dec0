"""Pass@k of planted marks: by item, with what was not run left out."""

from __future__ import annotations

import pytest

from steelyard.analysis.passing import passing
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.task import Invalid, Mark, NotRun, Outcome, Right, Wrong, sample_key
from steelyard.stats.pass_at_k import pass_at_k


def marked(*items: list[Outcome]) -> tuple[dict[str, Mark], dict[str, str]]:
    marks = {
        sample_key(f"i{n}", number): Mark(outcome)
        for n, outcomes in enumerate(items)
        for number, outcome in enumerate(outcomes)
    }
    return marks, {key: f"cluster of {key.partition('#')[0]}" for key in marks}


def number(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured)
    return reading.value


def test_each_item_is_estimated_and_the_mean_is_told_for_each_k_that_the_samples_reach() -> None:
    first: list[Outcome] = [*[Right()] * 2, *[Wrong()] * 4]
    second: list[Outcome] = [Invalid("truncated")] * 6
    found = passing(*marked(first, second))
    assert list(found) == ["1", "5"]
    assert number(found["1"].value) == pytest.approx((2 / 6 + 0) / 2)
    assert number(found["5"].value) == pytest.approx(pass_at_k(6, 2, 5) / 2)
    assert found["5"].n == 2


def test_what_was_not_run_is_no_sample_and_too_few_leave_the_item_out() -> None:
    whole: list[Outcome] = [Right(), *[Wrong()] * 9]
    broken: list[Outcome] = [*[Right()] * 4, *[NotRun("stalled")] * 6]
    found = passing(*marked(whole, broken))
    assert number(found["1"].value) == pytest.approx((0.1 + 1) / 2)
    assert number(found["10"].value) == 1
    assert (found["1"].n, found["5"].n, found["10"].n) == (2, 1, 1)


def test_where_nothing_was_run_there_is_no_number() -> None:
    found = passing(*marked([NotRun("no_sandbox")]))
    assert isinstance(found["1"].value, Missing)
    assert passing({}, {}) == {}
