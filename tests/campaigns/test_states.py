"""The machine: what it asks for next, whatever happens, however often it is killed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
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
    FidelityMeasured,
    Interrupted,
    Resumed,
    Started,
    Summarised,
    event_of,
)
from steelyard.campaigns.instructions import (
    Calibrate,
    Instruction,
    MeasureFidelity,
    ProveEngine,
    RunCanary,
    RunCell,
    Stop,
    Summarise,
)
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.planner import Rates, plan
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.caution import Quality
from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.ids import canonical

PLAN = plan(sweep(), Rates(calibration_s=1.0, proof_s=1.0))


def started(budget_s: float | None = None, laid: Plan = PLAN) -> Started:
    return Started(laid.sweep_id, laid.id, budget_s)


@dataclass
class Shell:
    """Performs instructions at once: everything works and takes as long as estimated."""

    laid: Plan = PLAN
    journal: list[Event] = field(default_factory=list)
    ran: list[RunCell] = field(default_factory=list)
    asked: list[Instruction] = field(default_factory=list)
    finish: Callable[[RunCell], Event] | None = None
    stop_after: int | None = None
    fidelity_fails: bool = False

    def begin(self, campaign: Campaign, first: Event) -> Stop | None:
        return self._loop(campaign, self._say(campaign, first))

    def _say(self, campaign: Campaign, event: Event) -> tuple[Instruction, ...]:
        self.journal.append(event)
        return campaign.handle(event)

    def _loop(self, campaign: Campaign, instructions: tuple[Instruction, ...]) -> Stop | None:
        while True:
            (instruction,) = instructions
            self.asked.append(instruction)
            if isinstance(instruction, Stop):
                return instruction
            for event in self.perform(instruction):
                if self.stop_after is not None and len(self.journal) >= self.stop_after:
                    return None
                instructions = self._say(campaign, event)

    def perform(self, instruction: Instruction) -> Iterable[Event]:
        match instruction:
            case Calibrate():
                yield Calibrated(1.0)
            case ProveEngine():
                yield EngineProven(passed=True, found="512 of 512", seconds=1.0)
            case RunCanary(spec=spec):
                yield CanaryPassed(spec.id, 1.0)
            case RunCell(spec=spec):
                yield CellStarted(spec.id)
                self.ran.append(instruction)
                clean = CellFinished(spec.id, "completed", "CLEAN", self._seconds(spec.id))
                yield self.finish(instruction) if self.finish else clean
            case MeasureFidelity(label=label):
                measured = FidelityMeasured(label, self.laid.fidelity_s)
                yield FidelityFailed(label, "no room", 0.5) if self.fidelity_fails else measured
            case Summarise():
                yield Summarised(qualified=True, measured=True)
            case Stop():
                raise AssertionError("nobody performs a stop")

    def _seconds(self, run_id: str) -> float:
        return next((c.estimate_s for c in self.laid.cells if c.spec.id == run_id), 1.0)


def kinds(asked: Iterable[Instruction]) -> list[str]:
    return [type(instruction).__name__ for instruction in asked]


def skipped(shell: Shell) -> dict[str, str]:
    (summary,) = [i for i in shell.asked if isinstance(i, Summarise)]
    return dict(summary.skipped)


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


def ready(budget_s: float | None = None) -> Campaign:
    """A campaign whose canary is still out."""
    campaign = Campaign(PLAN)
    campaign.handle(started(budget_s))
    campaign.handle(Calibrated(0.0))
    campaign.handle(EngineProven(passed=True, found="", seconds=0.0))
    return campaign


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


def polluted(*labels: str) -> Callable[[RunCell], Event]:
    def finish(asked: RunCell) -> Event:
        quality: Quality = "POLLUTED" if asked.label in labels else "CLEAN"
        return CellFinished(asked.spec.id, "completed", quality, 1.0, ("SWAPPING",))

    return finish


def test_a_polluted_cell_is_repeated_once_at_the_end_tasks_first_and_then_left_out() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    campaign = Campaign(PLAN)
    assert shell.begin(campaign, started()) == Stop("done", 0)
    extra = shell.ran[len(PLAN.cells) :]
    assert [(cell.label, cell.spec.repeat) for cell in extra] == [
        ("Q8_0", 3),
        ("Q8_0", 4),
        ("Q8_0", 5),
    ]
    assert extra[0].spec.tasks
    assert campaign.progress.remaining == 0


def test_of_polluted_cells_the_reference_and_its_twin_are_repeated_first() -> None:
    shell = Shell(finish=polluted("F16", "Q8_0", "Q4_K_M", "Q2_K"))
    shell.begin(Campaign(PLAN), started())
    extra = shell.ran[len(PLAN.cells) :]
    assert {cell.role for cell in extra[:2]} == {"reference", "aa"}
    assert all(cell.spec.tasks for cell in extra[:5])
    assert len(extra) == 15


def test_a_resume_measures_again_what_is_polluted_still_and_nothing_else() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    again = Shell(finish=polluted("Q8_0"), journal=list(shell.journal))
    again.begin(replay(PLAN, shell.journal), Resumed(again=True))
    assert [(cell.label, cell.spec.repeat) for cell in again.ran] == [
        ("Q8_0", 6),
        ("Q8_0", 7),
        ("Q8_0", 8),
    ]
    clean = Shell(journal=list(again.journal))
    clean.begin(replay(PLAN, again.journal), Resumed(again=True))
    assert [cell.spec.repeat for cell in clean.ran] == [9, 10, 11]
    last = Shell(journal=list(clean.journal))
    assert last.begin(replay(PLAN, clean.journal), Resumed(again=True)) == Stop("done", 0)
    assert not last.ran


def test_a_resume_that_counts_what_is_polluted_measures_none_of_it_again() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    again = Shell()
    again.begin(replay(PLAN, shell.journal), Resumed())
    assert not again.ran


def test_a_resume_that_counts_what_is_polluted_leaves_also_open_repeats_for_a_later_one() -> None:
    shell = Shell(finish=polluted("Q8_0"))
    shell.begin(Campaign(PLAN), started())
    known = [*shell.journal, Resumed(again=True)]  # and broken off before the first repeat
    counted = Shell(journal=list(known))
    assert counted.begin(replay(PLAN, known), Resumed()) == Stop("done", 0)
    assert not counted.ran
    later = Shell()
    later.begin(replay(PLAN, counted.journal), Resumed(again=True))
    assert [(cell.label, cell.spec.repeat) for cell in later.ran] == [
        ("Q8_0", 6),
        ("Q8_0", 7),
        ("Q8_0", 8),
    ]


def test_what_turns_out_polluted_under_that_wish_is_not_repeated_and_old_journals_read() -> None:
    shell = Shell(stop_after=6)
    shell.begin(Campaign(PLAN), started())
    counted = Shell(finish=polluted("Q8_0"), journal=list(shell.journal))
    counted.begin(replay(PLAN, shell.journal), Resumed())
    assert {cell.spec.repeat for cell in counted.ran if cell.label == "Q8_0"} == {0, 1, 2}
    whole = Shell(finish=polluted("Q8_0"))
    whole.begin(Campaign(PLAN), started())
    replay(PLAN, [*whole.journal[:1], Resumed(), *whole.journal[1:]])


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


def test_a_polluted_sentinel_is_not_repeated() -> None:
    def finish(asked: RunCell) -> Event:
        quality: Quality = "POLLUTED" if asked.role == "sentinel" else "CLEAN"
        return CellFinished(asked.spec.id, "completed", quality, 1.0)

    shell = Shell(finish=finish)
    shell.begin(Campaign(PLAN), started())
    assert len(shell.ran) == len(PLAN.cells)


def test_fidelity_that_cannot_be_measured_stops_nothing() -> None:
    shell = Shell(fidelity_fails=True)
    assert shell.begin(Campaign(PLAN), started()) == Stop("done", 0)
    assert sum(isinstance(e, FidelityFailed) for e in shell.journal) == 3
    again = Shell()
    again.begin(replay(PLAN, shell.journal), Resumed())
    assert kinds(again.asked) == ["MeasureFidelity"] * 3 + ["Summarise", "Stop"]


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
