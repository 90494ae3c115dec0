"""The bare engine's turn: after everything else, within the budget, once."""

from __future__ import annotations

import pytest
from tests.campaigns.sweeps import sweep

from steelyard.campaigns.events import (
    BudgetSpent,
    Calibrated,
    CanaryPassed,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    FidelityMeasured,
    RawTimed,
    Resumed,
    Started,
    event_of,
)
from steelyard.campaigns.instructions import Summarise, TimeRaw
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.planner import plan
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.ids import plain
from steelyard.domain.serverside import FieldState

PLAN = plan(sweep(raw_repeats=3))
LABELS = ("F16", "Q8_0", "Q4_K_M", "Q2_K")


def all_else(laid: Plan = PLAN, budget_s: float | None = None) -> list[Event]:
    """Everything up to the bare engine's turn."""
    assert laid.canary is not None
    told: list[Event] = [Started(laid.sweep_id, laid.id, budget_s), Calibrated(1.0)]
    told += [EngineProven(passed=True, found="", seconds=1.0), CanaryPassed(laid.canary.id, 1.0)]
    for cell in laid.cells:
        told.append(CellStarted(cell.spec.id))
        told.append(CellFinished(cell.spec.id, "completed", "CLEAN", cell.estimate_s))
    return told + [FidelityMeasured(label, 1.0) for label in laid.fidelity]


def after(*events: Event, laid: Plan = PLAN) -> Campaign:
    return replay(laid, [*all_else(laid), *events])


def timed(label: str, state: FieldState = "OK") -> RawTimed:
    return RawTimed(label, state, 2.0)


def next_of(campaign: Campaign, event: Event) -> object:
    (instruction,) = campaign.handle(event)
    return instruction


def test_each_variant_is_timed_once_when_nothing_else_is_left_and_then_comes_the_summary() -> None:
    *others, last = all_else()
    campaign, event = replay(PLAN, others), last
    for label in LABELS:
        assert next_of(campaign, event) == TimeRaw(label)
        event = timed(label)
    assert next_of(campaign, event) == Summarise({})


def test_a_sweep_that_did_not_ask_for_it_is_the_one_that_it_was() -> None:
    usual = plan(sweep())
    assert usual.raw == ()
    assert usual.raw_s == 0
    *others, last = all_else(usual)
    assert next_of(replay(usual, others), last) == Summarise({})
    assert sweep().id == sweep(raw_repeats=0).id != sweep(raw_repeats=3).id


def test_it_takes_longer_by_what_the_tests_take() -> None:
    assert PLAN.raw_s > 0
    assert PLAN.seconds == pytest.approx(plan(sweep()).seconds + 4 * PLAN.raw_s)


def test_a_resume_does_not_repeat_what_was_timed_and_tries_what_failed_again() -> None:
    campaign = after(timed("F16"), timed("Q8_0", "REQUIRED_FIELD_MISSING"), timed("Q4_K_M"))
    assert next_of(campaign, Resumed()) == TimeRaw("Q8_0")
    assert next_of(campaign, timed("Q8_0", "OPTIONAL_FIELD_MISSING")) == TimeRaw("Q2_K")
    assert next_of(campaign, timed("Q2_K", "NOT_APPLICABLE")) == Summarise({})


@pytest.mark.parametrize("state", ["PARSE_ERROR", "REQUIRED_FIELD_MISSING"])
def test_one_that_fails_stops_nothing(state: FieldState) -> None:
    campaign = after(timed("F16", state), timed("Q8_0", state), timed("Q4_K_M", state))
    assert next_of(campaign, timed("Q2_K", state)) == Summarise({})


def test_what_does_not_fit_the_budget_is_left_out_and_said() -> None:
    campaign = after(timed("F16"))
    assert next_of(campaign, BudgetSpent()) == Summarise(
        {f"raw/{label}": "did not fit the budget" for label in LABELS[1:]}
    )
    assert next_of(campaign, Resumed(1e6)) == TimeRaw("Q8_0")


def test_the_event_is_read_back_from_the_journal() -> None:
    event = timed("Q8_0", "NOT_APPLICABLE")
    assert event_of(plain(event), source="journal") == event
