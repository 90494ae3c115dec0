"""`engines offload`: how much faster with more of the layers on a GPU, and where that ends.

Each level is an engine of its own, started when its turn comes (`engines.rounds`); the level
without layers computes on the processor alone. Where there is no GPU, or the engine's build has
none, the campaign is skipped before the file is even hashed. Not aware of terminals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import offload as figures
from steelyard.app import accelerators, subjects
from steelyard.app.benches import benching
from steelyard.app.benches.request import is_address
from steelyard.app.engines import openings, rounds
from steelyard.app.engines.openings import Started
from steelyard.app.engines.rounds import Rounds, Setting
from steelyard.app.profiles import engine_settings
from steelyard.app.results import files as result_files
from steelyard.app.results.files import Told
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.progress import Emit
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.scaling import Offload, Skipped
from steelyard.domain.subject import EngineProfile
from steelyard.domain.workload import Workload
from steelyard.engines import api, devices
from steelyard.reports import scaled
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier

FILE: Final = "offload.json"
_KEY: Final = "gpu_layers"
_WORD: Final = re.compile(r"(\d{1,4})(%?)|all")
_WHOLE: Final = 100


@final
@dataclass(frozen=True, slots=True)
class OffloadRequest:
    """What was typed; None for what was not."""

    subject: str
    layers: tuple[str, ...] = ("0", "25%", "50%", "75%", "all")
    rounds: int = 5
    prompt: int = 512
    output: int = 64
    requests: int = 4
    device: str | None = None
    threads: int | None = None
    runtime: str | None = None
    seed: int = 0
    out: Path | None = None


def perform(request: OffloadRequest, emit: Emit, *, as_json: bool) -> Told:
    """Measure every level in turns and tell; or say why that cannot be done here."""
    result_files.refuse(request.out, FILE)
    chosen = _chosen(request)
    _, facts = chosen.files[0]
    # The output layer is one more that can be put there, and llama.cpp counts it so.
    levels = _levels(request.layers, facts.layers + 1)
    runtime = openings.runtime_of(chosen, request.runtime)
    device = _device(request, chosen.engine, runtime)
    if isinstance(device, Skipped):
        return result_files.told(
            device, str(device), request.out, FILE, as_json=as_json, measured=False
        )
    needed = EngineProfile(context_tokens=benching.context_of(request.prompt + request.output))
    typed = engine_settings.Typed(request.threads, device or None)
    shorter = "a shorter --prompt or --output"
    started = openings.start(chosen, runtime, needed, typed, shorter, emit)
    load = rounds.workload(request.prompt, request.output, request.requests, 1)
    settings = [_setting(started, load, request.seed, layers, device) for layers in levels]
    executor = Executor(Verifier(), emit, proving=benching.proved)
    turns = rounds.take(settings, Rounds(load, request.rounds, request.seed), executor, emit)
    seen = figures.levels(levels, turns)
    found = Offload(
        model=started.variant.artifact.name,
        engine=chosen.engine,
        device=device or "a GPU that is made up",
        all_layers=facts.layers + 1,
        prompt_tokens=request.prompt,
        output_tokens=request.output,
        levels=seen,
        knee=figures.knee(levels, turns),
        pays_from=figures.pays_from(seen),
        costs_at=figures.costs_at(seen),
        saved_s=figures.saved_s(levels, turns),
        simulated=started.simulated,
    )
    measured = sum(not level.failed for level in found.levels) > 1
    return result_files.told(
        found, scaled.offload(found), request.out, FILE, as_json=as_json, measured=measured
    )


def _setting(started: Started, load: Workload, seed: int, layers: int, device: str) -> Setting:
    """Return one level. Without layers on it the GPU computes nothing, long prompts neither."""
    subject = started.subject(replace(started.settled.profile, gpu_layers=layers))
    asked = (device if layers else devices.CPU) if device else None
    controls = Controls(seed=seed, threads=started.settled.threads, device=asked)
    spec = RunSpec(subject, controls, workloads=(load,), campaign_seed=seed)
    return Setting(f"{layers} layers", started.opens(spec))


def _chosen(request: OffloadRequest) -> Chosen:
    if is_address(request.subject):
        raise BadInput(
            f"{request.subject} runs already, and its layers are not ours to move",
            hint="give the model's file: it is started here",
        )
    chosen = subjects.choose_one(request.subject)
    hint = "give a GGUF file to llamacpp"
    return openings.require_varied(chosen, (_KEY,), "how many layers lie on a GPU", hint)


def _device(request: OffloadRequest, engine: str, runtime: str) -> str | Skipped:
    """Return the GPU; the empty word for an engine whose devices are made up."""
    if api.dialect(engine).capabilities.simulated:
        return ""
    if request.device is not None and request.device.partition(":")[0] not in devices.GPUS:
        if request.device == devices.CPU:
            raise BadInput("--device cpu leaves nothing to compare", hint="name a GPU: cuda, rocm")
        raise UnknownName.among("GPU", request.device, devices.GPUS)
    able = accelerators.usable(engine, runtime)
    if isinstance(able, Skipped):
        return replace(able, what="offload")
    if request.device is None:
        return able[0].id
    choice = accelerators.choose(request.device, engine, runtime)
    return choice.device or able[0].id


def _levels(words: tuple[str, ...], most: int) -> tuple[int, ...]:
    found: set[int] = set()
    for word in words:
        read = _WORD.fullmatch(word)
        if read is None:
            raise BadInput(f"{word!r} is no number of layers", hint="write --layers 0,8,50%,all")
        if word == "all":
            layers = most
        elif read[2]:
            layers = round(int(read[1]) * most / _WHOLE)
        else:
            layers = int(read[1])
        if layers > most:
            raise BadInput(
                f"--layers {word}: the model has {most - 1} layers and its output",
                hint=f"give at most {most}, or all",
            )
        found.add(layers)
    if len(found) < 2:  # noqa: PLR2004 - a comparison
        raise BadInput("one level compares with nothing", hint="write --layers 0,50%,all")
    return tuple(sorted(found))
