"""The machine: what it asks for next, whatever happens, however often it is killed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest
from tests.campaigns.shell import PLAN, Shell, kinds, polluted, ready, skipped, started
from tests.campaigns.sweeps import sweep

from steelyard.campaigns.events import (
    BudgetSpent,
    Calibrated,
    CanaryBlocked,
    CanaryPassed,
    CellFailed,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    FidelityFailed,
    Interrupted,
    Resumed,
    Started,
    Summarised,
    event_of,
)
from steelyard.campaigns.instructions import (
    MeasureFidelity,
    ProveEngine,
    RunCanary,
    RunCell,
    Stop,
)
from steelyard.campaigns.planner import plan
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.caution import Quality
from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.ids import canonical


def test_a_sweep_that_goes_well_runs_every_cell_once_in_order_and_ends_at_0() -> None:
    shell = Shell()
    campaign = Campaign(PLAN)
    assert shell.begin(campaign, started()) == Stop("done", 0)
    assert [cell.spec.id for cell in shell.ran] == [cell.spec.id for cell in PLAN.cells]
    assert kinds(shell.asked[:3]) == ["Calibrate", "ProveEngine", "RunCanary"]
    first_block = sum(cell.block == 0 for cell in PLAN.cells)
    after = kinds(shell.asked[3 + first_block :])
    assert after[:3] == ["MeasureFidelity"] * 3
    assert skipped(shell) == {}
    assert campaign.progress.remaining == 0
    assert campaign.progress.done == len(PLAN.cells)


def test_while_a_cell_is_under_way_nothing_else_is_asked_for() -> None:
    campaign = ready()
    (cell,) = campaign.handle(CanaryPassed("c", 1.0))
    assert isinstance(cell, RunCell)
    assert campaign.handle(CellStarted(cell.spec.id)) == ()
    assert campaign.handle(BudgetSpent()) == ()


def test_an_engine_that_computes_something_else_is_not_timed() -> None:
    campaign = Campaign(PLAN)
    campaign.handle(started())
    campaign.handle(Calibrated(0.0, failure="no port"))
    (stop,) = campaign.handle(EngineProven(passed=False, found="3 of 512 differ", seconds=1.0))
    assert stop == Stop(
        "WRONG_LOGITS: 3 of 512 differ",
        3,
        ("choose another runtime: this one computes something else than it should",),
    )
    assert isinstance(campaign.handle(Resumed())[0], ProveEngine)


def test_a_canary_that_fails_blocks_the_matrix_and_says_what_to_do() -> None:
    campaign = ready()
    (stop,) = campaign.handle(CanaryBlocked("c", ("texts differ",), ("use one slot",), 1.0))
    assert isinstance(stop, Stop)
    assert stop.exit_code == 3
    assert "texts differ" in stop.reason
    assert stop.advice == ("use one slot",)
    assert isinstance(campaign.handle(Resumed())[0], RunCanary)


def test_a_cell_whose_engine_died_is_tried_once_more_at_once_and_then_on_resume() -> None:
    victim = next(cell for cell in PLAN.cells if cell.label == "Q2_K")

    def crash(asked: RunCell) -> Event:
        if asked.spec.id == victim.spec.id:
            return CellFailed(asked.spec.id, "code 139", 1.0, engine_died=True)
        return CellFinished(asked.spec.id, "completed", "CLEAN", 1.0)

    shell = Shell(finish=crash)
    assert shell.begin(Campaign(PLAN), started()) == Stop("done", 0)
    tries = [cell.attempt for cell in shell.ran if cell.spec.id == victim.spec.id]
    assert tries == [0, 1]
    assert skipped(shell) == {f"candidate/Q2_K/{victim.spec.repeat}": "code 139"}
    again = Shell(journal=shell.journal)
    assert again.begin(replay(PLAN, shell.journal), Resumed()) == Stop("done", 0)
    assert [(cell.spec.id, cell.attempt) for cell in again.ran] == [(victim.spec.id, 2)]
    assert skipped(again) == {}


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_failure_that_is_no_crash_waits_for_the_resume(outcome: str) -> None:
    def fail(asked: RunCell) -> Event:
        if asked.label == "Q8_0" and outcome == "failed":
            return CellFailed(asked.spec.id, "wrong model", 1.0)
        if asked.label == "Q8_0":
            return CellFinished(asked.spec.id, "cancelled", "CLEAN", 1.0, ("cancelled",))
        return CellFinished(asked.spec.id, "completed", "CLEAN", 1.0)

    shell = Shell(finish=fail)
    shell.begin(Campaign(PLAN), started())
    assert [cell.attempt for cell in shell.ran if cell.label == "Q8_0"] == [0, 0, 0]
    assert len(skipped(shell)) == 3
    again = Shell()
    again.begin(replay(PLAN, shell.journal), Resumed())
    assert {cell.label for cell in again.ran} == {"Q8_0"}


def missing(*labels: str, quality: Quality = "CLEAN") -> Callable[[RunCell], Event]:
    def finish(asked: RunCell) -> Event:
        lost = ("http_500",) if asked.label in labels and asked.spec.tasks else ()
        found: Quality = quality if asked.label in labels else "CLEAN"
        return CellFinished(asked.spec.id, "completed", found, 1.0, missed=lost)

    return finish


@pytest.mark.parametrize("again", [True, False])
def test_a_resume_goes_on_with_a_cell_of_which_too_many_items_were_not_run(again: bool) -> None:
    shell = Shell(finish=missing("Q8_0"))
    assert shell.begin(Campaign(PLAN), started()) == Stop("done", 0)
    assert len(shell.ran) == len(PLAN.cells)
    for number in (1, 2):  # as long as it lacks some, and no longer
        shell = Shell(finish=missing("Q8_0"), journal=list(shell.journal))
        shell.begin(replay(PLAN, list(shell.journal)), Resumed(again=again))
        assert [(cell.label, cell.spec.repeat, cell.attempt) for cell in shell.ran] == [
            ("Q8_0", 0, number)
        ]
    whole = Shell(journal=list(shell.journal))
    whole.begin(replay(PLAN, shell.journal), Resumed(again=again))
    assert len(whole.ran) == 1
    last = Shell(journal=list(whole.journal))
    assert last.begin(replay(PLAN, whole.journal), Resumed(again=again)) == Stop("done", 0)
    assert not last.ran


def test_what_lacks_items_and_does_not_fit_the_budget_keeps_what_it_has() -> None:
    shell = Shell(finish=missing("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    spent = Shell(journal=list(shell.journal))
    spent.begin(replay(PLAN, shell.journal), Resumed(budget_s=0.1))
    assert not spent.ran
    assert skipped(spent) == {}
    later = Shell()
    later.begin(replay(PLAN, spent.journal), Resumed(budget_s=1e9))
    assert [cell.label for cell in later.ran] == ["Q8_0"]


def test_what_is_polluted_and_lacks_items_is_gone_on_with_and_measured_again() -> None:
    shell = Shell(finish=missing("Q8_0", quality="POLLUTED"))
    shell.begin(Campaign(PLAN), started())
    assert [cell.spec.repeat for cell in shell.ran if cell.label == "Q8_0"] == [0, 1, 2, 3, 4, 5]
    counted = Shell(finish=polluted("Q8_0"))
    counted.begin(replay(PLAN, shell.journal), Resumed())
    assert [cell.spec.repeat for cell in counted.ran] == [0]
    again = Shell(finish=polluted("Q8_0"))
    again.begin(replay(PLAN, shell.journal), Resumed(again=True))
    assert sorted(cell.spec.repeat for cell in again.ran) == [0, 6, 7, 8]


def test_fidelity_that_cannot_be_measured_stops_nothing() -> None:
    shell = Shell(fidelity_fails=True)
    assert shell.begin(Campaign(PLAN), started()) == Stop("done", 0)
    assert sum(isinstance(e, FidelityFailed) for e in shell.journal) == 3
    again = Shell()
    again.begin(replay(PLAN, shell.journal), Resumed())
    assert kinds(again.asked) == ["MeasureFidelity"] * 3 + ["Summarise", "Stop"]


def test_an_interrupt_stops_with_130_and_loses_only_what_was_under_way() -> None:
    shell = Shell(stop_after=12)
    campaign = Campaign(PLAN)
    assert shell.begin(campaign, started()) is None
    assert campaign.handle(Interrupted()) == (Stop("interrupted; --resume goes on from here", 130),)
    again = Shell()
    again.begin(replay(PLAN, [*shell.journal, Interrupted()]), Resumed())
    finished = [e.run_id for e in shell.journal if isinstance(e, CellFinished)]
    assert {c.spec.id for c in again.ran} == {c.spec.id for c in PLAN.cells} - set(finished)


def test_thirty_kills_at_random_points_end_in_the_same_cells() -> None:
    random_ = random.Random(3)
    journal: list[Event] = []
    ran: Counter[str] = Counter()
    for _ in range(30):
        written = [json.loads(canonical(event)) for event in journal]
        torn = written[: len(written) - random_.choice((0, 0, 1))]
        journal = [event_of(raw, source="journal") for raw in torn]
        first = Resumed() if journal else started()
        stop_after = len(journal) + random_.randint(1, 6)
        shell = Shell(journal=journal, stop_after=stop_after)
        shell.begin(replay(PLAN, journal), first)
    last = Shell(journal=journal)
    assert last.begin(replay(PLAN, journal), Resumed()) == Stop("done", 0)
    ran.update(e.run_id for e in journal if isinstance(e, CellFinished))
    assert ran == Counter(cell.spec.id for cell in PLAN.cells)


@pytest.mark.parametrize(
    ("event", "stop"),
    [
        (Summarised(qualified=False, measured=True), Stop("no variant qualifies", 1)),
        (Summarised(qualified=False, measured=False), Stop("nothing could be measured", 3)),
    ],
)
def test_the_end_has_the_exit_code_of_what_was_found(event: Summarised, stop: Stop) -> None:
    assert ready().handle(event) == (stop,)


def test_the_folder_of_another_campaign_is_refused() -> None:
    with pytest.raises(BadInput, match="this folder holds campaign other"):
        Campaign(PLAN).handle(Started("other", PLAN.id))


def test_a_journal_of_another_plan_is_refused() -> None:
    with pytest.raises(StoreError, match="run nobody, which the plan does not hold"):
        replay(PLAN, [started(), CellStarted("nobody")])


def test_a_campaign_begins_with_its_start() -> None:
    with pytest.raises(BadInput, match="begins with"):
        Campaign(PLAN).handle(Resumed())


def test_what_the_plan_left_out_is_told_with_the_rest() -> None:
    laid = plan(sweep(), refused={"Q2_K": "no memory"})
    shell = Shell(laid=laid)
    shell.begin(Campaign(laid), started(laid=laid))
    assert skipped(shell) == {"Q2_K": "no memory"}


def test_a_plan_without_a_canary_goes_straight_to_work() -> None:
    laid = plan(sweep(canary=None))
    shell = Shell(laid=laid)
    shell.begin(Campaign(laid), started(laid=laid))
    assert "RunCanary" not in kinds(shell.asked)


def test_a_resume_asks_for_no_variant_that_was_not_called_needed() -> None:
    whole = Shell()
    whole.begin(Campaign(PLAN), started())
    sizes = []
    for end in range(1, len(whole.journal)):
        campaign = replay(PLAN, whole.journal[:end])
        campaign.take(Resumed())
        needed = campaign.needed()
        again = Shell()
        assert again.begin(replay(PLAN, whole.journal[:end]), Resumed()) == Stop("done", 0)
        asked = {i.label for i in again.asked if isinstance(i, RunCell | MeasureFidelity)}
        assert asked <= needed
        assert needed - asked <= {"F16"}  # a comparison of probabilities needs the reference too
        sizes.append(len(needed))
    assert (sizes[0], sizes[-1]) == (4, 0)
    assert 0 < min(size for size in sizes if size) < 4
