"""Execute one RunSpec whole: prove, verify, start, verify again, warm up, drive, stop, record.

Whatever happens, a record comes back: a crash of the engine is a row, not a hole. An engine of ours
that dies is started again, and what it had not answered is asked once more. Only the user's own
interrupt passes through. Not aware of campaigns or stores.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis.validity import cautions
from steelyard.domain.errors import (
    BadInput,
    ConformanceError,
    EngineDied,
    EngineError,
    SteelyardError,
    TimeOver,
    UnsupportedSubject,
    WrongModel,
)
from steelyard.domain.instrument import Instrument
from steelyard.domain.probe import Probed
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import (
    Container,
    Controls,
    Device,
    Environment,
    Place,
    Proof,
    RunRecord,
    RunSpec,
    Section,
)
from steelyard.domain.subject import ArtifactFacts, Subject, Variant
from steelyard.domain.task import Item, Task
from steelyard.domain.workload import Workload
from steelyard.engines import api, host
from steelyard.engines.attached import AttachedEngine
from steelyard.platform import clock, hardware
from steelyard.runs import judged, probe, proofs, timed
from steelyard.runs.bench import Bench
from steelyard.runs.identity import Verifier
from steelyard.runs.places import without_folders
from steelyard.runs.retrieval import Library
from steelyard.runs.session import Found, Watch, attached, called, hosted
from steelyard.store.records import write_record

ENGINE_LOG: Final = "engine.log"
WRONG_LOGITS: Final = "WRONG_LOGITS"
_LOG_LINES: Final = 40
# Between an engine's death and its next start: what killed it, a lack of memory say, may pass.
PAUSES_S: Final = (1.0, 2.0, 4.0)
_NS_PER_S: Final = 1e9
_SLEWED_S: Final = 2.0


@final
@dataclass(slots=True)
class Session:
    """A run under way: measure one workload after the other, then take its record.

    `opening` brings the engine up and gives a bench in front of it, each time it is called.
    `restarts` is how often one that died is started again. `library` finds passages where it can
    do more than by words. At `ends_ns` what is asked is broken off, and nothing is begun.
    """

    spec: RunSpec
    place: Place
    opening: Callable[[Found], AbstractContextManager[Bench]]
    found: Found = field(default_factory=Found)
    bench: Bench | None = None
    simulated: bool = False
    facts: ArtifactFacts | None = None
    restarts: int = len(PAUSES_S)
    library: Library | None = None
    ends_ns: int | None = None
    started_at: str = field(default_factory=clock.wall_time)
    started_ns: int = field(default_factory=clock.monotonic_ns)
    date_ns: int = field(default_factory=clock.ahead_ns)
    _stack: ExitStack = field(default_factory=ExitStack)

    def measure(self, workload: Workload) -> Section:
        """Run one workload and keep its section."""
        return self._keep(lambda bench: timed.measure(bench, workload), workload.name)

    def judge(self, task: Task, items: Sequence[Item] | None = None) -> Section:
        """Run one task, or some more of its items, and keep its section."""
        name = task.section
        library = self.library or Library(self.place.folder)
        found = self._keep(lambda bench: judged.judge(bench, task, items, library), name)
        bench = self.opened
        self.found.sections = [
            judged.settled(bench, section) if section.name == name else section
            for section in judged.joined(self.found.sections)
        ]
        return found

    def barrier(self, task: Task, items: Sequence[Item]) -> str:
        """Return why none of these can be asked of the server that is up, as a code; or ""."""
        return judged.barrier(self.opened, task, items)

    def answered(self, task: Task) -> set[str]:
        """Return the items of a task that earlier sessions of this run were answered."""
        return judged.answered(self.opened, task)

    @property
    def prelude_s(self) -> float:
        """How long it took so far to learn what is learned once before tasks are asked."""
        return self.opened.prelude_ns / _NS_PER_S

    def open(self) -> None:
        """Bring the engine up."""
        self.bench = self._stack.enter_context(self.opening(self.found))
        self.bench.ends_ns = self.ends_ns
        self.simulated |= self.bench.dialect.capabilities.simulated

    def end_in(self, seconds: float) -> None:
        """Break off what is asked in so many seconds."""
        ends_ns = clock.monotonic_ns() + round(seconds * _NS_PER_S)
        self.opened.ends_ns = self.ends_ns = ends_ns

    def left_s(self, most_s: float) -> float:
        """Return how long something may take that is begun now, `most_s` at the most."""
        if self.ends_ns is None:
            return most_s
        return max(0.0, min(most_s, (self.ends_ns - clock.monotonic_ns()) / _NS_PER_S))

    def close(self) -> None:
        """End the engine of ours, and read back what was in force."""
        self._stack.close()
        self.bench = None

    def abandon(self, error: BaseException) -> None:
        """End the engine of ours because of an error that ends the run."""
        self._stack.__exit__(type(error), error, error.__traceback__)
        self.bench = None

    def probe(self) -> Reading[Probed]:
        """Try what the server can do, after what is measured; a failure ends nothing else."""
        try:
            self.found.probe = Measured(probe.probe(self.opened), "client")
        except SteelyardError as error:
            self.found.probe = Missing("probe_failed", str(error))
        return self.found.probe

    def cancel(self) -> None:
        """End it by the user's own wish: what has finished stays, the work under way is lost."""
        self.found.outcome, self.found.reason = "cancelled", "interrupted"

    def _keep(self, work: Callable[[Bench], Section], name: str) -> Section:
        """Do the work and keep its section; begin it again where the engine died under it."""
        while True:
            bench = self.opened
            died = f"the engine died in the middle of {name}"
            try:
                section = work(bench)
            except EngineError as error:
                if self._lives(bench):
                    raise
                died = str(error)
            else:
                if self._lives(bench):
                    self.found.sections.append(section)
                    return section
            self._restart(EngineDied(died, hint=f"see {bench.engine.log_path}"), name)

    def _lives(self, bench: Bench) -> bool:
        """Say whether the engine is up; one of somebody else's is not ours to start again."""
        return isinstance(bench.engine, AttachedEngine) or bench.engine.alive()

    def _restart(self, death: EngineDied, name: str) -> None:
        """Start the engine again, as often as is allowed; else let it be the run's end."""
        before = self.opened
        while len(self.found.deaths) < self.restarts:
            pause_s = PAUSES_S[len(self.found.deaths)]
            if self.left_s(math.inf) <= pause_s:
                self._end_dead(death)
                raise TimeOver(f"{death}, and no time was left to start it again") from death
            time.sleep(pause_s)
            self.found.deaths += (name,)
            self._end_dead(death)
            self.found.proofs = self.found.controls = ()
            try:
                self.open()
            except EngineError as error:
                death = EngineDied(f"{death}, and did not come up again: {error}", hint=error.hint)
                continue
            self.opened.succeed(before)
            return
        raise death

    def _end_dead(self, death: EngineDied) -> None:
        """Put away what is left of it. By the way of an error: it cannot tell what was in force."""
        with suppress(EngineDied):
            self._stack.__exit__(EngineDied, death, death.__traceback__)
        self._stack, self.bench = ExitStack(), None

    @property
    def opened(self) -> Bench:
        """The bench in front of the engine; raises `EngineError` with the reason without one."""
        if self.bench is None:
            raise EngineError(self.found.reason or "the engine is not up")
        return self.bench


