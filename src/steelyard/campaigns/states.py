"""The campaign's machine: events in, instructions out; replaying the journal is resume.

Pure: no clock, no disk, no socket. One instruction is under way at a time, since a machine that
is being measured does one thing. Order: calibrate, prove the engine, canary, the first block
(tasks and timing), fidelity, the further timing blocks, polluted cells once more, the bare engine
(where asked for: beside nothing and after everything, it moves no other number), summary; then,
where asked for, what was chosen is kept under load for a long time, and summed up with the rest.

Rules. A cell that fails because its engine died is tried once more at once; any other failure
waits for a resume. So does a cell of which too many items were not run: it is gone on with, and
only those are asked. A polluted cell is repeated once, at the end, under a new repeat number,
and once more at each resume that asks for it. The budget drops whole timing blocks from the last
backwards, then candidates of the first block (the summary calls them undecided); the reference and
the A/A row are never dropped. `campaigns.ledger` keeps count; not aware of how anything is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from steelyard.campaigns.events import (
    Calibrated,
    CanaryBlocked,
    CanaryPassed,
    EngineProven,
    Event,
    Interrupted,
    Resumed,
    Soaked,
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
    Soak,
    Stop,
    Summarise,
    TimeRaw,
)
from steelyard.campaigns.ledger import Ledger
from steelyard.campaigns.plan import Cell, Plan
from steelyard.domain.campaign import SOAK_REPLICA
from steelyard.domain.errors import BadInput
from steelyard.domain.run import RunSpec
from steelyard.domain.workload import Workload


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign has come, for whoever shows it."""

    done: int
    failed: int
    skipped: int
    remaining: int
    spent_s: float
    remaining_s: float


@final
class Campaign:
    """One campaign's state; `handle` is its only way to change."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ledger = Ledger(plan)
        self._started = False
        self._calibrated = False
        self._proven = False
        self._canary_passed = plan.canary is None
        self._chosen = ""
        self._stop: Stop | None = None

    def handle(self, event: Event) -> tuple[Instruction, ...]:
        """Take one event; return what to do now (nothing while a cell is under way)."""
        self.take(event)
        if self._ledger.under_way is not None and self._stop is None:
            return ()
        return (self._next(),)

    @property
    def progress(self) -> Progress:
        """Count cells; `remaining_s` is an estimate."""
        return Progress(*self._ledger.counts(), self._ledger.spent_s, self._ledger.remaining_s())

    def needed(self) -> frozenset[str]:
        """Return the labels whose files open work needs: with any, the reference's too."""
        found = self._ledger.open_labels()
        begun = self._proven and self._canary_passed
        if found or not begun:
            found |= {cell.label for cell in self._plan.cells if cell.role == "reference"}
        return found

    def take(self, event: Event) -> None:
        """Take one event without asking what to do now: this is how a journal is replayed."""
        match event:
            case Started():
                self._start(event)
            case Resumed(budget_s=budget_s, again=again):
                self._stop, self._chosen = None, ""
                self._ledger.resume(budget_s, again=again)
            case Calibrated(seconds=seconds):
                # Without a calibration the error bound is missing; the numbers are not worse.
                self._calibrated = True
                self._ledger.spend(seconds)
            case EngineProven():
                self._prove(event)
            case CanaryPassed(seconds=seconds):
                self._canary_passed = True
                self._ledger.spend(seconds)
            case CanaryBlocked(reasons=reasons, advice=advice, seconds=seconds):
                self._ledger.spend(seconds)
                self._stop = Stop(f"the canary blocks the matrix: {'; '.join(reasons)}", 3, advice)
            case Interrupted():
                self._stop = Stop("interrupted; --resume goes on from here", 130)
            case Summarised(chosen=chosen):
                self._chosen = chosen if self._ledger.soak_due else ""
                self._stop = None if self._chosen else _end(event)
            case Soaked():
                self._chosen = ""
                self._ledger.take(event)
            case _:
                self._ledger.take(event)

    def _start(self, event: Started) -> None:
        if event.plan_id != self._plan.id or event.campaign_id != self._plan.sweep_id:
            raise BadInput(
                f"this folder holds campaign {event.campaign_id} (plan {event.plan_id}), "
                f"not {self._plan.sweep_id} (plan {self._plan.id})",
                hint="give another --out, or repeat the settings of the first start",
            )
        self._started = True
        self._ledger.budget_s = event.budget_s

    def _prove(self, event: EngineProven) -> None:
        self._ledger.spend(event.seconds)
        self._proven = event.passed
        if not event.passed:
            self._stop = Stop(
                f"WRONG_LOGITS: {event.found}",
                3,
                ("choose another runtime: this one computes something else than it should",),
            )

    def _next(self) -> Instruction:
        if self._stop is not None:
            return self._stop
        if not self._started:
            raise BadInput("a campaign begins with `started`", hint="start again in a new folder")
        if not self._calibrated:
            return Calibrate()
        if not self._proven:
            return ProveEngine()
        if self._plan.canary is not None and not self._canary_passed:
            return RunCanary(self._plan.canary)
        return self._work()

    def _work(self) -> Instruction:
        ledger = self._ledger
        if (cell := ledger.next_of_block(0)) is not None:
            return self._run(cell)
        if (label := ledger.next_fidelity()) is not None:
            return MeasureFidelity(label)
        for block in range(1, self._plan.blocks):
            if (cell := ledger.next_of_block(block)) is not None:
                return self._run(cell)
        if (cell := ledger.next_polluted()) is not None:
            return self._run(cell)
        if (label := ledger.next_raw()) is not None:
            return TimeRaw(label)
        if self._chosen and self._plan.soak is not None:
            return self._soak(self._chosen, self._plan.soak)
        planned = {skip.label: skip.reason for skip in self._plan.skipped}
        return Summarise(planned | ledger.skipped())

    def _soak(self, label: str, load: Workload) -> Soak:
        first = next(cell.spec for cell in self._plan.cells if cell.label == label)
        spec = RunSpec(
            first.subject,
            first.controls,
            workloads=(load,),
            replica=SOAK_REPLICA,
            campaign_seed=first.campaign_seed,
        )
        return Soak(spec, label)

    def _run(self, cell: Cell) -> RunCell:
        return RunCell(
            cell.spec,
            cell.role,
            cell.label,
            cell.block,
            attempt=self._ledger.tries(cell.spec.id),
            estimate_s=self._ledger.estimate(cell),
        )


def replay(plan: Plan, events: Iterable[Event]) -> Campaign:
    """Rebuild a campaign from its journal; `handle(Resumed(...))` then says how it goes on."""
    campaign = Campaign(plan)
    for event in events:
        campaign.take(event)
    return campaign


def _end(event: Summarised) -> Stop:
    if not event.measured:
        return Stop("nothing could be measured", 3)
    if not event.qualified:
        return Stop("no variant qualifies", 1)
    return Stop("done", 0)
