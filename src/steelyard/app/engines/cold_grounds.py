"""What a cold start is made on: an engine that is started here, or a server that is told to unload.

`ours` and `theirs` check what can be known to be wrong before anything is started, and return how a
start is begun and how the page cache is made ready for it. Not aware of how often that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self, final

from steelyard.app import subjects
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.request import BenchRequest
from steelyard.app.profiles import engine_settings
from steelyard.app.results import history
from steelyard.domain.cold import Cache
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Place, RunSpec
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.engines import api
from steelyard.llamalib.kernels import cores
from steelyard.models import folders, memory, shards
from steelyard.platform import pagecache
from steelyard.runs import cold
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for

DROPPED: Final = 0.05  # a share of the file that may stay in memory and count as dropped
_TOKENS_PER_WORD: Final = 4
_AROUND: Final = 96


@final
@dataclass(frozen=True, slots=True)
class ColdRequest:
    """What was typed; None for what was not."""

    subject: str
    starts: int = 6
    words: int = 96
    tokens: int = 8
    engine: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    threads: int | None = None
    device: str | None = None
    runtime: str | None = None
    seed: int = 0
    out: Path | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Take the options of a door; an unknown one is a programming error."""
        return cls(**options)


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """What all starts have in common: `open` begins the n-th one, `prepare` makes the cache so."""

    model: str
    engine: str
    size_bytes: Reading[int]
    open: Callable[[Executor, int, Path], AbstractContextManager[Session]]
    prepare: Callable[[Cache], Reading[float]]
    order: tuple[Cache, ...]
    no_cold: Missing | None = None
    simulated: bool = False
    verify: Callable[[Verifier], None] = field(default=lambda _: None)


# ── an engine of ours ───────────────────────────────────────────────────────────────────────────


def ours(request: ColdRequest, emit: Emit) -> Ground:
    """Return the ground for an engine that is started here. Raises `BadInput`."""
    _without(request, ("engine", "model", "api_key_env"), "a server at an address")
    chosen = subjects.choose(request.subject)
    if len(chosen.files) != 1:
        raise BadInput(f"{request.subject} holds several models", hint="name one file")
    path, facts = chosen.files[0]
    variant = subjects.verified(facts.quant, path, emit)
    runtime = benching.engine_runtime(chosen.engine, variant.artifact, request.runtime)
    needed = EngineProfile(context_tokens=_context(request))
    typed = engine_settings.Typed(request.threads, request.device)
    settled = engine_settings.settle(chosen, runtime, needed, typed, cores(), emit)
    if facts.context_tokens and settled.profile.context_tokens > facts.context_tokens:
        raise BadInput(
            f"{path.name} was trained for {facts.context_tokens:,} tokens of context; "
            f"{settled.profile.context_tokens:,} would be needed",
            hint="fewer --words, or another engine profile",
        )
    memory.require(facts, settled.profile, history=history.memory_here())
    subject = Subject(variant.artifact, chosen.engine, runtime, settled.profile)
    controls = Controls(seed=request.seed, threads=settled.threads, warmup=0, device=settled.device)
    spec = RunSpec(subject, controls, campaign_seed=request.seed)
    paths = {variant.artifact.sha256: path.absolute(), **settled.paths}
    place_for(subject, Path(), paths)  # is the engine here?
    files = folders.files_of(path) if path.is_dir() else shards.files_of(path)

    def opened(executor: Executor, number: int, folder: Path) -> AbstractContextManager[Session]:
        place = place_for(subject, folder, paths, engine_profile=settled.name)
        return executor.session(replace(spec, repeat=number), variant, place)

    no_cold = _not_dropped(files)
    if no_cold is not None:
        emit(Noted(f"no cold starts: {no_cold}", warning=True))
    return Ground(
        model=variant.artifact.name,
        engine=f"{chosen.engine} ({runtime})",
        size_bytes=Measured(sum(file.stat().st_size for file in files), "client"),
        open=opened,
        prepare=lambda cache: _prepared(files, cache),
        order=_order(request.starts, cold=no_cold is None),
        no_cold=no_cold,
        simulated=api.dialect(chosen.engine).capabilities.simulated,
        verify=lambda verifier: verifier.verify(variant.artifact, path),
    )


