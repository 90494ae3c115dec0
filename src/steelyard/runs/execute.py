"""Execute one RunSpec whole: verify, start, verify again, warm up, drive, sample, stop, record.

Whatever happens, a record comes back: a crash of the engine is a row, not a hole. Only the user's
own interrupt passes through. Not aware of campaigns or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis.validity import cautions
from steelyard.domain.errors import BadInput, SteelyardError, WrongModel
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import (
    AppliedControl,
    Device,
    Environment,
    Place,
    Proof,
    RunOutcome,
    RunRecord,
    RunSpec,
    Section,
)
from steelyard.domain.subject import Variant
from steelyard.domain.vitals import Vitals
from steelyard.engines import api, host, identity
from steelyard.engines.api import Dialect
from steelyard.engines.host import RunningEngine
from steelyard.loadgen import spool
from steelyard.loadgen.client import Client
from steelyard.platform import clock, hardware
from steelyard.runs import judged, timed
from steelyard.runs.bench import Bench
from steelyard.runs.identity import Verifier
from steelyard.runs.places import build_of, without_folders
from steelyard.store.records import write_record
from steelyard.telemetry.sampler import Sampler

SPOOL: Final = "spool.bin"
ENGINE_LOG: Final = "engine.log"
_LOG_LINES: Final = 40
_NS_PER_S: Final = 1e9


@final
@dataclass(slots=True)
class _Found:
    """What a run has found so far: a failed run's record holds as much as there was."""

    controls: tuple[AppliedControl, ...] = ()
    proofs: tuple[Proof, ...] = ()
    load_s: Reading[float] = Missing("not_started")
    first_request_s: Reading[float] = Missing("not_started")
    build: Reading[str] = Missing("not_started")
    sections: tuple[Section, ...] = ()
    vitals: Reading[Vitals] = Missing("not_started")
    outcome: RunOutcome = "completed"
    reason: str = ""


@final
@dataclass(frozen=True, slots=True)
class Executor:
    """Runs specs on this machine. `verifier` remembers which bytes were hashed already."""

    verifier: Verifier
    emit: Emit
    load_timeout_s: float = 300.0
    device: Callable[[], Device] = hardware.device
    environment: Callable[[], Environment] = hardware.environment

    def run(self, spec: RunSpec, variant: Variant, place: Place) -> RunRecord:
        """Execute one spec and write its record into the place's folder."""
        started_at, started_ns = clock.wall_time(), clock.monotonic_ns()
        found = _Found()
        total = sum(w.requests for w in spec.workloads) + sum(t.items for t in spec.tasks)
        self.emit(PhaseStarted("run", total, variant.label))
        try:
            self._measure(spec, variant, place, found)
        except WrongModel as error:
            found.outcome, found.reason = "failed", f"wrong_model: {error}"
            found.proofs += (Proof("identity", passed=False, found=str(error)),)
        except BadInput as error:
            found.outcome, found.reason = "failed", f"bad_input: {error}"
        except SteelyardError as error:
            found.outcome, found.reason = "failed", f"{type(error).__name__}: {error}"
        elapsed_s = (clock.monotonic_ns() - started_ns) / _NS_PER_S
        self.emit(PhaseEnded("run", elapsed_s))
        found.proofs = tuple(
            replace(p, found=without_folders(p.found, place)) for p in found.proofs
        )
        record = self._record(spec, found, place, started_at)
        record = replace(record, elapsed_s=Measured(elapsed_s, "client"))
        record = replace(record, cautions=cautions(record))
        write_record(place.folder, record)
        return record

    def _measure(self, spec: RunSpec, variant: Variant, place: Place, found: _Found) -> None:
        dialect = api.dialect(spec.subject.engine)
        path = place.path_of(spec.subject.artifact)
        self.verifier.verify(spec.subject.artifact, path)
        place.folder.mkdir(parents=True, exist_ok=True)
        with host.start(
            dialect, spec.subject, spec.controls, place, load_timeout_s=self.load_timeout_s
        ) as engine:
            found.load_s = Measured(engine.load_s, "client")
            claim = engine.identity()
            found.build = build_of(spec.subject, claim.build)
            found.proofs += identity.verify(claim, spec.subject, variant.facts, path)
            self.verifier.verify(spec.subject.artifact, path)
            found.proofs += (Proof("file", passed=True, found=spec.subject.artifact.sha256),)
            started_ns = clock.monotonic_ns()
            with Sampler(engine.pid) as sampler:
                self._drive(spec, dialect, engine, place, found)
            found.vitals = Measured(sampler.vitals(), "client")
            found.first_request_s = _first_request(place.folder / SPOOL, started_ns)
            models = (a.model for section in found.sections for a in section.attempts)
            found.proofs += (identity.verify_answers(claim, models), *_prompts(found.sections))
            warmed = timed.warmed(spec, spool.read(place.folder / SPOOL))
            found.controls = (*engine.controls(spec.controls), *warmed)

    def _drive(
        self, spec: RunSpec, dialect: Dialect, engine: RunningEngine, place: Place, found: _Found
    ) -> None:
        path = place.folder / SPOOL
        earlier = spool.read(path) if path.exists() else []
        with Client(engine.host, engine.port, path) as client:
            bench = Bench(spec, dialect, engine, client, self.emit)
            bench.remember(earlier)
            for workload in spec.workloads:
                found.sections += (timed.measure(bench, workload),)
            for task in spec.tasks:
                found.sections += (judged.judge(bench, task),)

    def _record(self, spec: RunSpec, found: _Found, place: Place, started_at: str) -> RunRecord:
        environment = replace(self.environment(), engine_build=found.build)
        return RunRecord(
            id=str(clock.uuid7()),
            spec=spec,
            outcome=found.outcome,
            reason=without_folders(found.reason, place),
            started_at=started_at,
            device=self.device(),
            environment=environment,
            controls=found.controls,
            proofs=found.proofs,
            load_s=found.load_s,
            first_request_s=found.first_request_s,
            sections=found.sections,
            vitals=found.vitals,
            cautions=(),
            simulated=api.dialect(spec.subject.engine).capabilities.simulated,
            log_excerpt=without_folders(log_excerpt(place.folder / ENGINE_LOG), place),
        )


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
        if attempt.prompt_tokens_wanted is not None and isinstance(attempt.usage, Measured)
    ]
    off = [f"{came} tokens instead of {wanted}" for wanted, came in pairs if came != wanted]
    if not pairs:
        return ()
    found = f"{len(off)} of {len(pairs)} prompts are off: {off[0]}" if off else "as long as asked"
    return (Proof("prompt", passed=not off, found=found),)


def _first_request(path: Path, started_ns: int) -> Reading[float]:
    """Return how long the first request after this load took, warm-up or not, in seconds."""
    sent = [e for e in spool.read(path) if e.sent_ns >= started_ns and e.failure is None]
    if not sent:
        return Missing("no_requests", "every answer was there from an earlier session")
    first = min(sent, key=lambda exchange: exchange.sent_ns)
    return Measured((first.done_ns - first.sent_ns) / _NS_PER_S, "client")
