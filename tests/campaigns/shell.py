"""A shell that performs what a campaign asks for at once, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.campaigns.sweeps import sweep

from steelyard.campaigns.events import (
    Calibrated,
    CanaryPassed,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    FidelityFailed,
    FidelityMeasured,
    Started,
    Summarised,
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
from steelyard.campaigns.states import Campaign
from steelyard.domain.caution import Quality

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


def ready(budget_s: float | None = None) -> Campaign:
    """A campaign whose canary is still out."""
    campaign = Campaign(PLAN)
    campaign.handle(started(budget_s))
    campaign.handle(Calibrated(0.0))
    campaign.handle(EngineProven(passed=True, found="", seconds=0.0))
    return campaign


def polluted(*labels: str) -> Callable[[RunCell], Event]:
    def finish(asked: RunCell) -> Event:
        quality: Quality = "POLLUTED" if asked.label in labels else "CLEAN"
        return CellFinished(asked.spec.id, "completed", quality, 1.0, ("SWAPPING",))

    return finish
