"""`models fit`: what runs here, at which context and how fast, before anything is fetched.

A model may be a file, a folder with a `config.json`, the name of a known shape, or a repository of
a hub, of which sizes and headers are read. What cannot be known is said so: a shape nobody
knows, a machine that was not calibrated, a type of weight without a rate. Not aware of terminals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from steelyard.analysis import rates
from steelyard.analysis.rates import Rates
from steelyard.app import device_rates, subjects
from steelyard.app.hub import pulling
from steelyard.app.results import history
from steelyard.domain.errors import BadInput, SteelyardError, UnknownName, UnsupportedSubject
from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import ArtifactFacts, EngineProfile
from steelyard.domain.summary import Estimate
from steelyard.engines.llamacpp import FULL_PRECISION_KV
from steelyard.llamalib.kernels import cores
from steelyard.models import config_shape, memory, memory_parts, quants, shapes, synth
from steelyard.models.hub import choosing, headers
from steelyard.models.hub.listing import Globs, RemoteVariant
from steelyard.models.hub.patience import Patience
from steelyard.models.hub.remote import Remote
from steelyard.models.shapes import Shape
from steelyard.platform import hardware
from steelyard.runs.places import default_threads

Fit: TypeAlias = Literal["fits", "tight", "no"]

QUANTS: Final = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
# Estimates were off by no more than this where they were compared with engines: docs/measured.md.
MEMORY_ERROR: Final = 0.05
# Whose estimates were compared; of others the formulas are only believed.
COMPARED: Final = frozenset(
    {"llama", "qwen2", "qwen3", "gemma2", "gemma3", "granitemoe", "openelm"}
)
_HEADERS_MOST: Final = 4
_NO_HEADER: Final = Missing(
    "unknown_shape", "only its size is known: layers and heads are in the file, which is not here"
)
_ALIKE: Final = "layers and heads as in the smallest file; name this quant for its speed"
_STEP: Final = 256
_USUAL_CONTEXT: Final = 4096


@final
@dataclass(frozen=True, slots=True)
class FitRequest:
    """What was asked for, as typed. `memory` is in bytes, None for what is free here."""

    subjects: tuple[str, ...]
    context: int | None = None
    memory: int | None = None
    slots: int = 1
    quants: tuple[str, ...] = QUANTS
    kv_type: str = "f16"
    flash_attention: bool = False
    threads: int | None = None
    calibrate: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def globs(self) -> Globs:
        """The files that count, of a folder or of a repository."""
        return Globs(self.include, self.exclude)


@final
@dataclass(frozen=True, slots=True)
class FitRow:
    """One file, there or not: what it takes, how far its context goes, and how fast it will be.

    `weights` are bytes of the file, `memory` what serving takes at `context`, and `longest` the
    longest context that fits, 0 where none does.
    """

    model: str
    quant: str
    weights: int
    context: int
    memory: Reading[int]
    fit: Fit | Missing
    longest: Reading[int]
    output_tps: Estimate
    prompt_tps: Estimate
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Fitted:
    """The whole answer, and what it rests on."""

    rows: tuple[FitRow, ...]
    memory: int
    memory_is_free: bool
    threads: int
    rates: Reading[Rates]
    history: int
    profile: EngineProfile


@final
@dataclass(frozen=True, slots=True)
class _Candidate:
    """One file to be judged. Without facts only the bytes of its weights are known."""

    model: str
    quant: str
    weights: int
    facts: ArtifactFacts | Missing
    notes: tuple[str, ...] = ()


def fit(request: FitRequest, emit: Emit) -> Fitted:
    """Judge every file that the subjects stand for; without subjects every known shape."""
    for name in request.quants:
        quants.find(name)
    if request.kv_type not in FULL_PRECISION_KV and not request.flash_attention:
        raise UnsupportedSubject(
            f"llama.cpp quantises the values in its cache ({request.kv_type}) only with flash"
            " attention",
            hint="add --flash-attention",
        )
    found = [
        candidate
        for subject in request.subjects or tuple(shapes.BY_NAME)
        for candidate in _candidates(subject, request)
    ]
    if not found:
        raise BadInput(
            f"no model file of {', '.join(request.subjects)} fits",
            hint="widen --include or narrow --exclude; `steelyard models find` lists a repository",
        )
    threads = request.threads or default_threads(cores())
    device = hardware.device().id
    known: Reading[Rates]
    if request.calibrate:
        known = Measured(device_rates.calibrate(threads, emit), "client")
    else:
        known = device_rates.kept(threads)
    if isinstance(known, Measured):
        pairs = history.speed_pairs(device, known.value)
        known = Measured(rates.corrected(known.value, pairs), "client")
    past = history.memory_pairs(device)
    room = memory.available_bytes() if request.memory is None else request.memory
    profile = EngineProfile(
        context_tokens=request.context or _USUAL_CONTEXT,
        slots=request.slots,
        kv_type=request.kv_type,
        flash_attention=request.flash_attention,
    )
    judge = _Judge(room, profile, request.context is not None, past, known)
    return Fitted(
        rows=tuple(judge.row(one) for one in found),
        memory=room,
        memory_is_free=request.memory is None,
        threads=threads,
        rates=known,
        history=len(past),
        profile=profile,
    )


def _candidates(subject: str, request: FitRequest) -> Iterator[_Candidate]:
    if subject.lower() in shapes.BY_NAME:
        yield from _of_shape(shapes.find(subject), request.quants)
        return
    path = Path(subject).expanduser()
    if path.is_dir() and not any(path.glob("*.gguf")) and (path / config_shape.CONFIG).is_file():
        yield from _of_shape(config_shape.read(path), request.quants)
        return
    remote = "/" in subject and "://" not in subject and not subject.endswith(".gguf")
    if remote and not path.exists():
        yield from _of_hub(subject, request.globs)
        return
    for file, facts in _here(subject):
        if not request.globs.keep(file.name):
            continue
        notes = ("synthetic",) if facts.synthetic else ()
        yield _Candidate(file.name, facts.quant, facts.tensor_bytes, facts, notes)


def _here(subject: str) -> Sequence[tuple[Path, ArtifactFacts]]:
    """Return the files of this machine that a path or a name stands for."""
    try:
        return subjects.choose(subject).files
    except UnknownName:
        known = sorted({*shapes.BY_NAME, subjects.BUNDLED})
        raise UnknownName.among("file, folder or known shape", subject, known) from None


def _of_shape(shape: Shape, names: Sequence[str]) -> Iterator[_Candidate]:
    for name in names:
        facts = synth.facts(shape, name)
        yield _Candidate(shape.name, quants.find(name).name, facts.tensor_bytes, facts)


def _of_hub(subject: str, globs: Globs) -> Iterator[_Candidate]:
    """Judge what a hub lists: sizes are its own, layers and heads stand in the files' headers.

    Of many variants only the smallest file's header is read: a header holds the vocabulary, and
    layers and heads are alike in all of them.
    """
    request = pulling.HubRequest(subject, include=globs.include, exclude=globs.exclude)
    remote = pulling.look(request)
    found, wanted = remote.offer(globs), pulling.target(subject).quants
    chosen = found.variants
    if wanted:
        chosen = choosing.variants(found, wanted, globs, where=remote.name)
    files = sorted((one for one in chosen if one.format == "gguf"), key=_bytes_of)
    known = {}
    for one in files if len(files) <= _HEADERS_MOST else files[:1]:
        known[one.label] = _header(remote, one, request.patience)
    first = next(iter(known.values()), _NO_HEADER)
    for one in chosen:
        yield _remote(remote.name, one, known.get(one.label), first)


def _header(remote: Remote, one: RemoteVariant, patience: Patience) -> ArtifactFacts | Missing:
    """Read what a file on a hub says of itself; the reason where it cannot be read."""
    try:
        return headers.facts(remote, one, Path(), patience)
    except SteelyardError as error:
        return Missing("unknown_shape", f"only its size is known, its header is not: {error}")


def _remote(
    repo: str,
    one: RemoteVariant,
    own: ArtifactFacts | Missing | None,
    first: ArtifactFacts | Missing,
) -> _Candidate:
    """Take a variant for what its own header says, or the first one's, or for what it is called."""
    claim, size, shape = one.claim.quant, _bytes_of(one), _named_in(repo)
    if isinstance(own, ArtifactFacts):
        return _Candidate(repo, one.label, own.tensor_bytes, own)
    if one.format != "gguf":
        return _Candidate(repo, one.label, size, _NO_HEADER)
    if isinstance(claim, Missing):
        return _Candidate(repo, one.label, size, claim)
    if isinstance(first, ArtifactFacts):
        return _Candidate(repo, one.label, size, _alike(first, claim, size), (_ALIKE,))
    if shape is None:
        return _Candidate(repo, one.label, size, first)
    facts = replace(synth.facts(shape, claim), tensor_bytes=size)
    return _Candidate(repo, one.label, size, facts, (f"taken for {shape.name} by its name",))


