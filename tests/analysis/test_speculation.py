"""What a draft is worth, on planted times and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.analysis.speculation import Pair, Turn, break_even, by_domain, by_level
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Arrival, Attempt, Completed, EngineTimings, Failed, Usage

MS = 1_000_000
NONE = Missing("not_reported")


def attempt(text: str, first_ms: float, gap_ms: float, accepted: int | None = None) -> Attempt:
    times = [round((first_ms + gap_ms * n) * MS) for n in range(11)]
    drafted = {} if accepted is None else {"draft_tokens": Measured(10, "engine")}
    kept = {} if accepted is None else {"accepted_tokens": Measured(accepted, "engine")}
    return Attempt(
        sample="0",
        intended_ns=0,
        sent_ns=0,
        done_ns=times[-1],
        arrivals=tuple(Arrival(at, "content", n + 1) for n, at in enumerate(times)),
        text=text,
        reasoning="",
        finish_reason="stop",
        usage=Measured(Usage(5, 11), "engine"),
        timings=Measured(EngineTimings(NONE, NONE, NONE, NONE, **drafted, **kept), "engine"),
        outcome=Completed(),
    )


def pairs(count: int, gap_ms: float, accepted: int) -> list[Pair]:
    return [
        Pair(
            "json",
            attempt("same", 10, 4 + 0.01 * n),
            attempt("same" if n else "other", 12, gap_ms + 0.01 * n, accepted),
        )
        for n in range(count)
    ]


def test_a_draft_that_halves_the_time_per_token_is_a_speed_up_of_two() -> None:
    found = by_domain("json", pairs(10, 2.0, 7))
    assert isinstance(found.speedup.value, Measured)
    assert found.speedup.value.value == pytest.approx(2.0, rel=0.02)
    assert isinstance(found.prefill.value, Measured)
    assert found.prefill.value.value == pytest.approx(1.2)
    assert found.acceptance.value == Measured(0.7, "derived")
    assert isinstance(found.identical.value, Measured)
    assert found.identical.value.value == pytest.approx(0.9)
    assert (found.pairs, found.timed) == (10, 10)


def test_other_kinds_and_failed_answers_are_left_out() -> None:
    good, bad = pairs(2, 2.0, 7)
    lost = replace(bad, drafted=replace(bad.drafted, outcome=Failed("stalled")))
    found = by_domain("json", [good, lost, replace(good, domain="code")])
    assert (found.asked, found.pairs) == (2, 1)


def test_an_engine_that_counts_no_drafts_has_no_acceptance_and_not_a_zero() -> None:
    plain = attempt("x", 1, 1)
    found = by_domain("json", [Pair("json", plain, plain)])
    assert found.acceptance.value == Missing("not_reported", "the engine counted no drafted tokens")


def test_few_pairs_that_scatter_allow_no_negative_ratio() -> None:
    far = [
        Pair("json", attempt("x", 10, gap), attempt("x", 10, gap * factor, 1))
        for gap, factor in ((1.0, 4.0), (6.0, 0.7))
    ]
    low = by_domain("json", far).speedup.low
    assert low == Measured(0.0, "derived")


def test_the_draft_costs_from_the_first_level_that_lies_wholly_below_one() -> None:
    gains = [Turn(1, 100, 2.0 + 0.01 * n, 100, 1.0) for n in range(4)]
    even = [Turn(2, 100, 1.0 + 0.1 * n, 100, 1.1) for n in range(4)]
    costs = [Turn(4, 100, 1.0 + 0.01 * n, 100, 2.0) for n in range(4)]
    levels = [by_level(n, [*gains, *even, *costs]) for n in (1, 2, 4)]
    assert break_even(levels) == Measured(4, "derived")
    assert isinstance(break_even(levels[:2]), Missing)
