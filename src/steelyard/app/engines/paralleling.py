"""`engines parallel`: one model on 1, 2, 4 … GPUs, or on servers that were started with so many.

llama.cpp is started here for each size when its turn comes (`engines.rounds`). Engines that only
their users start are measured at one address a size, and the sizes are the user's word. Sizes that
this machine has no GPUs for are skipped, and the campaign with them where fewer than two are left.
Not aware of terminals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import parallel as figures
from steelyard.analysis.turns import Turn
from steelyard.app import accelerators, subjects
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching, refused
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.app.engines import openings, rounds
from steelyard.app.engines.openings import Started
from steelyard.app.engines.rounds import Rounds, Setting
from steelyard.app.profiles import engine_settings
from steelyard.app.results import files as result_files
from steelyard.app.results.files import Told
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, WrongModel
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.scaling import Parallel, Skipped
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.workload import Workload
from steelyard.engines import api, devices
from steelyard.engines.attached import AttachedEngine
from steelyard.reports import scaled
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier

FILE: Final = "parallel.json"
_KEYS: Final = ("gpus", "split_mode", "gpu_layers")
_MOST: Final = 64
_PAIR: Final = 2
_REQUESTS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class ParallelRequest:
    """What was typed; None for what was not."""

    subject: str | None = None
    gpus: tuple[str, ...] | None = None
    servers: tuple[str, ...] | None = None
    split: str | None = None
    rounds: int = 5
    prompt: int = 512
    output: int = 64
    requests: int | None = None
    concurrency: int = 1
    engine: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    threads: int | None = None
    runtime: str | None = None
    seed: int = 0
    out: Path | None = None


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """What is compared: the sizes, a setting for each, and who vouches for them."""

    model: str
    engine: str
    sizes: tuple[int, ...]
    settings: tuple[Setting, ...]
    skipped: tuple[Skipped, ...] = ()
    sizes_by: str = "told to the engine"
    simulated: bool = False


def perform(request: ParallelRequest, emit: Emit, *, as_json: bool) -> Told:
    """Measure every size in turns and tell; or say why that cannot be done here."""
    result_files.refuse(request.out, FILE)
    load = _load(request)
    ground = _servers(request) if request.servers is not None else _ours(request, emit)
    if isinstance(ground, Skipped):
        return result_files.told(
            ground, str(ground), request.out, FILE, as_json=as_json, measured=False
        )
    for skipped in ground.skipped:
        emit(Noted(str(skipped), warning=True))
    plan = Rounds(load, request.rounds, request.seed)
    executor = Executor(Verifier(), emit, proving=benching.proved)
    turns = rounds.take(ground.settings, plan, executor, emit)
    found = _found(request, ground, turns)
    measured = sum(not size.failed for size in found.sizes) >= _PAIR
    return result_files.told(
        found, scaled.parallel(found), request.out, FILE, as_json=as_json, measured=measured
    )


def _found(request: ParallelRequest, ground: Ground, turns: Sequence[Turn]) -> Parallel:
    return Parallel(
        model=ground.model,
        engine=ground.engine,
        streams=request.concurrency,
        prompt_tokens=request.prompt,
        output_tokens=request.output,
        sizes=figures.sizes(ground.sizes, turns),
        skipped=ground.skipped,
        serial=figures.serial(ground.sizes, turns),
        growth=figures.growth(ground.sizes, turns),
        sizes_by=ground.sizes_by,
        simulated=ground.simulated,
    )


# ── engines that are started here ───────────────────────────────────────────────────────────────


def _ours(request: ParallelRequest, emit: Emit) -> Ground | Skipped:
    refused.options(request, ("engine", "model", "api_key_env"), "--servers")
    chosen = _chosen(request)
    asked = tuple(sorted(_size(word, "--gpus 1,2,4") for word in request.gpus or ("1", "2", "4")))
    if len(asked) < _PAIR:
        raise BadInput("one size compares with nothing", hint="write --gpus 1,2")
    runtime = openings.runtime_of(chosen, request.runtime)
    have = _have(chosen.engine, runtime)
    if isinstance(have, Skipped):
        return have
    device, count = have
    skipped = tuple(_too_many(size, count) for size in asked if size > count)
    sizes = tuple(size for size in asked if size <= count)
    if len(sizes) < _PAIR:
        return replace(skipped[0], what="parallel")
    needed = EngineProfile(
        context_tokens=benching.context_of(request.prompt + request.output),
        slots=request.concurrency,
    )
    typed = engine_settings.Typed(request.threads, device or None)
    shorter = "a shorter --prompt or --output"
    started = openings.start(chosen, runtime, needed, typed, shorter, emit)
    by = "" if started.simulated else f" ({runtime}), by {_split(request)}"
    return Ground(
        model=started.variant.artifact.name,
        engine=f"{chosen.engine}{by}",
        sizes=sizes,
        settings=tuple(_setting(request, started, size) for size in sizes),
        skipped=skipped,
        simulated=started.simulated,
    )


def _setting(request: ParallelRequest, started: Started, size: int) -> Setting:
    profile, split = started.settled.profile, _split(request)
    if split == "tensor":  # llama.cpp splits tensors with flash attention only: all sizes alike
        profile = replace(profile, flash_attention=True)
    shared = replace(profile, gpus=size, split_mode=split if size > 1 else profile.split_mode)
    threads, device = started.settled.threads, started.settled.device
    controls = Controls(seed=request.seed, threads=threads, device=device)
    spec = _spec(request, started.subject(shared), controls)
    return Setting(f"{size} GPUs", started.opens(spec))


def _spec(request: ParallelRequest, subject: Subject, controls: Controls) -> RunSpec:
    return RunSpec(subject, controls, workloads=(_load(request),), campaign_seed=request.seed)


def _split(request: ParallelRequest) -> str:
    return request.split or devices.SPLIT_MODES[0]


def _have(engine: str, runtime: str) -> tuple[str, int] | Skipped:
    """Return the first GPU, and how many there are in a row from it; made-up ones are many."""
    if api.dialect(engine).capabilities.simulated:
        return "", _MOST
    able = accelerators.usable(engine, runtime)
    if isinstance(able, Skipped):
        return replace(able, what="parallel")
    kind, first = devices.split(able[0].id)
    ids, count = {each.id for each in able}, 1
    while f"{kind}:{first + count}" in ids:
        count += 1
    return able[0].id, count


def _too_many(size: int, count: int) -> Skipped:
    return Skipped(
        f"{size} GPUs",
        "too_few_gpus",
        f"{size} GPUs are asked for and {count} {'is' if count == 1 else 'are'} here",
        "`steelyard doctor` shows what is here",
    )


def _chosen(request: ParallelRequest) -> Chosen:
    if request.subject is None:
        raise BadInput("no model was named", hint="name its file, or give --servers 1=URL,2=URL")
    if is_address(request.subject):
        raise BadInput(
            f"{request.subject} runs already, on as many GPUs as it was started with",
            hint="start one server for each size: --servers 1=URL,2=URL",
        )
    chosen = subjects.choose_one(request.subject)
    hint = "give a GGUF file to llamacpp, or start one server for each size: --servers 1=URL,2=URL"
    return openings.require_varied(chosen, _KEYS, "to share a model among GPUs", hint)


# ── servers that somebody else started ──────────────────────────────────────────────────────────


def _servers(request: ParallelRequest) -> Ground:
    ours = ("subject", "gpus", "split", "threads", "runtime")
    refused.options(request, ours, "engines that are started here")
    where: dict[int, str] = {}
    for word in request.servers or ():
        count, equals, url = word.partition("=")
        if not equals or not is_address(url):
            raise BadInput(f"{word!r} is no server of a size", hint="write --servers 1=URL,2=URL")
        where[_size(count, "--servers 1=URL,2=URL")] = url
    if len(where) < max(_PAIR, len(request.servers or ())):
        raise BadInput(
            "it takes two servers or more, each of another size",
            hint="write --servers 1=URL,2=URL",
        )
    bench = BenchRequest(
        "",
        engine=request.engine,
        model=request.model,
        api_key_env=request.api_key_env,
        concurrency=str(request.concurrency),
        prompts=f"synthetic:in={request.prompt},out={request.output}",
        seed=request.seed,
    )
    engines = {}
    for size in sorted(where):
        asked = replace(bench, subject=where[size])
        engines[size] = benching.meet(where[size], asked, bench_asked.read(asked))
    _require_one_model(engines)
    first = engines[min(engines)]
    settings = []
    for size, engine in engines.items():
        spec = _spec(request, engine.subject, Controls(seed=request.seed))
        settings.append(Setting(f"{size} GPUs", openings.visits(engine, spec), ours=False))
    return Ground(
        model=first.model or "unnamed",
        engine=f"{first.dialect.name} at {len(engines)} addresses",
        sizes=tuple(engines),
        settings=tuple(settings),
        sizes_by="your word: no server was asked how many GPUs it has",
        simulated=any(each.dialect.capabilities.simulated for each in engines.values()),
    )


def _require_one_model(engines: Mapping[int, AttachedEngine]) -> None:
    """Raise `WrongModel` unless all servers say that they serve the same."""
    names = {size: engine.model for size, engine in engines.items()}
    kinds = {size: engine.dialect.name for size, engine in engines.items()}
    for what, found in (("model", names), ("engine", kinds)):
        if len(set(found.values())) > 1:
            told = ", ".join(f"{name} on {size}" for size, name in found.items())
            raise WrongModel(
                f"the servers are not one {what} on more and more GPUs: {told}",
                hint="start the same model under the same name; --model picks one of several",
            )


# ── both ────────────────────────────────────────────────────────────────────────────────────────


def _load(request: ParallelRequest) -> Workload:
    """Return the load of a turn: every stream has two requests or more, where nothing was typed."""
    streams = request.concurrency
    requests = request.requests or max(_REQUESTS, 2 * streams)
    if requests < streams:
        raise BadInput(
            f"--requests {requests} leaves some of {streams} streams without one",
            hint=f"give at least {streams}, or leave it out",
        )
    return rounds.workload(request.prompt, request.output, requests, streams)


def _size(word: str, example: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= _MOST:
        raise BadInput(f"{word!r} is no number of GPUs", hint=f"write {example}")
    return int(word)