@final
@dataclass(frozen=True, slots=True)
class Executor:
    """Runs specs on this machine. `verifier` remembers which bytes were hashed already.

    An engine that loads is looked at again after `poll_max_s` at the latest.
    `proving` says whether an engine of ours computes right, before it is started for a run; without
    it somebody else has seen to that. What is asked at `ends_ns` is broken off then.
    """

    verifier: Verifier
    emit: Emit
    load_timeout_s: float = 300.0
    poll_max_s: float = host.POLL_MAX_S
    instrument: Instrument = Instrument()
    watch: Watch = Watch()
    device: Callable[[], Device] = hardware.device
    environment: Callable[[], Environment] = hardware.environment
    proving: Callable[[Subject, Controls, Container | None, Emit], Reading[Proof]] | None = None
    ends_ns: int | None = None

    def run(self, spec: RunSpec, variant: Variant, place: Place) -> RunRecord:
        """Execute one spec and write its record into the place's folder."""
        if spec.tasks:
            require_trained(variant.require_file(), variant.artifact.name)
        return self._whole(self.session(spec, variant, place), spec, variant)

    def call(
        self,
        spec: RunSpec,
        variant: Variant,
        place: Place,
        attach: Callable[[], AttachedEngine],
    ) -> RunRecord:
        """Execute one spec at a server of somebody else's, which `attach` goes to anew."""

        def opening(found: Found) -> AbstractContextManager[Bench]:
            return called(spec, variant, attach, place.folder, found, self.emit, watch=self.watch)

        return self._whole(_opened(Session(spec, place, opening)), spec, variant)

    def _whole(
        self, opened: AbstractContextManager[Session], spec: RunSpec, variant: Variant
    ) -> RunRecord:
        total = sum(w.requests for w in spec.workloads) + sum(t.items for t in spec.tasks)
        self.emit(PhaseStarted("run", total, variant.label))
        with opened as session:
            for workload in spec.workloads:
                session.measure(workload)
            for task in spec.tasks:
                session.judge(task)
        record = self.record(session)
        self.emit(PhaseEnded("run", _seconds(record.elapsed_s)))
        return record

    def session(
        self, spec: RunSpec, variant: Variant, place: Place
    ) -> AbstractContextManager[Session]:
        """Open a run of an engine of ours; what goes wrong inside ends it and is kept."""

        def opening(found: Found) -> AbstractContextManager[Bench]:
            self._prove(spec, place, found)
            if session.left_s(math.inf) <= 0:
                raise TimeOver("the time was over before the engine was started")
            return hosted(
                spec,
                variant,
                place,
                found,
                self.verifier,
                self.emit,
                load_timeout_s=session.left_s(self.load_timeout_s),
                poll_max_s=self.poll_max_s,
                watch=self.watch,
            )

        session = Session(spec, place, opening, facts=variant.file, ends_ns=self.ends_ns)
        session.simulated = api.dialect(spec.subject.engine).capabilities.simulated
        return _opened(session)

    def visit(
        self, spec: RunSpec, engine: AttachedEngine, place: Place
    ) -> AbstractContextManager[Session]:
        """Open a run against a server of somebody else's."""

        def opening(found: Found) -> AbstractContextManager[Bench]:
            return attached(spec, engine, place.folder, found, self.emit, watch=self.watch)

        session = Session(spec, place, opening, ends_ns=self.ends_ns)
        session.simulated = engine.dialect.capabilities.simulated
        return _opened(session)

    def _prove(self, spec: RunSpec, place: Place, found: Found) -> None:
        """Keep what was proved of the engine; one that computes something else is not started."""
        if self.proving is None:
            return
        match self.proving(spec.subject, spec.controls, place.container, self.emit):
            case Missing() as reason:
                found.proofs += (Proof(proofs.NAME, passed=False, found=str(reason)),)
            case Measured(value=proof):
                found.proofs += (proof,)
                if not proof.passed:
                    raise ConformanceError(
                        proof.found, hint="choose another runtime or build: this one computes wrong"
                    )

    def record(self, session: Session) -> RunRecord:
        """Return the record of a run that has ended, and write it into its folder."""
        record = self.made(session)
        write_record(session.place.folder, record)
        return record

    def made(self, session: Session) -> RunRecord:
        """Return the record of what a run has found so far."""
        found, place, spec = session.found, session.place, session.spec
        sections = tuple(found.sections)
        proofs = (*found.proofs, *_prompts(sections))
        warmed = timed.warmed(spec, found.warmed) if found.controls else ()
        environment = replace(self.environment(), engine_build=found.build)
        elapsed_s = (clock.monotonic_ns() - session.started_ns) / _NS_PER_S
        record = RunRecord(
            id=str(clock.uuid7()),
            spec=spec,
            outcome=found.outcome,
            reason=without_folders(found.reason, place),
            started_at=session.started_at,
            device=self.device(),
            environment=environment,
            controls=(*found.controls, *warmed),
            proofs=tuple(replace(p, found=without_folders(p.found, place)) for p in proofs),
            load_s=found.load_s,
            first_request_s=found.first_request_s,
            sections=sections,
            vitals=found.vitals,
            cautions=(),
            simulated=session.simulated,
            elapsed_s=Measured(elapsed_s, "client"),
            log_excerpt=without_folders(log_excerpt(place.folder / ENGINE_LOG), place),
            instrument=self.instrument,
            server=found.server,
            power=found.power,
            idle=found.idle,
            deaths=found.deaths,
            clock_jump_s=_jump(session),
            probe=found.probe,
            engine_profile=place.engine_profile,
            facts=session.facts,
            startup=found.startup,
            harness=found.harness,
            stopped=found.stopped,
            left_out=found.left_out,
        )
        return replace(record, cautions=cautions(record))