def _alike(first: ArtifactFacts, quant: str, size: int) -> ArtifactFacts:
    """Return another quant of a model whose header was read: its tensors' types are not known."""
    kept = first.memory and replace(first.memory, matrix_elements={}, read_elements={})
    return replace(first, quant=quant, tensor_bytes=size, memory=kept)


def _bytes_of(one: RemoteVariant) -> int:
    return sum(file.size_bytes for file in one.files)


def _named_in(repo: str) -> Shape | None:
    """Return the shape whose name a repository's name contains: the longest, if several do."""
    name = repo.rpartition("/")[2].lower().replace("_", "-")
    fits = [shape for key, shape in shapes.BY_NAME.items() if f"{key}-" in f"{name}-"]
    return max(fits, key=lambda shape: len(shape.name), default=None)


@final
@dataclass(frozen=True, slots=True)
class _Judge:
    """What every file is held against."""

    room: int
    profile: EngineProfile
    asked: bool
    past: memory.History
    rates: Reading[Rates]

    def row(self, one: _Candidate) -> FitRow:
        """Judge one file."""
        if isinstance(one.facts, Missing):
            return self._unknown(one, one.facts)
        facts, notes = one.facts, list(one.notes)
        trained = facts.context_tokens
        context = self.profile.context_tokens
        if trained and context > trained:
            if self.asked:
                notes.append(f"trained for {trained:,} tokens")
            context = trained
        if facts.architecture not in COMPARED:
            notes.append(f"never compared with an engine: {facts.architecture}")
        profile = replace(self.profile, context_tokens=context)
        parts = memory.parts(facts, profile, self.past)
        kept = memory_parts.kv_cache(facts.memory, profile) if facts.memory else 0
        return FitRow(
            model=one.model,
            quant=one.quant,
            weights=one.weights,
            context=context,
            memory=Measured(parts.needed, "estimated"),
            fit=self._fit(parts.needed),
            longest=Measured(self._longest(facts), "estimated"),
            output_tps=self._speed(facts, kept / profile.slots),
            prompt_tps=self._prompt_speed(facts),
            notes=tuple(notes),
        )

    def _unknown(self, one: _Candidate, why: Missing) -> FitRow:
        none = Estimate(why, why, why, 0)
        # Weights alone that have no room are an answer too.
        fit: Fit | Missing = "no" if one.weights > self.room else why
        return FitRow(
            *(one.model, one.quant, one.weights, self.profile.context_tokens),
            memory=why,
            fit=fit,
            longest=why,
            output_tps=none,
            prompt_tps=none,
            notes=one.notes,
        )

    def _fit(self, needed: int) -> Fit:
        if needed * (1 + MEMORY_ERROR) <= self.room:
            return "fits"
        return "tight" if needed <= self.room else "no"

    def _longest(self, facts: ArtifactFacts) -> int:
        """Search the longest context that fits, up to the one that the model was trained for."""
        low, high = 0, (facts.context_tokens or self.profile.context_tokens) // _STEP
        while low < high:
            middle = (low + high + 1) // 2
            profile = replace(self.profile, context_tokens=middle * _STEP)
            if memory.parts(facts, profile, self.past).needed <= self.room:
                low = middle
            else:
                high = middle - 1
        return low * _STEP

    def _speed(self, facts: ArtifactFacts, kept: float) -> Estimate:
        match self.rates:
            case Measured(value=known):
                return rates.output_tps(known, facts, kept)
            case Missing() as why:
                return Estimate(why, why, why, 0)

    def _prompt_speed(self, facts: ArtifactFacts) -> Estimate:
        match self.rates:
            case Measured(value=known):
                return rates.prompt_tps(known, facts)
            case Missing() as why:
                return Estimate(why, why, why, 0)
