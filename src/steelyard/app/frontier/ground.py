"""What a fit frontier is searched on: files, limits and axes, checked before an engine is started.

Says of each axis that is not searched why it is not. Not aware of how cells are run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from steelyard.app import accelerators, subjects
from steelyard.app.benches import benching
from steelyard.app.frontier import gpu as frontier_gpu
from steelyard.app.frontier.gpu import Gpu
from steelyard.app.profiles import engine_settings, places
from steelyard.app.profiles.engine_settings import Settled
from steelyard.app.subjects import Chosen
from steelyard.app.sweeps import ladder
from steelyard.campaigns.cells import Kv
from steelyard.campaigns.fit_limits import Limits
from steelyard.domain.errors import BadInput, TooLittleRoom, UnknownName, UnsupportedSubject
from steelyard.domain.progress import Emit
from steelyard.domain.subject import ArtifactFacts, EngineProfile, Variant
from steelyard.engines.devices import CPU
from steelyard.llamalib import options
from steelyard.llamalib.kernels import cores
from steelyard.models import disk, memory, quants
from steelyard.models.ladder import Runtime
from steelyard.platform.accelerators import detect
from steelyard.runs.brim import LEAST_CONTEXT

KV: Final = ("f16", "q8_0", "q4_0")
CONTEXT: Final = 4096
_FILES_BYTES: Final = 64 * 1024 * 1024
# The wheel's server always tells what it takes on a GPU, llama-server only when it talks much.
_TALKATIVE: Final = ("--verbosity", "4")


@final
@dataclass(frozen=True, slots=True)
class FrontierRequest:
    """What was typed; None for what was not. Bytes, seconds, tokens."""

    subject: str
    memory: int | None = None
    context: int | None = None
    min_speed: float = 5.0
    max_kld: float | None = None
    min_bpw: float | None = None
    budget: float = 600.0
    quants: tuple[str, ...] | None = None
    kv: tuple[str, ...] = KV
    gpu_layers: tuple[str, ...] | None = None
    draft: str | None = None
    imatrix: Path | None = None
    requantise: bool = False
    threads: int | None = None
    device: str | None = None
    runtime: Runtime = "wheel"
    calibrate: bool = False
    out: Path | None = None
    folder: Path | None = None
    seed: int = 0


@final
@dataclass(frozen=True, slots=True)
class Draft:
    """A draft model, hashed."""

    variant: Variant
    path: Path


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """What every cell has in common. `skipped` says of an axis why it is not searched."""

    request: FrontierRequest
    order: ladder.Order
    settled: Settled
    base: EngineProfile
    kvs: tuple[Kv, ...]
    draft: Draft | None
    limits: Limits
    free_bytes: int
    layers: tuple[int, ...] | None
    skipped: tuple[tuple[str, str], ...]
    folder: Path
    out: Path

    @property
    def chosen(self) -> Chosen:
        """What the subject stands for."""
        return self.order.chosen

    @property
    def facts(self) -> ArtifactFacts:
        """The facts of the file with the most bits."""
        return self.order.source[1]

    @property
    def threads(self) -> int:
        """Threads that the engines compute with."""
        return self.settled.threads or self.base.threads or 1


def lay(request: FrontierRequest, emit: Emit) -> Ground:
    """Check everything that can be known to be wrong by now, and return what is to be searched."""
    chosen = subjects.require_gguf(subjects.choose(request.subject), "a fit frontier")
    if chosen.engine != "llamacpp":
        raise UnsupportedSubject(
            f"a fit frontier turns settings of llama.cpp, and {request.subject} asks for"
            f" {chosen.engine}",
            hint="leave @ENGINE out",
        )
    for name in ("min_speed", "max_kld", "min_bpw"):
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            option = name.replace("_", "-")
            raise BadInput(f"--{option} {value} is no limit", hint="give a number")
    kvs = _kvs(request)
    order = _order(request, chosen)
    _, facts = order.source
    context = request.context or _of_profile(chosen, "context_tokens") or CONTEXT
    _require_context(order, context)
    out = places.chosen(request.out, f"{chosen.model}-fit")
    folder = request.folder or benching.new_folder("frontiers", chosen.model)
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --folder, or leave it out")
    disk.require(folder, _FILES_BYTES, what="a search")
    # The profile's own context was taken for the one that is asked for.
    typed = engine_settings.Typed(request.threads, request.device, request.context)
    needed = EngineProfile(context_tokens=context)
    settled = engine_settings.settle(chosen, request.runtime, needed, typed, cores(), emit)
    base = _base(settled, chosen, request)
    if base.slots != 1:
        raise BadInput(
            f"engine profile {settled.name} has {base.slots} slots, and a fit frontier is for one",
            hint="take a profile without slots",
        )
    if base.gpus != 1:
        raise BadInput(
            f"engine profile {settled.name} is for {base.gpus} GPUs, and a fit frontier is for one",
            hint="take a profile without gpus",
        )
    draft = None if request.draft is None else _draft(request.draft, facts, emit)
    gpu = _gpu(request, chosen, settled)
    free = memory.available_bytes()
    room = free if request.memory is None else request.memory
    on_cpu = free if gpu.bytes is not None else room
    skipped = list(gpu.skipped)
    if draft is None:
        skipped.append(("draft model", "none was named with --draft"))
    return Ground(
        request,
        order,
        settled,
        base,
        kvs,
        draft,
        Limits(on_cpu, request.min_speed, gpu.bytes),
        free,
        gpu.layers,
        tuple(skipped),
        folder,
        out,
    )


def _order(request: FrontierRequest, chosen: Chosen) -> ladder.Order:
    """Return the ladder; a single file that is quantised already is one of one rung."""
    single = not chosen.ladder and not quants.is_native(chosen.files[0][1].quant)
    if single and not (request.requantise or request.quants or request.imatrix):
        return ladder.Order(chosen, (), None, requantise=False, runtime=request.runtime)
    return ladder.order(
        chosen, request.quants, request.imatrix, request.runtime, requantise=request.requantise
    )


def _kvs(request: FrontierRequest) -> tuple[Kv, ...]:
    taken = options.of(request.runtime).kv_types
    found = dict.fromkeys(Kv.read(text) for text in request.kv)
    for kv in found:
        for name in (kv.keys, kv.values):
            if name not in taken:
                raise UnknownName.among("type of cache", name, taken)
    return tuple(found)


def _require_context(order: ladder.Order, context: int) -> None:
    if context < LEAST_CONTEXT:
        raise BadInput(
            f"--context {context} is too little to fill",
            hint=f"ask for {LEAST_CONTEXT} tokens or more",
        )
    path, facts = order.source
    if facts.context_tokens and context > facts.context_tokens:
        raise TooLittleRoom(
            f"{path.name} was trained for {facts.context_tokens:,} tokens of context; "
            f"{context:,} are asked for",
            hint="ask for less --context, or take a model with more",
        )


def _of_profile(chosen: Chosen, key: str) -> Any:
    return chosen.profile.settings.get(key) if chosen.profile is not None else None


def _base(settled: Settled, chosen: Chosen, request: FrontierRequest) -> EngineProfile:
    """Return what cells begin with: flash attention is on unless the engine profile has it off."""
    attention = _of_profile(chosen, "flash_attention")
    base = replace(settled.profile, flash_attention=attention is not False)
    if base.draft_sha256 is not None:
        raise BadInput(
            f"engine profile {settled.name} names a draft model",
            hint="name it with --draft instead, so that the search can leave it out",
        )
    if settled.threads is not None:
        base = replace(base, threads=settled.threads)
    told = any(word in ("-lv", "--verbosity", "--log-verbosity") for word in base.extra_args)
    if request.runtime == "native" and not told:
        base = replace(base, extra_args=(*base.extra_args, *_TALKATIVE))
    return base


def _draft(subject: str, facts: ArtifactFacts, emit: Emit) -> Draft:
    if subject == subjects.BUNDLED:
        path = subjects.bundled("draft.gguf")
    else:
        chosen = subjects.choose(subject)
        if len(chosen.files) != 1 or chosen.engine != "llamacpp":
            raise UnsupportedSubject(
                f"{subject} is not one GGUF file for llama.cpp", hint="name one file as --draft"
            )
        path = chosen.files[0][0]
    variant = subjects.verified("draft", path, emit)
    if variant.facts.vocabulary != facts.vocabulary:
        raise UnsupportedSubject(
            f"{path.name} has {variant.facts.vocabulary:,} tokens and the model has"
            f" {facts.vocabulary:,}: what one guesses means nothing to the other",
            hint="take a draft of the same family, with the same tokenizer",
        )
    return Draft(variant, path)


def _gpu(request: FrontierRequest, chosen: Chosen, settled: Settled) -> Gpu:
    layers, facts = frontier_gpu.read_layers(request.gpu_layers), chosen.files[0][1]
    if layers is None and (kept := _of_profile(chosen, "gpu_layers")) is not None:
        layers = (kept,)
    device = settled.device
    if layers is not None and any(layers):
        accelerators.require_gpu(request.runtime)
    if device is None or device == CPU:
        said = accelerators.choose(request.device, chosen.engine, request.runtime).said
        nobody = f"no GPU was found that llama.cpp ({request.runtime}) can use"
        return frontier_gpu.without(layers, device, said or nobody)
    return frontier_gpu.on(
        device, detect(), memory=request.memory, layers=layers, mixture=facts.experts > 0
    )
