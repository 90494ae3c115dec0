"""`tune`: search the settings of an engine for a goal; better ones become an engine profile.

The shell of `campaigns.tuning`: it starts the baseline once and each candidate when its turn comes,
lets them take turns under the load of a bench, and does what the machine says next. Every run is a
record in the folder. Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis.tuned import Goal, cost
from steelyard.app import calibrating, proving, subjects
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches.asked import Asked
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.app.engines import tuning_texts as texts
from steelyard.app.profiles import engine_settings
from steelyard.app.profiles import files as profile_files
from steelyard.app.profiles import places as profile_places
from steelyard.app.profiles.engine_settings import Settled
from steelyard.app.results import history
from steelyard.app.results.keeping import keeper
from steelyard.app.subjects import Chosen
from steelyard.campaigns import knobs
from steelyard.campaigns.tuning import Broke, Event, Finished, Measure, Search, Taken
from steelyard.domain.errors import BadInput, EngineError, Interrupted, TooLittleRoom
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.engines import api
from steelyard.llamalib.kernels import cores
from steelyard.models import disk, memory
from steelyard.platform import atomic, clock, hardware, locks
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for
from steelyard.stats import interleaved
from steelyard.stats.interleaved import TURNS_PER_BLOCK

PROMPTS: Final[Mapping[Goal, str]] = {
    "ttft": "synthetic:in=512,out=8",
    "throughput": "synthetic:in=128,out=64",
    "balanced": "synthetic:in=256,out=64",
}
_STREAMS: Final[Mapping[Goal, int]] = {"ttft": 1, "throughput": 4, "balanced": 4}
_FILES_BYTES: Final = 64 * 1024 * 1024
_TURN_S: Final = (0.25, 5.0)
_REQUESTS_MOST: Final = 200
_BLOCKS_PER_BUDGET: Final = 60
_HOPELESS: Final = 3.0
_SPARE: Final = 0.1  # memory that two engines side by side leave free
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What was typed; None for what was not."""

    subject: str
    goal: Goal = "balanced"
    budget: float = 300.0
    out: Path | None = None
    folder: Path | None = None
    concurrency: int | None = None
    prompts: str | None = None
    device: str | None = None
    runtime: str | None = None
    seed: int = 0

    @property
    def streams(self) -> int:
        """Requests at a time."""
        return self.concurrency or _STREAMS[self.goal]


@final
@dataclass(frozen=True, slots=True)
class Tuned:
    """What to print, and 0 where a profile was written, 1 where no gain is there."""

    text: str
    json: str
    exit_code: int


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """What every engine of a search has in common."""

    request: TuneRequest
    chosen: Chosen
    settled: Settled
    variant: Variant
    path: Path
    runtime: str
    base: EngineProfile
    asked: Asked
    folder: Path
    out: Path


def perform(request: TuneRequest, emit: Emit) -> Tuned:
    """Search until the winner is beyond noise or the budget ends."""
    started_ns = clock.monotonic_ns()
    ground = _ground(request, emit)
    executor = Executor(
        Verifier(), emit, instrument=calibrating.instrument(emit), proving=proving.proved
    )
    with locks.folder_lock(ground.folder), keeper(emit) as keep:
        emit(PhaseStarted("tuning", None, ground.variant.artifact.name))
        bout = _Bout(ground, executor, emit, keep, started_ns)
        try:
            found = bout.search()
        except KeyboardInterrupt:
            raise Interrupted(
                "the search was interrupted: no engine profile is written",
                hint=f"the runs that had finished lie in {ground.folder}",
            ) from None
        seconds = bout.elapsed_s()
        emit(PhaseEnded("tuning", seconds))
        return _told(ground, found, seconds)


