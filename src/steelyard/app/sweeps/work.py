"""The campaign's shell: performs what the machine asks, writes the journal, tells how it goes.

Decides nothing: `campaigns.states` says what comes next, and every answer goes to the journal
before the next instruction is begun, so that a kill at any moment is a resume later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never, cast, final

from steelyard.analysis import rawspeed, unrun
from steelyard.analysis.validity import ATTACHED
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.reporting import Written
from steelyard.campaigns import canary
from steelyard.campaigns.events import (
    BudgetSpent,
    Calibrated,
    CellFailed,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    FidelityFailed,
    FidelityMeasured,
    Interrupted,
    RawTimed,
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
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.states import Campaign, replay
from steelyard.domain.campaign import Sweep
from steelyard.domain.caution import quality
from steelyard.domain.errors import SteelyardError
from steelyard.domain.ids import plain
from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.run import Controls, Place, Proof, RunRecord, RunSpec
from steelyard.domain.subject import Subject, Variant
from steelyard.engines import environments
from steelyard.engines.attached import AttachedEngine
from steelyard.platform import clock
from steelyard.reports.figures import duration
from steelyard.runs import calibration, fidelity, sidecar
from steelyard.runs.execute import Executor
from steelyard.runs.session import SPOOL
from steelyard.store.journal import Journal
from steelyard.store.records import RECORD_NAME, read_record, write_record

_NS_PER_S = 1e9


@final
@dataclass(frozen=True, slots=True)
class Crew:
    """What the shell works with: who runs cells, where files lie, who is told, who keeps.

    `attach` goes to the server that a run is of, where one of somebody else's is swept.
    """

    executor: Executor
    place_of: Callable[[RunSpec], Place]
    emit: Emit
    keep: Callable[[RunRecord], None]
    prove: Callable[[Subject, Controls], Proof]
    report: Callable[[SweepFolder], Written]
    attach: Callable[[RunSpec], AttachedEngine] | None = None


def perform(
    folder: SweepFolder,
    sweep: Sweep,
    plan: Plan,
    crew: Crew,
    going_on: Resumed,
) -> Stop:
    """Perform a campaign until it stops, from its beginning or from where its journal ends.

    `going_on` is how it goes on if it was begun before; its budget holds for a beginning too.
    """
    with folder.open_journal() as journal:
        shell = _Shell(folder, sweep, plan, crew, journal)
        try:
            return shell.go(going_on)
        except KeyboardInterrupt:
            journal.append(line(Interrupted()))
            raise


def line(event: Event) -> dict[str, object]:
    """Return an event as the journal keeps it."""
    return cast("dict[str, object]", plain(event))


@final
class _Shell:
    def __init__(
        self, folder: SweepFolder, sweep: Sweep, plan: Plan, crew: Crew, journal: Journal
    ) -> None:
        self._journal = journal
        self._folder = folder
        self._sweep = sweep
        self._plan = plan
        self._crew = crew
        self._variants = {v.artifact.sha256: v for v in sweep.variants}

    def go(self, going_on: Resumed) -> Stop:
        known, budget_s = self._folder.events(), going_on.budget_s
        campaign = replay(self._plan, known)
        first = going_on if known else Started(self._sweep.id, self._plan.id, budget_s)
        total = len(self._plan.cells)
        self._crew.emit(PhaseStarted("sweep", total))
        started_ns = clock.monotonic_ns()
        step, spent = self._book(campaign, first), False
        while not isinstance(step, Stop):
            step = self._book(campaign, self._answer(campaign, step))
            if budget_s is not None and campaign.progress.spent_s >= budget_s and not spent:
                spent = True
                step = self._book(campaign, BudgetSpent())
            self._crew.emit(_advanced(campaign))
        self._crew.emit(PhaseEnded("sweep", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
        if step.exit_code in (0, 1):
            fidelity.forget(self._folder.root / "fidelity")
        return step

    def _book(self, campaign: Campaign, event: Event) -> Instruction:
        """Write an event down, then ask what to do next."""
        self._journal.append(line(event))
        (step,) = campaign.handle(event)
        return step

    def _answer(self, campaign: Campaign, step: Instruction) -> Event:
        """Perform one instruction and return what came of it."""
        started_ns = clock.monotonic_ns()

        def seconds() -> float:
            return (clock.monotonic_ns() - started_ns) / _NS_PER_S

        match step:
            case Calibrate():
                return self._calibrate(seconds)
            case ProveEngine():
                return self._prove(seconds)
            case RunCanary(spec=spec):
                # One that blocked was about the machine as it was then: it is measured anew.
                (self._crew.place_of(spec).folder / SPOOL).unlink(missing_ok=True)
                record = self._run(spec)
                tells = _tells(spec.subject)
                return canary.judge(record, seconds=seconds(), deterministic=tells, tells=tells)
            case RunCell():
                return self._cell(campaign, step, seconds)
            case MeasureFidelity(label=label):
                return self._fidelity(label, seconds)
            case TimeRaw(label=label):
                return self._raw(label, seconds)
            case Soak(spec=spec, label=label):
                return self._soak(spec, label, seconds)
            case Summarise(skipped=skipped):
                self._folder.write("skipped.json", dict(skipped))
                found = self._crew.report(self._folder)
                return Summarised(found.qualified, found.measured, found.chosen)
            case Stop():
                raise AssertionError("a stop is never performed")
            case _:
                assert_never(step)

    def _calibrate(self, seconds: Callable[[], float]) -> Event:
        try:
            instrument = calibration.calibrate(self._folder.root / "calibration", self._crew.emit)
        except SteelyardError as error:
            self._crew.emit(Noted(f"the instrument could not be calibrated: {error}", warning=True))
            return Calibrated(seconds(), failure=str(error))
        self._folder.write("instrument.json", instrument)
        return Calibrated(seconds())

    def _prove(self, seconds: Callable[[], float]) -> Event:
        proof = self._crew.prove(self._plan.cells[0].spec.subject, self._sweep.controls)
        self._folder.write("proofs.json", [proof])
        return EngineProven(proof.passed, proof.found, seconds())

    def _cell(self, campaign: Campaign, step: RunCell, seconds: Callable[[], float]) -> Event:
        started = CellStarted(step.spec.id)
        self._journal.append(line(started))
        campaign.take(started)
        before = self._before(step.spec)
        if before is not None and not unrun.missed(before):
            # A run that ended just before a kill took the journal's line.
            self._crew.keep(before)
            record = before
        else:
            record = self._run(step.spec, before)
        if record.outcome == "completed":
            reasons = tuple(sorted({c.code for c in record.cautions if c.pollutes}))
            found = quality(record.cautions)
            if reasons:
                self._crew.emit(
                    Noted(f"{step.label} ({step.role}) is polluted: {', '.join(reasons)}")
                )
            if missed := unrun.missed(record):
                told = f"items were not run ({', '.join(missed)}): --resume asks them again"
                self._crew.emit(Noted(f"{step.label} ({step.role}): {told}", warning=True))
            return CellFinished(step.spec.id, "completed", found, seconds(), reasons, missed)
        self._crew.emit(Noted(f"{step.label} ({step.role}) failed: {record.reason}", warning=True))
        died = record.reason.startswith("EngineError")
        return CellFailed(step.spec.id, record.reason, seconds(), engine_died=died)

    def _before(self, spec: RunSpec) -> RunRecord | None:
        """Return the record of a run that came to its end before."""
        folder = self._crew.place_of(spec).folder
        record = read_record(folder) if (folder / RECORD_NAME).exists() else None
        return record if record is not None and record.outcome == "completed" else None

    def _run(self, spec: RunSpec, before: RunRecord | None = None) -> RunRecord:
        """Execute a spec; with what was seen `before` where few items of it are asked again."""
        variant = self._variants[spec.subject.artifact.sha256]
        instrument = self._folder.read(Instrument, "instrument.json") or Instrument()
        executor = replace(self._crew.executor, instrument=instrument)
        place, attach = self._crew.place_of(spec), self._crew.attach
        if attach is None:
            record = executor.run(spec, variant, place)
        else:
            record = executor.call(spec, variant, place, partial(attach, spec))
        if before is not None and record.outcome == "completed":
            record = unrun.gone_on(before, record)
            write_record(place.folder, record)
        self._crew.keep(record)
        return record

    def _fidelity(self, label: str, seconds: Callable[[], float]) -> Event:
        pair = self._path(self._sweep.reference), self._path_of(label)
        try:
            self._verify(pair)
            found = fidelity.compare(
                *pair, self._sweep, self._folder.root / "fidelity", self._crew.emit
            )
            self._verify(pair)
        except SteelyardError as error:
            self._crew.emit(Noted(f"fidelity of {label}: {error}", warning=True))
            return FidelityFailed(label, str(error), seconds())
        self._folder.write(f"fidelity/{label}.json", found.variant)
        self._folder.write(f"fidelity/{self._sweep.reference.label}.json", found.reference)
        return FidelityMeasured(label, seconds())

    def _raw(self, label: str, seconds: Callable[[], float]) -> Event:
        """Time the bare engine, unless a kill took only the journal's line of having done so."""
        weighed = self._path_of(label)
        subject = next(c.spec.subject for c in self._plan.cells if c.label == label)
        loads = [load for load in self._sweep.workloads if rawspeed.one_stream(load)]
        wanted = sidecar.plan(loads, self._sweep.controls, subject, self._sweep.raw_repeats)
        folder, name = self._folder.root / sidecar.FOLDER, f"{label}.json"
        kept = sidecar.kept(folder, name, weighed.variant.artifact, wanted)
        if kept is None:
            by = sidecar.runtime_program(subject.runtime)
            verify = self._crew.executor.verifier.verify
            kept = sidecar.taken(weighed.path, weighed.variant, wanted, by, verify, self._crew.emit)
            sidecar.write(folder, [kept], name)
        return RawTimed(label, kept.state, seconds())

    def _path_of(self, label: str) -> fidelity.Weighed:
        return self._path(next(v for v in self._sweep.variants if v.label == label))

    def _soak(self, spec: RunSpec, label: str, seconds: Callable[[], float]) -> Event:
        """Keep what was chosen under load, unless a kill took only the journal's line of it."""
        record = self._before(spec)
        if record is not None:
            self._crew.keep(record)
        else:
            # What came before a kill is no part of a load without a break.
            (self._crew.place_of(spec).folder / SPOOL).unlink(missing_ok=True)
            self._crew.emit(Noted(f"soak of {label}: {duration(self._plan.soak_s)} under load"))
            record = self._run(spec)
        if record.outcome != "completed":
            self._crew.emit(Noted(f"the soak of {label} failed: {record.reason}", warning=True))
        return Soaked(spec.id, record.outcome, seconds())

    def _verify(self, pair: Iterable[fidelity.Weighed]) -> None:
        """See that both files are still the planned ones, as every run does."""
        for weighed in pair:
            self._crew.executor.verifier.verify(weighed.variant.artifact, weighed.path)

    def _path(self, variant: Variant) -> fidelity.Weighed:
        spec = next(c.spec for c in self._plan.cells if c.spec.subject.artifact == variant.artifact)
        return fidelity.Weighed(variant, self._crew.place_of(spec).path_of(variant.artifact))


def _tells(subject: Subject) -> bool:
    """Say whether an engine tells all that it serves, and promises the same text each time.

    A server of somebody else's may batch us with others; those of an environment tell a path only.
    """
    return subject.runtime not in (ATTACHED, environments.ENVIRONMENT)


def _advanced(campaign: Campaign) -> Advanced:
    """Say how far it has come; what was polluted is run again, and the whole grows by that."""
    seen = campaign.progress
    total = seen.done + seen.failed + seen.skipped + seen.remaining
    return Advanced("sweep", seen.done, _left(campaign), total)


def _left(campaign: Campaign) -> str:
    minutes, seconds = divmod(round(campaign.progress.remaining_s), 60)
    return f"about {minutes}:{seconds:02d} left"
