"""An engine that is up and proven, watched while it is measured: the frame of every run.

`hosted` starts the engine of a spec and ends it; `attached` goes to one that somebody else runs.
What was learned on the way is kept in `Found`, also when it ends badly. Not aware of what is
measured, of records, or of campaigns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import psutil

from steelyard.analysis.validity import REQUIRED_CONTROLS
from steelyard.domain.errors import EngineError, WrongModel
from steelyard.domain.harness import HarnessRun
from steelyard.domain.probe import Probed
from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Place, Proof, RunOutcome, RunSpec, Section, Stopped
from steelyard.domain.serverside import PowerSeries, ServerSeries
from steelyard.domain.startup import NOT_STARTED, Startup
from steelyard.domain.subject import Variant
from steelyard.domain.vitals import Vitals
from steelyard.engines import api, host, identity
from steelyard.engines.attached import AttachedEngine
from steelyard.loadgen import spool
from steelyard.loadgen.client import Client, TlsSettings, spool_paths
from steelyard.models.hub import held, holding
from steelyard.platform import clock
from steelyard.runs import accounts
from steelyard.runs.bench import Bench, Engine
from steelyard.runs.identity import Verifier
from steelyard.runs.places import build_of
from steelyard.telemetry.power import Nvml, PowerSampler, PowerSource, Rapl
from steelyard.telemetry.sampler import Sampler
from steelyard.telemetry.scraper import Scraper

SPOOL: Final = "spool.bin"
_IDLE_S: Final = 2.0
_GPU_DEVICES: Final = "/dev/nvidia"
_NS_PER_S: Final = 1e9
_ELSEWHERE: Final = Missing("elsewhere", "the server's process is not one of this machine")


@final
@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at beside the requests, and how the client is set up.

    `server`: scrape its /metrics, and sample power with an idle baseline before the load.
    """

    server: bool = False
    processes: int = 1


@final
@dataclass(slots=True)
class Found:
    """What a run has found so far: a failed run's record holds as much as there was."""

    controls: tuple[AppliedControl, ...] = ()
    proofs: tuple[Proof, ...] = ()
    load_s: Reading[float] = Missing("not_started")
    startup: Reading[Startup] = NOT_STARTED
    first_request_s: Reading[float] = Missing("not_started")
    build: Reading[str] = Missing("not_started")
    sections: list[Section] = field(default_factory=list)
    vitals: Reading[Vitals] = Missing("not_started")
    server: Reading[ServerSeries] = Missing("not_scraped")
    power: Reading[PowerSeries] = Missing("not_sampled")
    idle: Reading[tuple[int, int]] = Missing("not_watched")
    warmed: Mapping[str, int] = field(default_factory=dict)
    deaths: tuple[str, ...] = ()
    probe: Reading[Probed] = Missing("not_probed")
    harness: HarnessRun | None = None
    stopped: Stopped | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    outcome: RunOutcome = "completed"
    reason: str = ""


@contextmanager
def hosted(
    spec: RunSpec,
    variant: Variant,
    place: Place,
    found: Found,
    verifier: Verifier,
    emit: Emit,
    *,
    load_timeout_s: float,
    poll_max_s: float,
    watch: Watch,
) -> Iterator[Bench]:
    """Start the spec's engine, prove what it serves, and give a bench in front of it."""
    dialect = api.dialect(spec.subject.engine)
    path = place.path_of(spec.subject.artifact)
    verifier.verify(spec.subject.artifact, path)
    place.folder.mkdir(parents=True, exist_ok=True)
    with (
        holding.in_use(held.leases_of(path)),
        host.start(
            dialect,
            spec.subject,
            spec.controls,
            place,
            load_timeout_s=load_timeout_s,
            poll_max_s=poll_max_s,
        ) as engine,
    ):
        found.startup = Measured(engine.startup, "client")
        found.load_s = Measured(engine.startup.ready_s, "client")
        claim = engine.identity()
        found.build = build_of(spec.subject, claim.build, place)
        found.proofs += identity.verify(claim, spec.subject, variant.file, path, engine.called)
        verifier.verify(spec.subject.artifact, path)
        found.proofs += (Proof("file", passed=True, found=spec.subject.artifact.sha256),)
        url = f"http://{engine.host}:{engine.port}"
        metrics = url if dialect.capabilities.metrics and watch.server else None
        with _watched(
            spec, engine, engine.family, place.folder, found, emit, watch, metrics
        ) as bench:
            yield bench
        models = (a.model for section in found.sections for a in section.attempts)
        found.proofs += (identity.verify_answers(claim, models),)
        found.controls += _controls(engine, spec)