def _order(starts: int, *, cold: bool) -> tuple[Cache, ...]:
    """Take turns: cold warm, warm cold, and so on."""
    found: list[Cache] = []
    for number in range(starts):
        pair: list[Cache] = ["cold", "warm"] if number % 2 == 0 else ["warm", "cold"]
        found += pair if cold else ["warm"]
    return tuple(found)


def _prepared(files: Sequence[Path], cache: Cache) -> Reading[float]:
    """Empty or fill the page cache, and return the share of the file that then lies in it."""
    if cache == "cold":
        pagecache.drop(files)
    else:
        pagecache.warm(files)
    return pagecache.share(files)


def _not_dropped(files: Sequence[Path]) -> Missing | None:
    """Return why a cold start cannot be had here, or None where it can."""
    if (why := pagecache.drop(files)) is not None:
        return why
    match pagecache.share(files):
        case Missing() as why:
            return why
        case Measured(value=share) if share > DROPPED:
            return Missing(
                "not_dropped",
                f"{share:.0%} of the file stayed in the page cache after the system was asked to "
                "drop it: another program has it in use, or its file system keeps it in memory",
            )
        case _:
            return None


# ── somebody else's server ──────────────────────────────────────────────────────────────────────


def theirs(request: ColdRequest, emit: Emit) -> Ground:
    """Return it for a server that is up; raise `EngineError` for one that does not unload."""
    _without(request, ("threads", "device", "runtime"), "an engine that is started here")
    bench = BenchRequest(
        request.subject,
        engine=request.engine,
        model=request.model,
        api_key_env=request.api_key_env,
        prompts=f"synthetic:in={request.words * _TOKENS_PER_WORD},out={request.tokens}",
        seed=request.seed,
    )
    engine = benching.meet(request.subject, bench, bench_request.read(bench))
    try:
        dialect = cold.require_forgetful(engine)
    except BadInput as error:
        raise EngineError(str(error), hint=error.hint) from None
    emit(
        Noted(
            f"{engine.model} is unloaded {request.starts + 1} times at {request.subject}: whoever "
            "else uses it waits as long as this does",
            warning=True,
        )
    )
    kind: Cache = "theirs"
    controls = Controls(seed=request.seed, warmup=0)
    spec = RunSpec(engine.subject, controls, campaign_seed=request.seed)

    def prepared(cache: Cache) -> Reading[float]:  # noqa: ARG001 - theirs is the only one
        cold.forget(engine, dialect)
        return Missing("not_ours", "the server's file is not ours to drop or to read")

    def opened(executor: Executor, number: int, folder: Path) -> AbstractContextManager[Session]:
        place = Place((), {}, folder, engine.host, engine.port)
        return executor.visit(replace(spec, repeat=number), engine, place)

    return Ground(
        model=engine.model or "unnamed",
        engine=f"{engine.dialect.name} at {request.subject}",
        size_bytes=Missing("elsewhere", "nobody has seen the file"),
        open=opened,
        prepare=prepared,
        order=(kind,) * request.starts,
        no_cold=Missing("not_ours", "the server's file is not ours to drop"),
        simulated=engine.dialect.capabilities.simulated,
    )


def _context(request: ColdRequest) -> int:
    tokens = request.words * _TOKENS_PER_WORD + request.tokens + _AROUND
    return -(-tokens // 256) * 256


def _without(request: ColdRequest, names: Sequence[str], what: str) -> None:
    for name in names:
        if getattr(request, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise BadInput(f"{option} is for {what}", hint=f"leave {option} out")
