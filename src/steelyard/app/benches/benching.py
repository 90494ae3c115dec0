"""`bench`: one server, or two in turns, under any load; from what was typed to the last screen.

The subject is an address, or a file that is served by an engine of ours. Puts the rooms together;
nothing is written and nothing calibrated before every subject has been found. Not aware of
terminals: text comes back as text. What may be asked: `benches.asked`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from steelyard.app import calibrating
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.asked import Asked
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.prompts import Images
from steelyard.domain.reading import Reading, value_of
from steelyard.domain.run import Container, ControlProfile, Controls, Place, Proof, RunSpec
from steelyard.domain.serverside import Sidecar
from steelyard.domain.subject import Artifact, EngineProfile, Subject, Variant
from steelyard.engines import api, attached, environments, images, keys, sight
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint
from steelyard.media.samples import Kind
from steelyard.models import disk, memory
from steelyard.platform import clock, containers, hardware, locks
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import own_runtime, place_for
from steelyard.runs.session import Watch

if TYPE_CHECKING:
    from steelyard.app.benches.reports import Benched
    from steelyard.app.subjects import Chosen
    from steelyard.stats.knee import Found

_SLOTS_MOST: Final = 64
AROUND: Final = 64  # what a template puts around a prompt
_STEP: Final = 256
_FILES_BYTES: Final = 16 * 1024 * 1024
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A subject that can be measured: a server of somebody else's, or a file served here."""

    name: str
    spec: RunSpec
    place: Place
    what: AttachedEngine | Variant

    @property
    def variant(self) -> Variant | None:
        """The file, where it is served here."""
        return self.what if isinstance(self.what, Variant) else None

    def open(self, executor: Executor) -> AbstractContextManager[Session]:
        """Open a session in front of it."""
        match self.what:
            case Variant() as variant:
                return executor.session(self.spec, variant, self.place)
            case engine:
                return executor.visit(self.spec, engine, self.place)


def perform(request: BenchRequest, emit: Emit) -> Benched:
    """Run a bench to its end and write its reports."""
    asked = bench_asked.read(request)
    folder = request.out or new_folder("benches", request.subject)
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")
    disk.require(folder, _FILES_BYTES, what="a bench")
    sides = [folder] if request.compare is None else [folder / letter for letter in "ab"]
    targets = [
        target(subject, request, asked, side, emit, turn)
        for turn, (subject, side) in enumerate(zip(request.subjects, sides, strict=True))
    ]
    for each in targets if isinstance(asked.prompts.source, Images) else ():
        refuse_blind(each, ["image"])
    if request.sidecar:
        from steelyard.app.benches import bench_sidecars  # brings numpy, which a server needs not

        bench_sidecars.require(targets)
    executor = Executor(
        Verifier(),
        emit,
        instrument=calibrating.instrument(emit),
        watch=Watch(server=True, processes=request.processes),
        proving=proved,
    )
    with locks.folder_lock(folder):
        return _performed(request, asked, targets, folder, executor, emit)