@contextmanager
def attached(
    spec: RunSpec,
    engine: AttachedEngine,
    folder: Path,
    found: Found,
    emit: Emit,
    *,
    watch: Watch,
) -> Iterator[Bench]:
    """Give a bench in front of a server that is up; it is left as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    found.load_s = engine.load_s
    found.startup = engine.startup
    found.build = engine.software
    metrics = str(engine.manners.endpoint) if watch.server else None
    with _watched(spec, engine, engine.pid, folder, found, emit, watch, metrics) as bench:
        yield bench
    if found.outcome != "cancelled":
        found.sections = accounts.joined(engine, found.sections, emit)
    models = (a.model for section in found.sections for a in section.attempts)
    found.proofs += (engine.answered(models),)
    found.controls += engine.controls(spec.controls)


@contextmanager
def called(
    spec: RunSpec,
    variant: Variant,
    attach: Callable[[], AttachedEngine],
    folder: Path,
    found: Found,
    emit: Emit,
    *,
    watch: Watch,
) -> Iterator[Bench]:
    """Go to a server that is up, have it load the model, and prove that it is still the planned.

    Before and after: it is somebody else's, who may put another model under the same name.
    """
    engine = attach()
    engine.wake()
    found.proofs += identity.verify_served(engine.identity(), variant)
    with attached(spec, engine, folder, found, emit, watch=watch) as bench:
        yield bench
    _refuse_several(found, variant)
    identity.verify_served(engine.identity(), variant)


def _refuse_several(found: Found, variant: Variant) -> None:
    """Raise `WrongModel` where several models answered under one name: that is not one subject."""
    names = {a.model for s in found.sections for a in s.attempts if a.model is not None}
    if len(names) > 1:
        raise WrongModel(
            f"asked for {variant.artifact.name!r}, and {', '.join(sorted(names))} answered",
            hint="does a router choose between models there? name one that stays",
        )


@contextmanager
def _watched(
    spec: RunSpec,
    engine: Engine,
    pid: Reading[int],
    folder: Path,
    found: Found,
    emit: Emit,
    watch: Watch,
    metrics: str | None,
) -> Iterator[Bench]:
    sampler = Sampler(pid.value) if isinstance(pid, Measured) else None
    scraper = None if metrics is None else _scraper(engine, metrics)
    source = _power_source(engine, pid, spec) if watch.server else Missing("not_sampled")
    power = PowerSampler(source.value) if isinstance(source, Measured) else None
    path = folder / SPOOL
    paths = [p for p in spool_paths(path, watch.processes) if p.exists()]
    earlier = [exchange for p in paths for exchange in spool.read(p)]
    with (
        power or nullcontext(),
        scraper or nullcontext(),
        Client(
            engine.host, engine.port, path, processes=watch.processes, tls=_tls(engine)
        ) as client,
    ):
        if power is not None:
            found.idle = _idle()
        with sampler or nullcontext():
            bench = Bench(spec, engine.dialect, engine, client, emit)
            if sampler is not None:
                bench.temperature_c = lambda: sampler.temperature_c
            bench.remember(earlier)
            yield bench
    found.warmed = bench.warmed
    if sampler is not None:
        found.vitals = Measured(sampler.vitals(), "client")
    elif isinstance(engine, host.RunningEngine) and isinstance(pid, Missing):
        found.vitals = pid
    else:
        found.vitals = _ELSEWHERE
    found.first_request_s = _first_request(bench)
    if scraper is not None:
        found.server = scraper.series()
    found.power = source if isinstance(source, Missing) else _series(power)


def _controls(engine: host.RunningEngine, spec: RunSpec) -> tuple[AppliedControl, ...]:
    """Read back what is in force; what a living engine does not tell is missing, and no failure."""
    try:
        return engine.controls(spec.controls)
    except EngineError as error:
        if not engine.alive():
            raise
        unknown = Missing("not_readable", f"asked for what is in force: {error}")
        return tuple(AppliedControl(name, "as specified", unknown) for name in REQUIRED_CONTROLS)


def _power_source(engine: Engine, pid: Reading[int], spec: RunSpec) -> Reading[PowerSource]:
    """Return the meter of what the engine runs on: that of the GPU, or of the processor."""
    if isinstance(pid, Missing):
        return Missing("elsewhere", "a meter of this machine says nothing of another one's power")
    if isinstance(engine, AttachedEngine):
        on_gpu = holds_open(pid.value, _GPU_DEVICES)
        sources: tuple[PowerSource, ...] = (Nvml(), Rapl()) if on_gpu else (Rapl(), Nvml())
    else:
        sources = (Nvml(), Rapl()) if spec.subject.profile.gpu_layers else (Rapl(), Nvml())
    for source in sources:
        if isinstance(source.read(), Measured):
            return Measured(source, "client")
    return Missing("no_meter", "this machine shows no power: neither NVML nor RAPL")


def holds_open(pid: int, beginning: str) -> bool:
    """Say whether a process, or one that it started, has a file open whose path begins so.

    False where that cannot be seen: of another user's processes it cannot.
    """
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return False
    for one in family:
        with suppress(OSError):
            for link in Path(f"/proc/{one.pid}/fd").iterdir():
                with suppress(OSError):
                    if str(link.readlink()).startswith(beginning):
                        return True
    return False


def _series(power: PowerSampler | None) -> Reading[PowerSeries]:
    return Missing("not_sampled") if power is None else power.series()


def _idle() -> Reading[tuple[int, int]]:
    """Let the machine rest, so that what it draws anyway can be told apart."""
    began_ns = clock.monotonic_ns()
    time.sleep(_IDLE_S)
    return Measured((began_ns, clock.monotonic_ns()), "client")


def _tls(engine: Engine) -> TlsSettings | None:
    if not isinstance(engine, AttachedEngine) or engine.scheme != "https":
        return None
    return TlsSettings(engine.manners.trust.cacert, verify=not engine.manners.trust.insecure)


def _scraper(engine: Engine, url: str) -> Scraper:
    context = None
    if isinstance(engine, AttachedEngine) and engine.scheme == "https":
        context = engine.manners.trust.context()
    return Scraper(url, headers=_plain(engine), context=context)


def _plain(engine: Engine) -> dict[str, str]:
    headers = engine.headers if isinstance(engine, AttachedEngine) else {}
    return {
        name: value if isinstance(value, str) else value.reveal() for name, value in headers.items()
    }


def _first_request(bench: Bench) -> Reading[float]:
    """Return how long the first request after this load took, warm-up or not, in seconds."""
    if bench.first_ns is None:
        return Missing("no_requests", "nothing was answered, or all of it in an earlier session")
    sent_ns, done_ns = bench.first_ns
    return Measured((done_ns - sent_ns) / _NS_PER_S, "client")
