"""What is asked of a sweep, and the one frozen spec in which it is laid down.

From the options as typed to workloads, settings of the engine, controls and sizes. Writes nothing
and begins nothing. Not aware of folders, plans or terminals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis.validity import ATTACHED
from steelyard.app import subjects
from steelyard.app.hub.pulling import RESERVE_BYTES
from steelyard.app.profiles import engine_settings
from steelyard.app.results import history
from steelyard.app.subjects import Chosen
from steelyard.domain.campaign import Gates, Suite, Sweep
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit
from steelyard.domain.run import ControlProfile, Controls
from steelyard.domain.subject import ArtifactFacts, EngineProfile, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload
from steelyard.engines import api, environments
from steelyard.llamalib.kernels import cores
from steelyard.models import memory
from steelyard.models.ladder import Runtime
from steelyard.platform import hardware
from steelyard.workloads import suites

_STRICT_CV: Final = 0.03
_SHALLOW: Final = 4096  # a context that is not cut down for want of memory: it is refused then
_REPEATS: Final = {"quick": 3, "full": 5}
_RAW_REPEATS: Final = {"quick": 3, "full": 5}
_FIDELITY_POSITIONS: Final = {"quick": 4096, "full": 16384}
_TASK_STREAMS: Final = 2
_TASK_CONTEXT: Final = {1: 512, 2: 1024, 3: 2048}


@final
@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What was typed, checked for type and range only."""

    subject: str = subjects.BUNDLED
    engine: str | None = None
    models: tuple[str, ...] | None = None
    reference: str | None = None
    against: tuple[str, ...] = ()
    quants: tuple[str, ...] | None = None
    suite: Suite = "quick"
    items: int | None = None
    level: int = 1
    private_seed: str | None = None
    thinking: int = 0
    threads: int | None = None
    affinity: tuple[int, ...] | None = None
    seed: int = 0
    warmup: int = 1
    repeats: int | None = None
    context: int | None = None
    margin: float = 3.0
    strict: bool = False
    imatrix: Path | None = None
    requantise: bool = False
    runtime: Runtime = "wheel"
    device: str | None = None
    sidecar: bool = False
    soak: float | None = None
    include_polluted: bool = False
    dry_run: bool = False
    resume: bool = False
    budget: float | None = None
    yes: bool = False
    out: Path | None = None
    keep: tuple[str, ...] = ()
    keep_all: bool = False
    disk_reserve: int = RESERVE_BYTES
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    api_key_env: str | None = None
    send_key_anywhere: bool = False
    cacert: Path | None = None
    insecure: bool = False


@final
@dataclass(frozen=True, slots=True)
class Weighed:
    """What is weighed, in a word, and by which engine, come by how."""

    model: str
    engine: str
    runtime: str


def settled_for(
    request: SweepRequest, chosen: Chosen, loads: tuple[Workload, ...], emit: Emit
) -> engine_settings.Settled:
    """Put the suite's needs, the engine profile and the device together."""
    needed = needs(request, loads)
    typed = engine_settings.Typed(request.threads, request.device, request.context)
    # Those that we may use: a container or a mask may leave fewer than the machine has.
    usable = len(request.affinity) if request.affinity else cores()
    return engine_settings.settle(chosen, runtime_of(request, chosen), needed, typed, usable, emit)


def needs(request: SweepRequest, loads: tuple[Workload, ...]) -> EngineProfile:
    """Return the context and the slots that the work takes."""
    context = request.context or max(
        suites.context_needed(loads), _TASK_CONTEXT[request.level] + request.thinking
    )
    slots = max(_TASK_STREAMS, suites.streams_needed(request.suite))
    return EngineProfile(context_tokens=context, slots=slots)


def runtime_of(request: SweepRequest, chosen: Chosen) -> str:
    """Return how the engine is come by: most have one way only."""
    if chosen.engine == "scripted":
        return "scripted"
    if chosen.engine not in environments.NAMES:
        return request.runtime
    if request.runtime != SweepRequest().runtime:
        raise BadInput(
            f"--runtime chooses between runtimes of llama.cpp; {chosen.engine} has an environment",
            hint="leave --runtime out",
        )
    return environments.ENVIRONMENT


