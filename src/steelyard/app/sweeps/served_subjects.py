"""What is swept at an address: models that somebody else's server lists, or that were named.

Each becomes a variant whose facts are that server's word; nothing is read, made or started. Before
a sweep begins every model is made to answer once, so that one which cannot be loaded is known then.
Not aware of campaigns, folders or terminals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final, final

from steelyard.analysis.validity import ATTACHED
from steelyard.app.sweeps.spec import SweepRequest, Weighed, needs
from steelyard.domain.errors import (
    BadInput,
    TooLittleRoom,
    UnknownName,
    UnsupportedSubject,
    WrongModel,
)
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Reading, value_of
from steelyard.domain.run import Place, Proof, RunSpec
from steelyard.domain.secret import Secret
from steelyard.domain.subject import ReferenceKind, ServedFacts, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.engines import attached, keys, meeting
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint
from steelyard.models import quants
from steelyard.platform import clock
from steelyard.workloads import suites

MOST: Final = 8
_SHOWN: Final = 20
# Parts of the names of models that do not chat. One that is none of them can be named.
_NO_CHAT: Final = ("embed", "rerank", "whisper", "tts", "moderation")
_OF_FILES: Final = (
    *("quants", "imatrix", "requantise", "threads", "affinity", "device", "sidecar"),
)
_OF_SERVERS: Final = (
    *("models", "reference", "against", "api_key_env", "send_key_anywhere", "cacert", "insecure"),
)
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Access:
    """How servers are spoken to: as which engine, with whose key, believing whom."""

    engine: str | None = None
    api_key_env: str | None = None
    send_key_anywhere: bool = False
    cacert: Path | None = None
    insecure: bool = False

    @classmethod
    def of(cls, request: SweepRequest) -> Access:
        """Take it from what was typed."""
        return cls(
            request.engine,
            request.api_key_env,
            request.send_key_anywhere,
            request.cacert,
            request.insecure,
        )

    def attach(self, url: str, model: str, context_tokens: int | None) -> AttachedEngine:
        """Go to a server; raise what `engines.attached.attach` raises."""
        endpoint, trust, key = self._manners(url)
        return attached.attach(
            endpoint,
            engine=self.engine,
            model=model,
            context_tokens=context_tokens,
            key=key,
            trust=trust,
            env=os.environ,
        )

    def listed(self, url: str) -> tuple[str, ...]:
        """Return the names of the models that a server lists."""
        endpoint, trust, key = self._manners(url)
        return attached.listed(endpoint, key=key, trust=trust)

    def _manners(self, url: str) -> tuple[Endpoint, Trust, Reading[Secret]]:
        endpoint, trust = Endpoint.read(url), Trust(self.cacert, self.insecure)
        key = keys.api_key(
            endpoint,
            trust,
            os.environ,
            variable=self.api_key_env,
            anywhere=self.send_key_anywhere,
        )
        return endpoint, trust, key


@final
@dataclass(frozen=True, slots=True)
class Roll:
    """The models of a sweep, the reference first, and where each is served (by its hash)."""

    weighed: Weighed
    variants: tuple[Variant, ...]
    servers: Mapping[str, str]
    access: Access

    @property
    def file_bytes(self) -> int:
        """Nothing is made."""
        return 0


def call(request: SweepRequest, emit: Emit) -> Roll:
    """Ask who serves what. Raises `BadInput` for what cannot be swept; no model is asked anything.

    Raises:
        UnsupportedSubject: there are no two models to compare, too many of them and none named, or
            the servers are of several engines.
        UnknownName: an engine or a model that is not there.
    """
    _refuse_what_is_for_files(request)
    if request.engine is not None:
        meeting.chosen(request.engine)
    access, context = Access.of(request), request.context
    urls = (request.subject, *request.against)
    chosen = _chosen(urls, request.models, request.reference, access, emit)
    engines = [(url, access.attach(url, name, context), alone) for url, name, alone in chosen]
    _refuse_several_engines(engines)
    labels = _labels(engines)
    first = _reference(request.reference, engines)
    kept = [engines[first], *engines[:first], *engines[first + 1 :]]
    names = [labels[first], *labels[:first], *labels[first + 1 :]]
    variants = [
        _variant(label, engine, alone=alone)
        for label, (_, engine, alone) in zip(names, kept, strict=True)
    ]
    variants[0] = replace(variants[0], reference=_kind(variants[0]))
    dialect = engines[0][1].dialect
    where = ", ".join(dict.fromkeys(e.manners.endpoint.authority for _, e, _ in engines))
    return Roll(
        Weighed(f"{dialect.name} at {where}", dialect.name, ATTACHED),
        tuple(variants),
        {engine.subject.artifact.sha256: url for url, engine, _ in kept},
        access,
    )


def made_ready(roll: Roll, context_tokens: int, emit: Emit) -> tuple[Variant, ...]:
    """Have every model answer once, and return the variants as the servers then describe them.

    Some tell what they serve only when it is loaded. Raises what keeps a model from answering.
    """
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("asking every model", len(roll.variants)))
    ready = []
    for number, variant in enumerate(roll.variants, start=1):
        artifact = variant.artifact
        engine = roll.access.attach(roll.servers[artifact.sha256], artifact.name, context_tokens)
        engine.wake()
        alone = isinstance(variant.facts, ServedFacts) and variant.facts.alone
        found = _variant(variant.label, engine, alone=alone)
        ready.append(replace(found, reference=_kind(found) if variant.reference else None))
        emit(Advanced("asking every model", number, variant.label))
    emit(PhaseEnded("asking every model", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return tuple(ready)


def again(
    spec: RunSpec, servers: Mapping[str, str], access: Access, context_tokens: int
) -> AttachedEngine:
    """Go to the server of a run; raise `WrongModel` where another engine answers there now."""
    artifact = spec.subject.artifact
    url = servers.get(artifact.sha256)
    if url is None:
        raise BadInput(f"nobody said where {artifact.name!r} is served", hint="sweep anew")
    engine = access.attach(url, artifact.name, context_tokens)
    if engine.dialect.name != spec.subject.engine:
        raise WrongModel(
            f"{url} was {spec.subject.engine} when the sweep began and is {engine.dialect.name}",
            hint="start that server again and --resume, or sweep anew in another --out",
        )
    return engine


def place(spec: RunSpec, servers: Mapping[str, str], folder: Path) -> Place:
    """Return the place of a run: nothing is started, and no file is read."""
    endpoint = Endpoint.read(servers[spec.subject.artifact.sha256])
    return Place((), {}, folder, endpoint.host, endpoint.port)


def unproved(subject: Subject) -> Proof:
    """Say that the engine's arithmetic cannot be proved: no model of ours can be put into it."""
    found = f"not applicable: this {subject.engine} is somebody else's and loads no file of ours"
    return Proof("arithmetic", passed=True, found=found)


