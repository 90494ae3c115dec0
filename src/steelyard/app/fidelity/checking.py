"""`fidelity check`: how far a file or a server is from the reference of a pack.

A file is decoded by our own llama.cpp; with an engine named, or at an address, the server is asked.
Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import packed
from steelyard.app import subjects
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches.benching import Target
from steelyard.app.benches.request import BenchRequest, is_address
from steelyard.app.fidelity import texts
from steelyard.app.fidelity.packing import PROBE, vocabulary_sha256
from steelyard.domain.codec import encode
from steelyard.domain.errors import (
    BadInput,
    EngineError,
    SteelyardError,
    UnsupportedSubject,
    WrongModel,
)
from steelyard.domain.pack import PackCheck, PackFacts
from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.subject import Variant
from steelyard.engines import api
from steelyard.engines.api import Dialect
from steelyard.engines.attached import AttachedEngine
from steelyard.llamalib.kernels import cores
from steelyard.runs import reference_packs
from steelyard.runs.bench import Bench
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import default_threads
from steelyard.runs.reference_packs import Served, Source
from steelyard.store import packs
from steelyard.store.packs import Pack

_NS_PER_S: Final = 1e9
_ALL: Final = Missing("all", "the library gives the whole vocabulary")
_NO_BIAS: Final = Missing("unbiased", "the rest is estimated from drawn tokens, without bias")


@final
@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What was typed. `bench` holds the subject and all that says how it is reached or served."""

    pack: Path
    bench: BenchRequest
    top: int | None


@final
@dataclass(frozen=True, slots=True)
class Checked:
    """What was found."""

    found: PackCheck

    def text(self, *, as_json: bool) -> str:
        """Return it as lines or as JSON."""
        return encode(self.found, indent=1) if as_json else texts.check_text(self.found)


def perform(request: CheckRequest, emit: Emit) -> Checked:
    """Weigh the subject. Raises `BadInput` for a pack or a subject that does not fit."""
    pack = packs.read(request.pack)
    subject = request.bench.subject
    if request.top is not None and request.top > pack.facts.vocabulary:
        raise BadInput(
            f"--top {request.top:,} is more than the vocabulary of {pack.facts.vocabulary:,}",
            hint="leave it out, or ask for less",
        )
    if is_address(subject) or request.bench.engine is not None or _names_engine(subject):
        return Checked(_of_server(request, pack, emit))
    _refuse_of_servers(request)
    return Checked(_of_file(request, pack, emit))


def _names_engine(subject: str) -> bool:
    return "@" in subject and not Path(subject).expanduser().exists()


def _of_file(request: CheckRequest, pack: Pack, emit: Emit) -> PackCheck:
    subject = request.bench.subject
    chosen = subjects.require_gguf(subjects.choose_one(subject), "a reference pack")
    path, facts = chosen.files[0]
    if vocabulary_sha256(path) != pack.facts.vocabulary_sha256:
        raise _other(path.name, pack.facts, f"{facts.vocabulary:,} tokens")
    threads = request.bench.threads or default_threads(cores())
    with tempfile.TemporaryDirectory(prefix="steelyard-check-") as folder:
        found, same = reference_packs.weigh(Source(path, facts, Path(folder), threads), pack, emit)
    return PackCheck(
        subject=path.name,
        way="library",
        pack_sha256=pack.sha256,
        facts=pack.facts,
        **packed.figures(found.tolist(), same.tolist()),
        positions=len(found),
        silent=0,
        told=_ALL,
        rest_mass=float(pack.rows.tail.mean()),
        left_out=_NO_BIAS,
    )


def _of_server(request: CheckRequest, pack: Pack, emit: Emit) -> PackCheck:
    facts = pack.facts
    bench = replace(request.bench, prompts=f"synthetic:in={facts.window_tokens},out=1")
    asked = bench_asked.read(bench)
    with tempfile.TemporaryDirectory(prefix="steelyard-check-") as folder:
        target = benching.target(bench.subject, bench, asked, Path(folder), emit, 0)
        _require_able(_dialect(target))
        served = _asked(request, target, pack, emit)
    told = served.positions
    return PackCheck(
        subject=target.name,
        way="server",
        pack_sha256=pack.sha256,
        facts=facts,
        **packed.figures([one.divergence for one in told], [one.same_top for one in told]),
        positions=len(told),
        silent=served.silent,
        told=Measured(served.told, "engine"),
        rest_mass=sum(one.rest for one in told) / len(told),
        left_out=packed.left_out(told),
    )


def _asked(request: CheckRequest, target: Target, pack: Pack, emit: Emit) -> Served:
    """Open a session and step through it. What it would keep as a run's end is raised here."""
    found: Served | SteelyardError | None = None
    with target.open(Executor(Verifier(), emit)) as session:
        if session.bench is not None:
            session.bench.stall_ns = round(request.bench.timeout * _NS_PER_S)
            try:
                _require_same(session.bench, pack.facts, target.name)
                found = reference_packs.ask(session.bench, pack, request.top, emit)
            except SteelyardError as error:
                found = error
    if isinstance(found, SteelyardError):
        raise found
    if found is None:
        raise EngineError(session.found.reason or "the server did not come up")
    return found


def _dialect(target: Target) -> Dialect:
    match target.what:
        case AttachedEngine(dialect=dialect):
            return dialect
        case Variant():
            return api.dialect(target.spec.subject.engine)


def _require_able(dialect: Dialect) -> None:
    """Raise `UnsupportedSubject` for an engine of which it is known that it cannot be asked."""
    name, able = dialect.name, dialect.capabilities
    if able.simulated:
        raise UnsupportedSubject(f"{name} is simulated: it computes no probabilities")
    lacks = [
        *([] if able.token_prompts else ["takes no prompts that are tokens"]),
        *([] if able.logprobs else ["tells no log-probabilities"]),
    ]
    if lacks:
        raise UnsupportedSubject(
            f"{name} {' and '.join(lacks)}: no pack can be checked through it",
            hint="give the model's file, or serve it with llama-server (--engine llamacpp)",
        )


def _require_same(bench: Bench, facts: PackFacts, name: str) -> None:
    """Raise `WrongModel` unless the server makes the reference's tokens of the fixed text."""
    found = bench.engine.tokenise(PROBE)
    if found != facts.probe_tokens:
        raise _other(name, facts, f"{len(found)} other tokens of one sentence")


def _other(name: str, facts: PackFacts, seen: str) -> WrongModel:
    return WrongModel(
        f"{name} has another tokenizer or vocabulary than the pack's reference {facts.model} "
        f"({facts.vocabulary:,} tokens): {seen}",
        hint="a pack weighs quants and other forms of its own model only",
    )


def _refuse_of_servers(request: CheckRequest) -> None:
    """Raise `BadInput` for an option that says nothing of a file which no server serves."""
    bench = request.bench
    plain = BenchRequest(bench.subject)
    names = ("model", "api_key_env", "send_key_anywhere", "cacert", "insecure", "timeout")
    typed = [name for name in names if getattr(bench, name) != getattr(plain, name)]
    typed += ["top"] if request.top is not None else []
    if typed:
        flag = f"--{typed[0].replace('_', '-')}"
        raise BadInput(
            f"{flag} says nothing of a file that is read here",
            hint="leave it out, or name the engine that is to serve it: --engine llamacpp",
        )
