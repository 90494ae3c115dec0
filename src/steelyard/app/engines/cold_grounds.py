"""What a cold start is made on: an engine that is started here, or a server that is told to unload.

`ours` and `theirs` check what can be known to be wrong before anything is started, and return how a
start is begun and how the page cache is made ready for it. Not aware of how often that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from steelyard.app import subjects
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching, refused
from steelyard.app.benches.request import BenchRequest
from steelyard.app.engines import openings
from steelyard.app.engines.openings import Open
from steelyard.app.profiles import engine_settings
from steelyard.domain.cold import Cache
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.subject import EngineProfile
from steelyard.models import folders, shards
from steelyard.platform import pagecache
from steelyard.runs import cold
from steelyard.runs.identity import Verifier

DROPPED: Final = 0.05  # a share of the file that may stay in memory and count as dropped
_TOKENS_PER_WORD: Final = 4


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


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """What all starts have in common: `open` begins the n-th one, `prepare` makes the cache so."""

    model: str
    engine: str
    size_bytes: Reading[int]
    open: Open
    prepare: Callable[[Cache], Reading[float]]
    order: tuple[Cache, ...]
    no_cold: Missing | None = None
    simulated: bool = False
    verify: Callable[[Verifier], None] = field(default=lambda _: None)


# ── an engine of ours ───────────────────────────────────────────────────────────────────────────


def ours(request: ColdRequest, emit: Emit) -> Ground:
    """Return the ground for an engine that is started here. Raises `BadInput`."""
    refused.options(request, ("engine", "model", "api_key_env"), "a server at an address")
    chosen = subjects.choose_one(request.subject)
    runtime = openings.runtime_of(chosen, request.runtime)
    tokens = request.words * _TOKENS_PER_WORD + request.tokens
    needed = EngineProfile(context_tokens=benching.context_of(tokens))
    typed = engine_settings.Typed(request.threads, request.device)
    started = openings.start(chosen, runtime, needed, typed, "fewer --words", emit)
    threads, device = started.settled.threads, started.settled.device
    controls = Controls(seed=request.seed, threads=threads, warmup=0, device=device)
    spec = RunSpec(started.subject(), controls, campaign_seed=request.seed)
    started.place(spec.subject, Path())  # is the engine here?
    path, artifact = started.path, started.variant.artifact
    files = folders.files_of(path) if path.is_dir() else shards.files_of(path)
    no_cold = _not_dropped(files)
    if no_cold is not None:
        emit(Noted(f"no cold starts: {no_cold}", warning=True))
    return Ground(
        model=artifact.name,
        engine=f"{chosen.engine} ({runtime})",
        size_bytes=Measured(sum(file.stat().st_size for file in files), "client"),
        open=started.opens(spec),
        prepare=lambda cache: _prepared(files, cache),
        order=_order(request.starts, cold=no_cold is None),
        no_cold=no_cold,
        simulated=started.simulated,
        verify=lambda verifier: verifier.verify(artifact, path),
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
    here = "an engine that is started here"
    refused.options(request, ("threads", "device", "runtime"), here)
    bench = BenchRequest(
        request.subject,
        engine=request.engine,
        model=request.model,
        api_key_env=request.api_key_env,
        prompts=f"synthetic:in={request.words * _TOKENS_PER_WORD},out={request.tokens}",
        seed=request.seed,
    )
    engine = benching.meet(request.subject, bench, bench_asked.read(bench))
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

    return Ground(
        model=engine.model or "unnamed",
        engine=f"{engine.dialect.name} at {request.subject}",
        size_bytes=Missing("elsewhere", "nobody has seen the file"),
        open=openings.visits(engine, spec),
        prepare=prepared,
        order=(kind,) * request.starts,
        no_cold=Missing("not_ours", "the server's file is not ours to drop"),
        simulated=engine.dialect.capabilities.simulated,
    )