def loads_of(request: SweepRequest, roll: Roll) -> tuple[Workload, ...]:
    """Return the suite's workloads without depths for which a server says it has no room.

    `--context` overrules what is told, since a request may ask for more than is loaded. Raises
    `TooLittleRoom` for a server without room for the least.
    """
    told = [
        (tokens, variant.label)
        for variant in roll.variants
        if isinstance(variant.facts, ServedFacts)
        and (tokens := value_of(variant.facts.context_tokens))
    ]
    least, label = min(told, default=(0, ""))
    bound = request.context or least
    loads = suites.fitting(request.suite, bound) or suites.workloads(request.suite)
    needed = needs(replace(request, context=None), loads).context_tokens
    if bound and bound < needed:
        raise TooLittleRoom(
            f"the work needs {needed:,} tokens of context, and "
            + (f"--context is {bound:,}" if request.context else f"{label} has {bound:,} there"),
            hint="start that server with more, or ask for --level 1",
        )
    return loads


def the_same(variants: Iterable[Variant], servers: Mapping[str, str]) -> dict[str, str]:
    """Map labels of models that are another one by a second name to the reason to leave them.

    On two servers one model is two variants: they may differ in speed.
    """
    first: dict[tuple[str, str], str] = {}
    found = {}
    for variant in variants:
        digest = value_of(variant.facts.digest) if isinstance(variant.facts, ServedFacts) else None
        if digest is None:
            continue
        key = servers[variant.artifact.sha256], digest
        if key in first:
            found[variant.label] = f"by the server's digest it is the same as {first[key]}"
        first.setdefault(key, variant.label)
    return found


def refuse_without_server(request: SweepRequest) -> None:
    """Raise `BadInput` for options that say nothing of a file."""
    for name in _OF_SERVERS:
        if getattr(request, name) not in (None, False, ()):
            option = f"--{name.replace('_', '-')}"
            raise BadInput(
                f"{option} is for servers that somebody else runs, and {request.subject} is a file",
                hint=f"leave {option} out, or give the server's address",
            )


def _refuse_what_is_for_files(request: SweepRequest) -> None:
    typed = [name for name in _OF_FILES if getattr(request, name) not in (None, False)]
    typed += ["runtime"] if request.runtime != SweepRequest().runtime else []
    if typed:
        option = f"--{typed[0].replace('_', '-')}"
        raise BadInput(
            f"{option} is for an engine that is started here: {request.subject} is up already",
            hint=f"leave {option} out",
        )


