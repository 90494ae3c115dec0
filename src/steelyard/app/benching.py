"""`bench`: one server, or two in turns, under any load; from what was typed to the last screen.

The subject is an address, or a file that is served by an engine of ours. Puts the rooms together;
nothing is written and nothing calibrated before every subject has been found. Not aware of
terminals: text comes back as text. What may be asked: `app.bench_request`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from steelyard.app import bench_request, calibrating, subjects
from steelyard.app.bench_request import Asked, BenchRequest, is_address
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import value_of
from steelyard.domain.run import Controls, Place, RunSpec
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.engines import attached, keys
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint
from steelyard.models import disk, memory
from steelyard.platform import clock, locks
from steelyard.runs import interleaved, knee
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import default_threads, place_for
from steelyard.runs.session import Watch

if TYPE_CHECKING:
    from steelyard.app.bench_reports import Benched
    from steelyard.stats.knee import Found

_SLOTS_MOST: Final = 64
_FILES_BYTES: Final = 16 * 1024 * 1024
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class _Target:
    """A subject that can be measured: how a session in front of it is opened."""

    name: str
    spec: RunSpec
    place: Place
    open: Callable[[Executor], AbstractContextManager[Session]]


def perform(request: BenchRequest, emit: Emit) -> Benched:
    """Run a bench to its end and write its reports."""
    asked = bench_request.read(request)
    folder = request.out or _new_folder(request)
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")
    disk.require(folder, _FILES_BYTES, what="a bench")
    sides = [folder] if request.compare is None else [folder / letter for letter in "ab"]
    targets = [
        _target(subject, request, asked, side, emit, turn)
        for turn, (subject, side) in enumerate(zip(request.subjects, sides, strict=True))
    ]
    executor = Executor(
        Verifier(),
        emit,
        instrument=calibrating.instrument(emit),
        watch=Watch(server=True, processes=request.processes),
    )
    with locks.folder_lock(folder):
        return _performed(request, asked, targets, folder, executor, emit)


def _performed(
    request: BenchRequest,
    asked: Asked,
    targets: list[_Target],
    folder: Path,
    executor: Executor,
    emit: Emit,
) -> Benched:
    started_ns = clock.monotonic_ns()
    total = None if request.find_knee else sum(w.requests for w in asked.workloads) or None
    emit(PhaseStarted("bench", total, targets[0].name))
    sessions, found = _measured(request, asked, targets, executor, emit)
    records = tuple(executor.record(session) for session in sessions)
    emit(PhaseEnded("bench", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    # Store and reports would take memory and time of the machine that is being measured.
    from steelyard.app import bench_reports
    from steelyard.app.keeping import keeper

    with keeper(emit) as keep:
        for record in records:
            keep(record)
    done = bench_reports.Done(records, found)
    return bench_reports.write(folder, done, asked.slo, strict=request.strict)


def _measured(
    request: BenchRequest,
    asked: Asked,
    targets: list[_Target],
    executor: Executor,
    emit: Emit,
) -> tuple[tuple[Session, ...], Found | None]:
    if request.compare is not None:
        a, b = targets
        with (
            a.open(executor) as first,
            b.open(executor) as second,
            _until_interrupted(first, second),
        ):
            _hand_over(request, asked, first, second)
            # One that did not come up has said so; it is no failure of the other.
            if first.bench is not None and second.bench is not None:
                interleaved.measure(
                    (first, second), asked.workloads[0], request.turns, request.seed, emit
                )
        return (first, second), None
    (target,) = targets
    found = None
    with target.open(executor) as session, _until_interrupted(session):
        _hand_over(request, asked, session)
        if request.find_knee:
            plan = knee.plan(asked.streams, request.requests)
            found = knee.find(session, asked.workloads[0], asked.slo, plan, emit)
        else:
            for workload in target.spec.workloads:
                session.measure(workload)
    return (session,), found


@contextmanager
def _until_interrupted(*sessions: Session) -> Iterator[None]:
    """Let an interrupt end the measuring and not the bench: what had finished is worth a report."""
    try:
        yield
    except KeyboardInterrupt:
        for session in sessions:
            session.cancel()


def _hand_over(request: BenchRequest, asked: Asked, *sessions: Session) -> None:
    """Give each session the texts that its prompts are made of, and the patience to wait."""
    for session in sessions:
        if session.bench is not None:
            session.bench.prompts = {asked.prompts.source: asked.prompts}
            session.bench.stall_ns = round(request.timeout * _NS_PER_S)


def _target(
    subject: str, request: BenchRequest, asked: Asked, folder: Path, emit: Emit, turn: int
) -> _Target:
    """Find a subject; the second of two is another repeat, so that its prompts are others."""
    if is_address(subject):
        return _endpoint(subject, request, asked, folder, turn)
    return _file(subject, request, asked, folder, emit, turn)


def _endpoint(
    subject: str, request: BenchRequest, asked: Asked, folder: Path, turn: int
) -> _Target:
    endpoint = Endpoint.read(subject)
    trust = Trust(request.cacert, request.insecure)
    key = keys.api_key(
        endpoint,
        trust,
        os.environ,
        variable=request.api_key_env,
        anywhere=request.send_key_anywhere,
    )
    engine: AttachedEngine = attached.attach(
        endpoint, model=request.model, key=key, trust=trust, env=os.environ
    )
    workloads = asked.workloads
    if request.load is not None:  # how deep it may go, only the server knows
        context = value_of(engine.identity().context_tokens) or 0
        workloads = bench_request.named(request, context)
    controls = Controls(seed=request.seed, warmup=request.warmup, reuse_prefix=asked.reuse_prefix)
    spec = RunSpec(
        engine.subject,
        controls,
        workloads=workloads,
        repeat=turn,
        campaign_seed=request.seed,
    )
    place = Place((), {}, folder, endpoint.host, endpoint.port)
    return _Target(str(endpoint), spec, place, lambda executor: executor.visit(spec, engine, place))


def _file(
    subject: str, request: BenchRequest, asked: Asked, folder: Path, emit: Emit, turn: int
) -> _Target:
    from steelyard.llamalib.kernels import cores  # brings numpy, which a server needs not

    chosen = subjects.choose(subject)
    if len(chosen.files) != 1:
        raise BadInput(f"{subject} holds several models", hint="name one file: a bench takes one")
    path, facts = chosen.files[0]
    variant = subjects.verified(facts.quant, path, emit)
    slots = min(asked.streams, _SLOTS_MOST)
    context = -(-(asked.tokens + 64) // 256) * 256
    profile = EngineProfile(context_tokens=context, slots=slots)
    if facts.context_tokens and context > facts.context_tokens:
        raise BadInput(
            f"{path.name} was trained for {facts.context_tokens:,} tokens of context; the prompts "
            f"and answers need {context:,}",
            hint="shorter --prompts synthetic:in=…,out=…",
        )
    memory.require(facts, profile)
    scripted = chosen.engine == "scripted"
    runtime = "scripted" if scripted else request.runtime or "wheel"
    controls = Controls(
        seed=request.seed,
        threads=request.threads or default_threads(cores()),
        warmup=request.warmup,
        reuse_prefix=asked.reuse_prefix,
    )
    spec = RunSpec(
        Subject(variant.artifact, chosen.engine, runtime, profile),
        controls,
        workloads=asked.workloads,
        repeat=turn,
        campaign_seed=request.seed,
    )
    place = place_for(spec.subject, folder, {variant.artifact.sha256: path.resolve()})
    return _Target(path.name, spec, place, lambda executor: executor.session(spec, variant, place))


def _new_folder(request: BenchRequest) -> Path:
    stamp = clock.wall_time()[:19].replace(":", "").replace("-", "").replace("T", "-")
    plain = "".join(
        c if c.isalnum() or c in "._" else "-" for c in request.subject.split("://")[-1]
    )
    return Path("benches") / f"{plain.strip('-')[-40:]}-{stamp}"