def _jump(session: Session) -> float:
    """Return it where it is more than a clock that is kept right is slewed by."""
    seconds = clock.jumped_s(session.date_ns)
    return round(seconds, 3) if abs(seconds) > _SLEWED_S else 0.0


@contextmanager
def _opened(session: Session) -> Iterator[Session]:
    """Open the bench of a session and close it, whatever goes wrong in between."""
    try:
        with _kept(session.found):
            session.open()
        with _kept(session.found):
            yield session
    except BaseException as error:
        session.abandon(error)
        raise
    with _kept(session.found):
        session.close()


@contextmanager
def _kept(found: Found) -> Iterator[None]:
    """Keep what goes wrong first as the run's outcome; only the user's own interrupt passes."""
    try:
        yield
    except SteelyardError as error:
        if found.outcome != "completed":
            return
        match error:
            case WrongModel():
                code = "wrong_model"
                found.proofs += (Proof("identity", passed=False, found=str(error)),)
            case BadInput():
                code = "bad_input"
            case ConformanceError():
                code = WRONG_LOGITS
            case _:
                code = type(error).__name__
        found.outcome, found.reason = "failed", f"{code}: {error}"


def require_trained(facts: ArtifactFacts, name: str) -> None:
    """Raise `UnsupportedSubject` for a model of random weights: there is nothing to judge."""
    if facts.synthetic:
        raise UnsupportedSubject(
            f"{name} is synthetic: its weights are random, and what it says means nothing",
            hint="its speed and memory can be measured: `steelyard bench`, `engines bench`",
        )


def _seconds(reading: Reading[float]) -> float:
    return reading.value if isinstance(reading, Measured) else 0.0


def log_excerpt(path: Path) -> str:
    """Return the last lines of an engine's log, or nothing if there is none."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])


def _prompts(sections: Iterable[Section]) -> tuple[Proof, ...]:
    """Say whether every timed prompt came to as many tokens as were asked for."""
    pairs = [
        (attempt.prompt_tokens_wanted, attempt.usage.value.prompt_tokens)
        for section in sections
        for attempt in section.attempts
        if section.kind == "workload"
        and attempt.prompt_tokens_wanted is not None
        and isinstance(attempt.usage, Measured)
    ]
    off = [f"{came} tokens instead of {wanted}" for wanted, came in pairs if came != wanted]
    if not pairs:
        return ()
    found = f"{len(off)} of {len(pairs)} prompts are off: {off[0]}" if off else "as long as asked"
    return (Proof("prompt", passed=not off, found=found),)
