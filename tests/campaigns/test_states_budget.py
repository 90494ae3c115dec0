"""What a campaign leaves out for a budget, and that it keeps it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.campaigns.shell import PLAN, Shell, ready, skipped, started
from tests.campaigns.sweeps import sweep

from steelyard.campaigns.events import (
    BudgetSpent,
    CanaryPassed,
    CellFinished,
    CellStarted,
    Event,
    Resumed,
)
from steelyard.campaigns.instructions import (
    RunCell,
    Stop,
)
from steelyard.campaigns.planner import plan
from steelyard.campaigns.states import Campaign, replay


def test_a_budget_drops_the_last_timing_blocks_first() -> None:
    first = sum(c.estimate_s for c in PLAN.cells if c.block == 0)
    second = sum(c.estimate_s for c in PLAN.cells if c.block == 1)
    fidelity = PLAN.fidelity_s * 3
    shell = Shell()
    shell.begin(Campaign(PLAN), started(4.0 + first + fidelity + second * 1.5))
    assert {cell.block for cell in shell.ran} == {0, 1}
    reasons = Counter(skipped(shell).values())
    assert reasons == {
        "timing block 3 did not fit the budget": sum(c.block == 2 for c in PLAN.cells)
    }


def test_a_budget_that_is_too_small_leaves_candidates_undecided_never_the_reference() -> None:
    first = sum(c.estimate_s for c in PLAN.cells if c.block == 0)
    mandatory = sum(c.estimate_s for c in PLAN.cells if c.mandatory)
    shell = Shell()
    stop = shell.begin(Campaign(PLAN), started(3.0 + mandatory + (first - mandatory) * 0.6))
    assert stop == Stop("done", 0)
    roles = Counter(cell.role for cell in shell.ran)
    assert roles["reference"] == roles["aa"] == 1
    assert 0 < roles["candidate"] < 3
    spent = sum(e.seconds for e in shell.journal if isinstance(e, CellFinished))
    assert spent <= mandatory + (first - mandatory) * 0.6
    said = [why for why in skipped(shell).values() if "budget was spent before its turn" in why]
    assert said
    assert all("min more in --budget would run it" in why for why in said)


@pytest.mark.parametrize("slower", [0.4, 1.0, 1.3])
@pytest.mark.parametrize("share", [0.75, 0.9, 1.5, 2.5])
def test_a_budget_is_overrun_by_a_twentieth_at_most(slower: float, share: float) -> None:
    """Every cell takes `slower` times its estimate, a fifth more or less."""
    source = random.Random(9)

    def late(cell: RunCell) -> Event:
        estimate = next((c.estimate_s for c in PLAN.cells if c.spec.id == cell.spec.id), 1.0)
        seconds = estimate * slower * source.uniform(0.8, 1.2)
        return CellFinished(cell.spec.id, "completed", "CLEAN", seconds)

    first = sum(c.estimate_s for c in PLAN.cells if c.block == 0)
    budget = 3.0 + first * slower * share
    shell, campaign = Shell(finish=late), Campaign(PLAN)
    shell.begin(campaign, started(budget))
    assert campaign.progress.spent_s <= 1.05 * budget


@pytest.mark.parametrize("seed", range(6))
def test_what_the_reference_and_its_twin_need_is_kept_back_wherever_they_stand(seed: int) -> None:
    laid = plan(sweep(seed=seed, sentinel=None, canary=None, fidelity_positions=0))
    mandatory = sum(c.estimate_s for c in laid.cells if c.mandatory)
    smallest = min(c.estimate_s for c in laid.cells if c.block == 0)
    budget = 2.0 + mandatory + 1.1 * smallest
    shell = Shell(laid=laid)
    shell.begin(Campaign(laid), started(budget, laid))
    spent = sum(e.seconds for e in shell.journal if isinstance(e, CellFinished))
    assert 2.0 + spent <= budget
    assert sorted(c.role for c in shell.ran) == ["aa", "candidate", "reference"]


def test_even_with_no_time_left_the_reference_and_its_twin_are_run() -> None:
    shell = Shell()
    campaign = ready()
    campaign.handle(BudgetSpent())
    shell.begin(campaign, CanaryPassed("c", 1.0))
    assert sorted(cell.role for cell in shell.ran) == ["aa", "reference"]
    assert skipped(shell)["fidelity/Q2_K"] == "did not fit the budget"


def test_a_budget_too_small_for_a_repeat_says_so() -> None:
    total = PLAN.seconds
    shell = Shell(finish=_polluted_as_estimated)
    shell.begin(Campaign(PLAN), started(total + 1.0))
    assert "the budget allowed no repeat of a polluted run" in skipped(shell).values()


def _polluted_as_estimated(asked: RunCell) -> Event:
    return CellFinished(asked.spec.id, "completed", "POLLUTED", asked.estimate_s)


def test_a_larger_budget_on_resume_takes_up_what_was_dropped() -> None:
    shell = Shell()
    first = sum(c.estimate_s for c in PLAN.cells if c.block == 0)
    shell.begin(Campaign(PLAN), started(4.0 + first + PLAN.fidelity_s * 3))
    assert {cell.block for cell in shell.ran} == {0}
    same = Shell()
    same.begin(replay(PLAN, shell.journal), Resumed())
    assert same.ran == []
    more = Shell()
    more.begin(replay(PLAN, shell.journal), Resumed(budget_s=10 * PLAN.seconds))
    assert {cell.block for cell in more.ran} == {1, 2}


def test_estimates_learn_from_what_cells_really_took() -> None:
    campaign = ready()
    (cell,) = campaign.handle(CanaryPassed("c", 0.0))
    assert isinstance(cell, RunCell)
    before = campaign.progress.remaining_s
    campaign.handle(CellStarted(cell.spec.id))
    campaign.handle(CellFinished(cell.spec.id, "completed", "CLEAN", 2 * cell.estimate_s))
    fidelity = PLAN.fidelity_s * 3
    assert campaign.progress.remaining_s - fidelity == pytest.approx(
        2 * (before - fidelity - cell.estimate_s)
    )
    assert campaign.progress.spent_s == 2 * cell.estimate_s