def _chosen(
    urls: tuple[str, ...],
    models: tuple[str, ...] | None,
    reference: str | None,
    access: Access,
    emit: Emit,
) -> list[tuple[str, str, bool]]:
    """Return where, what, and whether it is the server's only model: two at least."""
    wanted = _wanted(models, reference)
    chosen: list[tuple[str, str, bool]] = []
    everywhere: list[str] = []
    for url in urls:
        listed = access.listed(url) if wanted is None or len(urls) > 1 else _if_told(access, url)
        everywhere += listed
        if wanted is None:
            names = _sensible(url, listed, emit)
        elif len(urls) == 1:
            names = list(wanted)  # `attach` says of each whether it is there
        else:
            names = [name for name in wanted if _there(name, listed)]
        chosen += [(url, name, len(listed) == 1) for name in names]
    if wanted is not None and len(urls) > 1:
        absent = [name for name in wanted if not _there(name, everywhere)]
        if absent:
            raise UnknownName.among("model at these servers", absent[0], everywhere)
    if len(chosen) < 2:  # noqa: PLR2004 - a comparison
        name = chosen[0][1] if chosen else "none"
        raise UnsupportedSubject(
            f"a sweep compares models, and there is one: {name} at {urls[0]}",
            hint="name several with --models A,B, or another server of the same engine with "
            f"--against URL; one alone is measured by `steelyard bench {urls[0]}`",
        )
    return chosen


def _wanted(models: tuple[str, ...] | None, reference: str | None) -> tuple[str, ...] | None:
    if models is None or reference is None or _there(reference, models):
        return models
    return (reference, *models)


def _there(name: str, listed: Iterable[str]) -> bool:
    """Say whether a model is listed, also under the tag that Ollama means where none is written."""
    return bool({name, f"{name}:latest", name.removesuffix(":latest")} & set(listed))


def _if_told(access: Access, url: str) -> tuple[str, ...]:
    """Return what a server lists; one without that route is taken at the user's word."""
    try:
        return access.listed(url)
    except BadInput:
        return ()


def _sensible(url: str, listed: tuple[str, ...], emit: Emit) -> list[str]:
    """Return the models that chat, where they are not too many to mean them all."""
    names = [n for n in listed if not any(part in n.lower() for part in _NO_CHAT)]
    if len(names) > MOST:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise UnsupportedSubject(
            f"{url} serves {len(names)} models, and none was chosen (up to {MOST} are taken as"
            " they are)",
            hint=f"name those to compare with --models: {', '.join(names[:_SHOWN])}{more}",
        )
    if left := [name for name in listed if name not in names]:
        emit(Noted(f"left out, since by their names they do not chat: {', '.join(left)}"))
    return names


def _reference(wanted: str | None, engines: list[tuple[str, AttachedEngine, bool]]) -> int:
    names = [engine.subject.artifact.name for _, engine, _ in engines]
    if wanted is None:
        return 0
    found = next((number for number, name in enumerate(names) if _there(wanted, [name])), None)
    if found is None:
        raise UnknownName.among("model in this sweep", wanted, names)
    return found


def _refuse_several_engines(engines: list[tuple[str, AttachedEngine, bool]]) -> None:
    first_url, first, _ = engines[0]
    for url, engine, _ in engines[1:]:
        if engine.dialect.name != first.dialect.name:
            raise UnsupportedSubject(
                f"{first_url} is {first.dialect.name} and {url} is {engine.dialect.name}: a sweep"
                " compares models on one engine",
                hint="speak to both alike with --engine openai, or set the two servers against "
                f"each other: `steelyard bench {first_url} --compare {url}`",
            )


def _labels(engines: list[tuple[str, AttachedEngine, bool]]) -> list[str]:
    """Name each by its model, and by its server where two share a name.

    A folder belongs to a machine, and labels go into reports.
    """
    names = [engine.subject.artifact.name for _, engine, _ in engines]
    plain = [PurePath(name).name if name.startswith("/") else name for name in names]
    often = Counter(plain)
    return [
        name if often[name] == 1 else f"{name} ({engine.manners.endpoint.authority})"
        for name, (_, engine, _) in zip(plain, engines, strict=True)
    ]


def _variant(label: str, engine: AttachedEngine, *, alone: bool) -> Variant:
    claim = engine.identity()
    facts = ServedFacts(
        quant=claim.quant,
        parameters=claim.parameters,
        tensor_bytes=claim.tensor_bytes,
        vocabulary=claim.vocabulary,
        context_tokens=claim.context_tokens,
        digest=claim.digest,
        alone=alone,
    )
    return Variant(label, engine.subject.artifact, facts)


def _kind(variant: Variant) -> ReferenceKind:
    """Return `native` where the server says so: of a quant that is not told nobody knows."""
    return "native" if quants.is_native(variant.quant.upper()) else "lossy"
