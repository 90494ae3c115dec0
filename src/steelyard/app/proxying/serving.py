"""A recording proxy in front of a subject: opened, and read as the run that it recorded.

The subject is an address, or a file that is served by an engine of ours. What goes through lands in
a run record like that of a bench. Not aware of what the callers are, of harnesses, or of terminals.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.benching import Target
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.domain.budget import Budget
from steelyard.domain.errors import BadInput, EngineError, SteelyardError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.host import RunningEngine
from steelyard.models import disk
from steelyard.platform import locks
from steelyard.runs import proxied
from steelyard.runs.bench import Engine
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.proxied import Proxy
from steelyard.runs.relaying import Settings, Tls

_FILES_BYTES: Final = 64 * 1024 * 1024
_CONTEXT: Final = 4096
_AROUND: Final = 160
_NS_PER_S: Final = 1e9
_SPENT: Final = "budget_spent"


@final
@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """What was typed. `bench` holds the subject and all that says how it is reached or served."""

    bench: BenchRequest
    host: str
    port: int
    streams: int
    context: int | None
    budget: Budget
    out: Path | None


@final
@dataclass(frozen=True, slots=True)
class Front:
    """A subject with a proxy before it: what its callers need to know, and the run so far."""

    proxy: Proxy
    session: Session
    model: str
    folder: Path


@contextmanager
def opened(
    request: ProxyRequest, folder: Path, emit: Emit, fit: Callable[[Session], None] = lambda _: None
) -> Iterator[tuple[Front, Callable[[], RunRecord]]]:
    """Bring up the subject and a proxy; the second of the pair reads the record at its end.

    `fit` looks at the subject before anybody may call. Raises what keeps the subject from coming
    up; whatever ends the block, what was recorded by then is read.
    """
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")
    target = _target(request, folder, emit)
    _refuse_strangers(request, target)
    disk.require(folder, _FILES_BYTES, what="a recording")
    executor = Executor(Verifier(), emit, proving=benching.proved)
    ended: list[RunRecord] = []
    early: SteelyardError | None = None
    with ExitStack() as stack, _private(folder, emit), target.open(executor) as session:
        try:
            if session.bench is None:
                raise EngineError(session.found.reason or "the engine did not come up")
            fit(session)
            settings = _settings(request, session.bench.engine, folder)
            proxy = stack.enter_context(proxied.opened(settings, folder))
        except SteelyardError as error:  # which a session would keep, and be opened for nothing
            early = error
        else:
            try:
                yield Front(proxy, session, _model(target), folder), lambda: ended[0]
            finally:
                proxy.end()
                _read(session, proxy, folder)
    if early is not None:
        if isinstance(early, BadInput):  # nothing was recorded; an engine that failed has its log
            shutil.rmtree(folder, ignore_errors=True)
        raise early
    ended.append(executor.record(session))


@contextmanager
def _private(folder: Path, emit: Emit) -> Iterator[None]:
    """Hold a folder that others cannot look into: it takes what was asked and answered."""
    with locks.folder_lock(folder):
        try:
            folder.chmod(0o700)
        except OSError as error:
            words = f"others may be able to read {folder}: {error.strerror}"
            emit(Noted(words, warning=True))
        yield


def _read(session: Session, proxy: Proxy, folder: Path) -> None:
    bench, news = session.opened, proxy.news
    section = proxied.section(folder, bench.dialect, bench.cover)
    reasons = [section.reason]
    if news.refused:
        session.found.outcome, session.found.reason = "failed", f"{_SPENT}: {news.spent}"
        reasons.append(f"{news.refused} requests were refused: {news.spent}")
    reason = "; ".join(filter(None, reasons))
    session.found.sections.append(
        replace(section, reason=reason, planned=len(section.attempts) + news.refused,
                dropped=news.refused)
    )  # fmt: skip


def _target(request: ProxyRequest, folder: Path, emit: Emit) -> Target:
    bench = _sized(request)
    target = benching.target(bench.subject, bench, bench_asked.read(bench), folder, emit, 0)
    # What prompts share is the callers' affair: a cache that holds it is declared.
    controls = replace(target.spec.controls, reuse_prefix=True)
    spec = replace(target.spec, controls=controls, workloads=(proxied.LOAD,))
    if target.variant is not None and request.budget.usd is not None:
        raise BadInput(
            "an engine that is started here bills nothing: a budget in usd says nothing",
            hint="give it tokens or a time, e.g. --budget 1e6tok,30m",
        )
    return replace(target, spec=spec)


def _sized(request: ProxyRequest) -> BenchRequest:
    """Give a server that is started here the context of its model, as far as that is common."""
    bench = replace(request.bench, concurrency=str(request.streams), warmup=0)
    if is_address(bench.subject):
        if request.context is not None:
            raise BadInput(
                "--context is for an engine that is started here", hint="leave --context out"
            )
        return replace(bench, prompts="synthetic:in=512,out=1")
    from steelyard.app import subjects

    chosen = subjects.choose(
        bench_request.with_engine(bench.subject, bench), contained=bench.contained
    )
    trained = chosen.files[0][1].context_tokens or _CONTEXT
    tokens = request.context or min(trained, _CONTEXT)
    return replace(bench, prompts=f"synthetic:in={max(1, tokens - _AROUND)},out=1")


def _refuse_strangers(request: ProxyRequest, target: Target) -> None:
    """Raise `BadInput` where others than this machine could spend the user's key."""
    engine = target.what
    keyed = isinstance(engine, AttachedEngine) and isinstance(engine.manners.key, Measured)
    if keyed and not _loopback(request.host):
        raise BadInput(
            f"whoever reaches {request.host} could spend the key that is sent",
            hint="leave --host out; from another machine, come through a tunnel (ssh -L)",
        )


def _loopback(host: str) -> bool:
    """Say whether a host, however it is written, is this machine alone."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _settings(request: ProxyRequest, engine: Engine, folder: Path) -> Settings:
    settings = Settings(
        host=request.host,
        port=request.port,
        folder=str(folder.absolute()),
        server=engine.host,
        server_port=engine.port,
        stall_ns=round(request.bench.timeout * _NS_PER_S),
        budget=request.budget,
    )
    if isinstance(engine, AttachedEngine):
        endpoint, manners = engine.manners.endpoint, engine.manners
        trust = manners.trust
        tls = Tls(str(trust.cacert or ""), verify=not trust.insecure)
        return replace(
            settings,
            authority=endpoint.authority,
            api_path=endpoint.api_path,
            base_path=endpoint.base_path,
            key=manners.key.value.reveal() if isinstance(manners.key, Measured) else "",
            tls=tls if endpoint.scheme == "https" else None,
        )
    host = f"[{engine.host}]" if ":" in engine.host else engine.host
    return replace(settings, authority=f"{host}:{engine.port}", api_path="/v1")


def _model(target: Target) -> str:
    """Return the name to ask for."""
    engine = target.what
    return (engine.model or "") if isinstance(engine, AttachedEngine) else target.name


def called(front: Front) -> str:
    """Return the name under which the server knows its model."""
    engine = front.session.opened.engine
    return engine.called if isinstance(engine, RunningEngine) else front.model