def _performed(
    request: BenchRequest,
    asked: Asked,
    targets: list[Target],
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
    raws: tuple[Reading[Sidecar], ...] = ()
    if request.sidecar:
        from steelyard.app.benches import bench_sidecars

        raws = bench_sidecars.taken(targets, records, executor.verifier, emit)
    # Store and reports would take memory and time of the machine that is being measured.
    from steelyard.app.benches import reports
    from steelyard.app.results.keeping import keeper

    with keeper(emit) as keep:
        for record in records:
            keep(record)
    done = reports.Done(records, found, raws)
    return reports.write(folder, done, asked.slo, strict=request.strict)


def _measured(
    request: BenchRequest,
    asked: Asked,
    targets: list[Target],
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
                from steelyard.app.benches import same_prompt
                from steelyard.runs import interleaved

                same_prompt.require(first, second, emit)
                interleaved.measure(
                    (first, second), asked.workloads[0], request.turns, request.seed, emit
                )
                _try_out(request, first, second)
        return (first, second), None
    (target,) = targets
    found = None
    with target.open(executor) as session, _until_interrupted(session):
        _hand_over(request, asked, session)
        if request.find_knee:
            from steelyard.runs import knee

            plan = knee.plan(asked.streams, request.requests)
            found = knee.find(session, asked.workloads[0], asked.slo, plan, emit)
        elif request.both_ways:
            from steelyard.runs import batching

            batching.measure(session, asked.workloads, request.turns, request.seed, emit)
        else:
            for workload in target.spec.workloads:
                session.measure(workload)
        _try_out(request, session)
    return (session,), found


@contextmanager
def _until_interrupted(*sessions: Session) -> Iterator[None]:
    """Let an interrupt end the measuring and not the bench: what had finished is worth a report."""
    try:
        yield
    except KeyboardInterrupt:
        for session in sessions:
            session.cancel()


def _try_out(request: BenchRequest, *sessions: Session) -> None:
    """Probe what was measured, where that was asked for; afterwards, so that it moves no number."""
    for session in sessions if request.probe else ():
        if session.bench is not None:
            session.probe()


def _hand_over(request: BenchRequest, asked: Asked, *sessions: Session) -> None:
    """Give each session the texts that its prompts are made of, and the patience to wait."""
    for session in sessions:
        if session.bench is not None:
            session.bench.prompts = {asked.prompts.source: asked.prompts}
            session.bench.stall_ns = round(request.timeout * _NS_PER_S)


def target(
    subject: str, request: BenchRequest, asked: Asked, folder: Path, emit: Emit, turn: int
) -> Target:
    """Find a subject; the second of two is another repeat, so that its prompts are others."""
    if is_address(subject):
        return _endpoint(subject, request, asked, folder, turn)
    return _file(subject, request, asked, folder, emit, turn)


def require_subject(request: BenchRequest) -> None:
    """Raise `BadInput` for a subject that is none, before anything is done or fetched for it."""
    if is_address(request.subject):
        Endpoint.read(request.subject)
    else:
        _one_file(request.subject, request)


def meet(subject: str, request: BenchRequest, asked: Asked) -> AttachedEngine:
    """Find out who answers at an address, as `engines.attached.attach` does."""
    endpoint = Endpoint.read(subject)
    trust = Trust(request.cacert, request.insecure)
    key = keys.api_key(
        endpoint,
        trust,
        os.environ,
        variable=request.api_key_env,
        anywhere=request.send_key_anywhere,
    )
    return attached.attach(
        endpoint,
        engine=request.engine,
        model=request.model,
        context_tokens=context_of(asked.tokens),
        shares_prefix=asked.reuse_prefix,
        key=key,
        trust=trust,
        env=os.environ,
    )


def _endpoint(subject: str, request: BenchRequest, asked: Asked, folder: Path, turn: int) -> Target:
    engine = meet(subject, request, asked)
    endpoint = engine.manners.endpoint
    workloads = asked.workloads
    if request.load is not None:  # how deep it may go, only the server knows
        context = value_of(engine.identity().context_tokens) or 0
        workloads = bench_asked.named(request, context)
    controls = Controls(
        seed=request.seed,
        warmup=request.warmup,
        reuse_prefix=asked.reuse_prefix,
        profile=ControlProfile(temperature_max_c=hardware.temperature_limit_c()),
    )
    spec = RunSpec(
        engine.subject,
        controls,
        workloads=workloads,
        repeat=turn,
        campaign_seed=request.seed,
    )
    place = Place((), {}, folder, endpoint.host, endpoint.port)
    return Target(str(endpoint), spec, place, engine)


def _one_file(subject: str, request: BenchRequest) -> Chosen:
    """Return the one file that a subject stands for; raise `BadInput` for none and for several."""
    from steelyard.app import subjects  # a server has no file

    subject = bench_request.with_engine(subject, request)
    return subjects.choose_one(subject, contained=request.contained)


def _file(
    subject: str, request: BenchRequest, asked: Asked, folder: Path, emit: Emit, turn: int
) -> Target:
    # A server has neither file nor settings, and no history.
    from steelyard.app import subjects
    from steelyard.app.profiles import engine_settings
    from steelyard.app.results import history
    from steelyard.llamalib.kernels import cores  # brings numpy, which a server needs not

    chosen = _one_file(subject, request)
    path, facts = chosen.files[0]
    variant = subjects.verified(facts.quant, path, emit)
    slots = min(asked.streams, _SLOTS_MOST)
    needed = EngineProfile(context_tokens=context_of(asked.tokens), slots=slots)
    runtime = engine_runtime(chosen.engine, variant.artifact, request.runtime)
    typed = engine_settings.Typed(request.threads, request.device)
    settled = engine_settings.settle(chosen, runtime, needed, typed, cores(), emit)
    engine_settings.require_trained(chosen, settled, needed, request.shorter)
    memory.require(facts, settled.profile, history=history.memory_here())
    controls = Controls(
        seed=request.seed,
        threads=settled.threads,
        warmup=request.warmup,
        reuse_prefix=asked.reuse_prefix,
        device=settled.device,
        profile=ControlProfile(temperature_max_c=hardware.temperature_limit_c()),
    )
    spec = RunSpec(
        Subject(variant.artifact, chosen.engine, runtime, settled.profile),
        controls,
        workloads=asked.workloads,
        repeat=turn,
        campaign_seed=request.seed,
    )
    paths = {variant.artifact.sha256: path.absolute(), **settled.paths}
    container = None
    if request.contained:
        from steelyard.app.engines import containing

        image = request.image or settled.image or None
        container = containing.prepare(
            chosen.engine, settled.device, str(request.runtime), image, emit
        )
    place = place_for(spec.subject, folder, paths, engine_profile=settled.name, container=container)
    return Target(variant.artifact.name, spec, place, variant)


def refuse_blind(target: Target, kinds: Iterable[Kind]) -> None:
    """Raise `UnsupportedSubject` where the subject cannot be shown what is to be shown."""
    wanted = sorted(kinds)
    if not wanted:
        return
    if isinstance(target.what, Variant):
        subject = target.spec.subject
        sight.require_engine(api.dialect(subject.engine), wanted, subject)
    else:
        sight.require_engine(target.what.dialect, wanted)
        target.what.wake()  # a model that is loaded when it is asked for may take minutes
        sight.require_model(target.what, wanted)


def proved(
    subject: Subject, controls: Controls, container: Container | None, emit: Emit
) -> Reading[Proof]:
    """Prove an engine of ours, or find the proof that is kept."""
    from steelyard.app import proving  # brings numpy, which a server needs not

    return proving.proved(subject, controls, container, emit)


def context_of(tokens: int) -> int:
    """Return the context that a request of so many tokens takes, template and all, rounded up."""
    return -(-(tokens + AROUND) // _STEP) * _STEP


def tokens_in(context: int) -> int:
    """Return the tokens of the longest request that a context takes; below 0 where none fits."""
    return context // _STEP * _STEP - AROUND


def engine_runtime(engine: str, artifact: Artifact, asked: str | None) -> str:
    """Return how an engine's program is come by; refuse a file that the engine does not load."""
    return runtime_of(engine, artifact.format, artifact.name, asked)


def runtime_of(engine: str, form: str, name: str, asked: str | None) -> str:
    """Return the same for a file of which no more than format and name are known yet."""
    able, contained = api.dialect(engine).capabilities, asked in containers.NAMES
    formats = able.image_formats if contained else able.formats
    if contained and not formats:
        from steelyard.app.engines import containing

        containing.contained(engine)
    if form not in formats:
        loads = " or ".join(sorted(formats)) or "no files: it starts no server"
        raise UnsupportedSubject(
            f"{engine} loads {loads}; {name!r} is {form}",
            hint="`steelyard models export` writes a GGUF file as a folder for mlx or transformers;"
            " name the engine behind an @",
        )
    if engine == "ik_llamacpp" and asked == "wheel":
        raise BadInput(
            "the wheel holds llama.cpp; ik_llamacpp is the llama-server that is first on PATH",
            hint="leave --runtime out",
        )
    if contained:
        return images.RUNTIME
    if engine in environments.NAMES and asked is not None:
        raise BadInput(
            f"--runtime chooses between runtimes of llama.cpp; {engine} has an environment",
            hint="leave --runtime out",
        )
    return own_runtime(engine) or asked or "wheel"


def new_folder(kind: str, subject: str) -> Path:
    """Return a folder that is named after a subject and this moment."""
    stamp = clock.wall_time()[:19].replace(":", "").replace("-", "").replace("T", "-")
    plain = "".join(c if c.isalnum() or c in "._" else "-" for c in subject.rpartition("://")[2])
    return Path(kind) / f"{plain.strip('-')[-40:]}-{stamp}"
