"""Gates: met, failed or undecided, and never met by nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.rows import NONE, NOTHING, estimate, unbounded, verdict

from steelyard.analysis.gates import (
    ADHERENCE,
    OUTPUT_SPEED,
    QUALITY,
    TTFT,
    Found,
    judge,
    passes,
    points,
)
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate, Gate, GateState, VerdictName

GOOD = Found(
    verdict=Measured(verdict(), "derived"),
    is_reference=False,
    adherence=estimate(0.9, 0.02),
    adherence_loss=estimate(0.01, 0.02),
    formats=True,
    ttft_s=estimate(0.5, 0.1),
    output_tps=estimate(30.0, 2.0),
)


def gate(name: str, found: Found, limits: Gates | None = None) -> Gate:
    return next(g for g in judge(found, limits or Gates()) if g.name == name)


def test_a_good_variant_meets_all_four_in_the_order_shown() -> None:
    found = judge(GOOD, Gates())
    assert [g.name for g in found] == [QUALITY, ADHERENCE, TTFT, OUTPUT_SPEED]
    assert passes(found)
    assert "0.4 points lost [-0.7, 1.6]: no loss shown" in found[0].found
    assert found[0].demanded == "less than 3.0 points lost"


def test_a_speed_is_written_out_with_what_it_was_taken_under() -> None:
    fast = replace(GOOD, output_tps=estimate(1290.0, 60.0), taken_at="at 512 prompt tokens")
    found = gate(OUTPUT_SPEED, fast).found
    assert found == "1,290 tok/s [1,230, 1,350], at 512 prompt tokens"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("no loss shown", "met"),
        ("within margin", "met"),
        ("undecided", "undecided"),
        ("worse", "failed"),
    ],
)
def test_the_first_two_verdicts_qualify(name: VerdictName, state: GateState) -> None:
    found = replace(GOOD, verdict=Measured(verdict(name), "derived"))
    assert gate(QUALITY, found).state == state


def test_a_missing_verdict_is_undecided_with_its_reason_and_the_reference_meets_it() -> None:
    unknown = replace(GOOD, verdict=Missing("no_paired_items", "no item was run on both sides"))
    assert gate(QUALITY, unknown).state == "undecided"
    assert "no item was run on both sides" in gate(QUALITY, unknown).found
    reference = replace(unknown, is_reference=True, adherence_loss=None)
    assert gate(QUALITY, reference).state == "met"
    assert gate(ADHERENCE, reference).state == "met"


@pytest.mark.parametrize(
    ("ttft", "state"),
    [
        (estimate(9.0, 0.9), "met"),
        (estimate(9.5, 0.9), "undecided"),
        (estimate(12.0, 1.0), "failed"),
        (unbounded(0.1), "undecided"),
        (NOTHING, "undecided"),
    ],
)
def test_the_whole_interval_has_to_lie_inside_the_limit(ttft: Estimate, state: GateState) -> None:
    found = gate(TTFT, replace(GOOD, ttft_s=ttft))
    assert found.state == state
    assert found.demanded == "at most 10 s"


@pytest.mark.parametrize(
    ("output", "state", "text"),
    [
        (estimate(7.0, 1.0), "met", "7 tok/s [6, 8]"),
        (estimate(5.5, 1.0), "undecided", "5.5 tok/s [4.5, 6.5]"),
        (estimate(3.0, 1.0), "failed", "3 tok/s [2, 4]"),
        (unbounded(99.0), "undecided", "99 tok/s, 1 sample: too few for an interval"),
        (NOTHING, "undecided", "not measured: nothing was measured"),
    ],
)
def test_a_speed_has_to_lie_above_its_limit(output: Estimate, state: GateState, text: str) -> None:
    found = gate(OUTPUT_SPEED, replace(GOOD, output_tps=output))
    assert (found.state, found.found) == (state, text)


@pytest.mark.parametrize(
    ("adherence", "loss", "state"),
    [
        (estimate(0.9, 0.02), estimate(0.04, 0.005), "met"),
        (estimate(0.9, 0.02), estimate(0.04, 0.02), "undecided"),
        (estimate(0.9, 0.02), estimate(0.09, 0.02), "failed"),
        (estimate(0.4, 0.02), estimate(0.0, 0.02), "failed"),
        (NOTHING, NOTHING, "undecided"),
        (NOTHING, estimate(0.09, 0.02), "failed"),
    ],
)
def test_adherence_is_the_worse_of_itself_and_its_loss(
    adherence: Estimate, loss: Estimate, state: GateState
) -> None:
    found = replace(GOOD, adherence=adherence, adherence_loss=loss)
    assert gate(ADHERENCE, found, Gates(adherence_min=0.5)).state == state


def test_where_no_item_states_a_format_there_is_no_such_gate() -> None:
    found = judge(replace(GOOD, formats=False, adherence=NOTHING), Gates())
    assert [g.name for g in found] == [QUALITY, TTFT, OUTPUT_SPEED]


def test_without_gates_nothing_passes() -> None:
    assert not passes(())
    assert not passes(judge(replace(GOOD, verdict=NONE), Gates()))


def test_shares_are_spoken_of_in_points() -> None:
    assert points(0.0314) == "3.1"