def _ground(request: TuneRequest, emit: Emit) -> Ground:
    """Check what can be known to be wrong before an engine is started."""
    if is_address(request.subject):
        raise BadInput(
            f"{request.subject} runs already, and its settings are not ours to change",
            hint="give the model's file: it is started here",
        )
    chosen = subjects.choose_one(request.subject)
    path, facts = chosen.files[0]
    out = profile_places.chosen(request.out, f"{chosen.model}-{request.goal}")
    folder = request.folder or benching.new_folder("tunes", f"{chosen.model}-{request.goal}")
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --folder, or leave it out")
    disk.require(folder, _FILES_BYTES, what="a search")
    variant = subjects.verified(facts.quant, path, emit)
    bench = BenchRequest(
        request.subject,
        concurrency=str(request.streams),
        prompts=request.prompts or PROMPTS[request.goal],
        seed=request.seed,
    )
    asked = bench_asked.read(bench)
    runtime = benching.engine_runtime(chosen.engine, variant.artifact, request.runtime)
    needed = EngineProfile(context_tokens=benching.context_of(asked.tokens), slots=request.streams)
    typed = engine_settings.Typed(device=request.device)
    settled = engine_settings.settle(chosen, runtime, needed, typed, cores(), emit)
    engine_settings.require_trained(chosen, settled, needed, bench.shorter)
    base = settled.profile
    if settled.threads is not None:
        base = replace(base, threads=settled.threads)
    _require_memory(memory.parts(facts, base, history.memory_here()).needed)
    return Ground(request, chosen, settled, variant, path, runtime, base, asked, folder, out)


def _require_memory(one: int) -> None:
    free = memory.available_bytes()
    if 2 * one > free * (1 - _SPARE):
        raise TooLittleRoom(
            f"two engines side by side take about {disk.size(2 * one)} of memory, and "
            f"{disk.size(free)} are free",
            hint="close programs, or take a smaller quant",
        )


