"""The end of a campaign that keeps what it chose under load: when, what, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.campaigns.sweeps import sweep

from steelyard.campaigns.events import (
    BudgetSpent,
    Calibrated,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    Interrupted,
    Resumed,
    Soaked,
    Started,
    Summarised,
    event_of,
)
from steelyard.campaigns.instructions import Instruction, RunCell, Soak, Stop, Summarise
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.planner import plan
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.campaign import SOAK_REPLICA, role_of
from steelyard.domain.errors import TooLittleRoom
from steelyard.domain.ids import plain
from steelyard.domain.load import Closed
from steelyard.domain.subject import EngineProfile
from steelyard.domain.workload import Workload

LOAD = Workload("soak", 256, 128, 0, streams=2, load=Closed(2), duration_s=600.0)
ASKED = sweep("F16", "Q8_0", "Q4_K_M", soak=LOAD, canary=None, fidelity_positions=0)
PLAN = plan(ASKED)
CHOSEN = Summarised(qualified=True, measured=True, chosen="Q4_K_M")


def worked(laid: Plan = PLAN, budget_s: float | None = None) -> tuple[Campaign, list[Event], int]:
    """Go on until the summary is asked for; return how many cells were run as well."""
    campaign, journal, cells = Campaign(laid), [], 0
    known: list[Event] = [
        Started(laid.sweep_id, laid.id, budget_s),
        Calibrated(0.0),
        EngineProven(passed=True, found="", seconds=0.0),
    ]
    step: Instruction | None = None
    while True:
        for event in known:
            journal.append(event)
            (step, *_) = campaign.handle(event) or (None,)
        if not isinstance(step, RunCell):
            assert isinstance(step, Summarise)
            return campaign, journal, cells
        cells += 1
        done = CellFinished(step.spec.id, "completed", "CLEAN", step.estimate_s)
        known = [CellStarted(step.spec.id), done]


def test_what_was_chosen_is_kept_under_load_and_summed_up_with_the_rest() -> None:
    campaign, _, _ = worked()
    (soak,) = campaign.handle(CHOSEN)
    assert isinstance(soak, Soak)
    assert soak.label == "Q4_K_M"
    assert soak.spec.workloads == (LOAD,)
    assert soak.spec.subject.artifact.name == "tiny-Q4_K_M.gguf"
    assert (soak.spec.replica, soak.spec.tasks) == (SOAK_REPLICA, ())
    assert role_of(ASKED, soak.spec) == "soak"
    (again,) = campaign.handle(Soaked(soak.spec.id, "completed", 601.0))
    assert isinstance(again, Summarise)
    assert campaign.handle(CHOSEN) == (Stop("done", 0),)


def test_nothing_is_kept_under_load_where_nothing_was_chosen_or_nobody_asked() -> None:
    none = Summarised(qualified=False, measured=True)
    assert worked()[0].handle(none) == (Stop("no variant qualifies", 1),)
    unasked = plan(replace(ASKED, soak=None))
    assert worked(unasked)[0].handle(CHOSEN) == (Stop("done", 0),)


def test_a_soak_that_broke_off_is_told_and_tried_again_only_by_a_resume() -> None:
    campaign, journal, _ = worked()
    for event in (CHOSEN, Soaked("x", "failed", 10.0)):
        journal.append(event)
        (step,) = campaign.handle(event)
    assert isinstance(step, Summarise)
    assert campaign.handle(CHOSEN) == (Stop("done", 0),)
    resumed = replay(PLAN, [*journal, CHOSEN])
    assert isinstance(resumed.handle(Resumed())[0], Summarise)
    assert isinstance(resumed.handle(CHOSEN)[0], Soak)


def test_an_interrupted_soak_is_begun_again_and_a_finished_one_is_not() -> None:
    campaign, journal, _ = worked()
    assert campaign.handle(CHOSEN)
    resumed = replay(PLAN, [*journal, CHOSEN, Interrupted()])
    assert isinstance(resumed.handle(Resumed())[0], Summarise)
    assert isinstance(resumed.handle(CHOSEN)[0], Soak)
    done = replay(PLAN, [*journal, CHOSEN, Soaked("x", "completed", 600.0), CHOSEN])
    assert isinstance(done.handle(Resumed())[0], Summarise)
    assert done.handle(CHOSEN) == (Stop("done", 0),)


def test_the_time_of_the_soak_is_kept_back_from_the_budget_of_the_rest() -> None:
    assert PLAN.soak_s == 600.0
    assert PLAN.seconds == pytest.approx(plan(replace(ASKED, soak=None)).seconds + 600.0)
    enough = sum(cell.estimate_s for cell in PLAN.cells) + 601.0
    assert worked(budget_s=enough)[2] == len(PLAN.cells)
    campaign, _, cells = worked(budget_s=enough - 2.0)
    assert 0 < cells < len(PLAN.cells)
    assert isinstance(campaign.handle(CHOSEN)[0], Soak)


def test_a_soak_that_the_budget_has_no_time_for_is_said_to_be_missing() -> None:
    campaign, _, _ = worked(budget_s=500.0)
    (step,) = campaign.handle(BudgetSpent())
    assert isinstance(step, Summarise)
    assert step.skipped["soak"] == "did not fit the budget"
    assert campaign.handle(CHOSEN) == (Stop("done", 0),)


def test_a_soak_that_has_no_room_in_the_context_is_refused_before_anything_is_run() -> None:
    with pytest.raises(TooLittleRoom, match="soak/p256/o128/c2 needs 384 tokens"):
        plan(replace(ASKED, profile=EngineProfile(context_tokens=320)))


@pytest.mark.parametrize("event", [CHOSEN, Soaked("x", "completed", 1.5)])
def test_its_events_come_back_from_the_journal(event: Event) -> None:
    assert event_of(plain(event), source="journal") == event


def test_a_sweep_without_a_soak_has_the_identity_that_it_had_before() -> None:
    raw = plain(replace(ASKED, soak=None))
    assert isinstance(raw, dict)
    assert "soak" not in raw