def sweep_of(
    request: SweepRequest,
    weighed: Weighed,
    loads: tuple[Workload, ...],
    settled: engine_settings.Settled,
    variants: tuple[Variant, ...],
    tasks: tuple[Task, ...],
) -> Sweep:
    """Lay down what is asked in one frozen spec."""
    suite = request.suite
    return Sweep(
        model=weighed.model,
        variants=variants,
        engine=weighed.engine,
        runtime=weighed.runtime,
        profile=settled.profile,
        controls=_controls(request, settled),
        workloads=tuple(_as_sent(weighed, load) for load in loads),
        tasks=tasks,
        sentinel=_as_sent(weighed, suites.SENTINEL),
        canary=suites.CANARY,
        gates=gates_of(request),
        suite=suite,
        repeats=request.repeats or _REPEATS[suite],
        fidelity_positions=_FIDELITY_POSITIONS[suite] if _compares(weighed, variants) else 0,
        seed=request.seed,
        task_streams=_TASK_STREAMS,
        engine_profile=settled.name,
        raw_repeats=_RAW_REPEATS[suite] if request.sidecar else 0,
        soak=_soak(request, settled),
    )


def gates_of(request: SweepRequest) -> Gates:
    """Return what a variant must meet."""
    return Gates(margin=request.margin / 100)


def _as_sent(weighed: Weighed, load: Workload) -> Workload:
    """Return a workload as this engine takes it: where it takes no token ids, as messages."""
    if weighed.runtime != ATTACHED and api.dialect(weighed.engine).capabilities.token_prompts:
        return load
    return suites.as_messages(load)


def _compares(weighed: Weighed, variants: tuple[Variant, ...]) -> bool:
    """Say whether probabilities can be compared: llama.cpp's own, over GGUF files that are here."""
    return weighed.engine != "scripted" and all(v.artifact.format == "gguf" for v in variants)


def _soak(request: SweepRequest, settled: engine_settings.Settled) -> Workload | None:
    """Return the load under which what is chosen is kept: as many at a time as it has slots."""
    if request.soak is None:
        return None
    (load,) = suites.named("soak", 0, streams=settled.profile.slots, duration_s=request.soak)
    return load


def loads_of(request: SweepRequest, chosen: Chosen, facts: ArtifactFacts) -> tuple[Workload, ...]:
    """Return the suite's workloads, without depths that nothing has room for.

    What bounds them is the context that the model was trained for, the one asked for, and memory.
    A context too short for the usual workloads is no bound: it is refused later on.
    """
    suite, given = request.suite, chosen.profile.settings if chosen.profile else {}
    asked_context = request.context or given.get("context_tokens")
    asked = max(asked_context, _SHALLOW) if asked_context else 0
    bounds = [tokens for tokens in (asked, facts.context_tokens) if tokens]
    loads = suites.fitting(suite, min(bounds, default=0)) or suites.workloads(suite)
    free, slots = memory.available_bytes(), max(_TASK_STREAMS, suites.streams_needed(suite))
    past = history.memory_here()
    while (needed := suites.context_needed(loads)) > _SHALLOW:
        usual = EngineProfile(context_tokens=needed, slots=slots)
        taken = chosen.profile.over(usual) if chosen.profile else usual
        if memory.parts(facts, taken, past).needed <= free:
            break
        loads = tuple(load for load in loads if suites.context_needed((load,)) < needed)
    return loads


def _controls(request: SweepRequest, settled: engine_settings.Settled) -> Controls:
    usual = ControlProfile(temperature_max_c=hardware.temperature_limit_c())
    strict = replace(usual, name="strict", blocking_noise_cv=_STRICT_CV)
    return Controls(
        seed=request.seed,
        threads=settled.threads,
        affinity=request.affinity,
        warmup=request.warmup,
        profile=strict if request.strict else usual,
        device=settled.device,
    )