@final
@dataclass(slots=True)
class _Bout:
    """The search under way: the baseline stays up, candidates come and go."""

    ground: Ground
    executor: Executor
    emit: Emit
    keep: Callable[[RunRecord], None]
    started_ns: int
    number: int = 0
    done: int = 0

    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return (clock.monotonic_ns() - self.started_ns) / _NS_PER_S

    def search(self) -> Finished:
        """Bring the baseline up, ask the machine, and do what it says until it is done."""
        found: Finished | None = None
        with self._engine(self.ground.base, "baseline") as baseline:
            if baseline.bench is not None:
                found = self._searched(baseline)
        if found is None:
            raise EngineError(
                f"the baseline could not be measured: {baseline.found.reason}",
                hint=f"see the records in {self.ground.folder}",
            )
        return found

    def _searched(self, baseline: Session) -> Finished:
        ground, request = self.ground, self.ground.request
        turn, block_s, pilot = self._pilot(baseline)
        keys = api.dialect(ground.chosen.engine).capabilities.profile_keys
        tried = knobs.candidates(ground.base, keys, cores=cores(), streams=request.streams)
        before_s = self.elapsed_s()
        machine = Search(tried, budget_s=request.budget - before_s, block_s=block_s)
        step = machine.start()
        while isinstance(step, Measure):
            self.emit(Advanced("tuning", self.done, f"{step.stage}: {step.candidate.name}"))
            step = machine.handle(self._measured(baseline, step, turn, pilot, before_s))
            self.done += 1
        return step

    def _pilot(self, baseline: Session) -> tuple[Workload, float, float]:
        """Learn how long a request takes: return a turn, the seconds of a block, and a turn's cost.

        A block is four turns, with the candidate's start and its first steps.
        """
        streams, budget_s = self.ground.request.streams, self.ground.request.budget
        # Nothing is warmed up in a turn: the engine is warm from the first one on.
        load = replace(self.ground.asked.workloads[0], requests=max(2, streams), warmup=0)
        baseline.measure(load)
        started_ns = clock.monotonic_ns()
        reading = cost(self.ground.request.goal, baseline.measure(load))
        if isinstance(reading, Missing):
            raise EngineError(f"the baseline's first turn cannot be read: {reading}")
        seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
        del baseline.found.sections[-2:]
        low, high = _TURN_S
        wanted_s = min(high, max(low, budget_s / _BLOCKS_PER_BUDGET / TURNS_PER_BLOCK))
        most = max(1, _REQUESTS_MOST // load.requests)
        rounds = max(1, min(most, round(wanted_s / seconds)))
        load_s = baseline.found.load_s
        start_s = load_s.value if isinstance(load_s, Measured) else 1.0
        turn = replace(load, requests=load.requests * rounds)
        return turn, TURNS_PER_BLOCK * rounds * seconds + start_s + seconds, reading.value

    def _measured(
        self, baseline: Session, step: Measure, turn: Workload, pilot: float, before_s: float
    ) -> Event:
        """Start the candidate, let the two take turns, and stop it."""
        taken: tuple[tuple[float, float], ...] | Missing = Missing("not_started")
        profile = replace(self.ground.base, **step.candidate.changes)
        with self._engine(profile, step.candidate.name) as session:
            if session.bench is not None:
                hopeless = self._first_turns(session, turn, pilot)
                taken = hopeless or self._turns((baseline, session), step.blocks, turn)
        if baseline.bench is None or not baseline.bench.engine.alive():
            raise EngineError("the baseline's engine died and did not come up again")
        elapsed_s = self.elapsed_s() - before_s
        if isinstance(taken, Missing):
            why = session.found.reason or str(taken)
            self.emit(Noted(f"{step.candidate.name} leaves the search: {why}", warning=True))
            return Broke(why, elapsed_s)
        return Taken(taken, elapsed_s)

    def _first_turns(self, candidate: Session, turn: Workload, pilot: float) -> Missing | None:
        """Warm a candidate up; one that is hopeless twice may not eat the budget of the others."""
        request, times = self.ground.request, 0.0
        short = replace(turn, requests=max(2, request.streams))
        for _ in range(2):
            reading = cost(request.goal, candidate.measure(short))
            del candidate.found.sections[-1:]
            if isinstance(reading, Missing):
                return reading
            times = reading.value / pilot
            if times < _HOPELESS:
                return None
        return Missing("hopeless", f"{times:.1f} times the baseline's cost in its first turns")

    def _turns(
        self, sides: tuple[Session, Session], blocks: int, turn: Workload
    ) -> tuple[tuple[float, float], ...] | Missing:
        request = self.ground.request
        order = interleaved.order(blocks, request.seed + self.number)
        values: list[float] = []
        for letter in order:
            reading = cost(request.goal, sides["AB".index(letter)].measure(turn))
            if isinstance(reading, Missing):
                return reading
            values.append(reading.value)
        return interleaved.pairs(order, values)

    @contextmanager
    def _engine(self, profile: EngineProfile, name: str) -> Iterator[Session]:
        """Bring an engine up for a while; whatever ends it, its record is written."""
        ground = self.ground
        self.number += 1
        spec = RunSpec(
            Subject(ground.variant.artifact, ground.chosen.engine, ground.runtime, profile),
            Controls(
                seed=ground.request.seed,
                warmup=0,
                reuse_prefix=ground.asked.reuse_prefix,
                device=ground.settled.device,
            ),
            workloads=ground.asked.workloads,
            repeat=self.number,
            campaign_seed=ground.request.seed,
        )
        label = re.sub(r"[^A-Za-z0-9]+", "-", name)
        paths = {ground.variant.artifact.sha256: ground.path.absolute(), **ground.settled.paths}
        folder = ground.folder / f"{self.number:03d}-{label}"
        place = place_for(spec.subject, folder, paths, engine_profile=ground.settled.name)
        interrupted = False
        with self.executor.session(spec, ground.variant, place) as session:
            try:
                if session.bench is not None:
                    session.bench.prompts = {ground.asked.prompts.source: ground.asked.prompts}
                yield session
            except KeyboardInterrupt:
                interrupted = True
                session.cancel()
        self.keep(self.executor.record(session))
        if interrupted:
            raise KeyboardInterrupt


def _told(ground: Ground, found: Finished, seconds: float) -> Tuned:
    """Write the profile where there is a gain, and say what was found."""
    request = ground.request
    if found.winner is not None:
        _write(ground, found)
    report = texts.Report(
        goal=request.goal,
        subject=request.subject,
        found=found,
        seconds=seconds,
        folder=ground.folder,
        written=ground.out if found.winner is not None else None,
        by_name=_by_name(ground),
    )
    atomic.write(ground.folder / "tuning.json", texts.as_json(report).encode())
    return Tuned(texts.as_text(report), texts.as_json(report), 0 if found.winner else 1)


def _write(ground: Ground, found: Finished) -> None:
    """Write the winner as an engine profile, once it has been read again and checked."""
    named, winner = ground.chosen.profile, found.winner
    if winner is None:
        return
    settings_ = {**(named.settings if named else {}), **winner.changes}
    settings_.pop("draft_sha256", None)
    if named is not None and named.draft:
        settings_[profile_files.DRAFT] = named.draft
    comments = texts.comments(ground.request.goal, ground.variant, found, hardware.device())
    engine = ground.chosen.engine
    profile_places.write(ground.out, ground.folder, engine, ground.runtime, settings_, comments)


def _by_name(ground: Ground) -> str:
    """Return the subject with the profile behind it, where it lies with the user's own."""
    subject = ground.request.subject.rpartition("@")[0] or ground.request.subject
    return profile_places.by_name(ground.out, subject, ground.chosen.engine)
