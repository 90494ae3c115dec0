"""What a recipe lab stands on, checked before anything is made: model, texts, importance matrices.

Not aware of the search.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import overlap
from steelyard.analysis.mixes import LEAST_WINDOWS
from steelyard.app import subjects
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib import tokens
from steelyard.llamalib.kernels import cores
from steelyard.models import experts, imatrix, mixes, quants, shards
from steelyard.models.imatrix import Imatrix
from steelyard.platform import clock
from steelyard.runs import divergence, texts
from steelyard.runs.divergence import Text
from steelyard.runs.places import default_threads

NONE, COMPUTE = "none", "compute"
LIMIT: Final = 0.05  # of the held-out text that may stand in another text without a warning
_REFUSED: Final = 0.5
_LEAST_SEARCH: Final = 4
_APART: Final = Missing(
    "made_apart",
    "the bundled model's matrix is from the train side of its tasks: no held-out item is in it",
)
_MOST_TEXT_BYTES: Final = 1 << 27
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class LabRequest:
    """What was typed; None and () for what was not."""

    subject: str = subjects.BUNDLED
    stock: str = "Q4_K_M"
    imatrix: tuple[str, ...] = ()
    imatrix_text: Path | None = None
    search_text: Path | None = None
    held_out_text: Path | None = None
    types: tuple[str, ...] | None = None
    bands: int = mixes.BANDS
    search_positions: int = 2688
    positions: int = 16384
    budget: float | None = None
    out: Path | None = None
    threads: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """The model, its texts and the folder. `allowed` are the types to choose from.

    `shared` is the share of the held-out text that stands in the text to choose on, or the other
    way round where that is more.
    """

    request: LabRequest
    chosen: Chosen
    path: Path
    facts: ArtifactFacts
    sha256: str
    model: shards.Model
    stock: quants.Quant
    allowed: tuple[str, ...]
    search: Text
    held_out: Text
    shared: float
    out: Path
    threads: int

    @property
    def stem(self) -> str:
        """How the files of this search are called."""
        return f"{self.chosen.model}-{self.stock.name}"


@final
@dataclass(frozen=True, slots=True)
class Axis:
    """One importance matrix, or none; `overlap` is the share of the held-out text in its text."""

    name: str
    path: Path | None
    matrix: Imatrix | None
    overlap: Reading[float]
    warnings: tuple[str, ...]


def lay(request: LabRequest, emit: Emit) -> Ground:
    """Check what can be known to be wrong. Raises `BadInput`; writes nothing."""
    chosen = subjects.require_gguf(subjects.choose(request.subject), "mixing tensor types")
    path, facts = chosen.files[0]
    if not quants.is_native(facts.quant):
        raise BadInput(
            f"{path.name} is already quantised ({facts.quant}): mixes made from it lose twice",
            hint="give the F16, BF16 or F32 file",
        )
    if facts.synthetic:
        raise UnsupportedSubject(
            f"{path.name} is synthetic: its weights are random, and no type keeps more of them",
            hint="mix the types of a real model",
        )
    if (request.search_text is None) != (request.held_out_text is None):
        raise BadInput(
            "--search-text and --held-out-text belong together: a mix is chosen on one text and "
            "proved on another",
            hint="give both, or neither",
        )
    stock = quants.find(request.stock)
    model = shards.read_model(path)
    tensors = [tensor for _, tensor in model.tensors()]
    allowed = mixes.allowed_types(stock, tensors, request.types)
    out = _out(request, chosen)
    _check_matrices(request)
    search, held_out = _texts(request, path)
    variant = subjects.verified(facts.quant, path, emit)
    ground = Ground(
        request=request,
        chosen=chosen,
        path=path,
        facts=facts,
        sha256=variant.artifact.sha256,
        model=model,
        stock=stock,
        allowed=allowed,
        search=search,
        held_out=held_out,
        shared=_shared(search, held_out),
        out=out,
        threads=request.threads or default_threads(cores()),
    )
    _require_apart(ground, emit)
    return ground


def axes(ground: Ground, emit: Emit) -> tuple[Axis, ...]:
    """Read the importance matrices, or compute one; say what is wrong with them."""
    request = ground.request
    asked = request.imatrix or (NONE, COMPUTE)
    if not request.imatrix and ground.chosen.imatrix is not None:
        asked = (NONE, str(ground.chosen.imatrix), COMPUTE)
    return tuple(_axis(name, ground, emit) for name in asked)


def _axis(name: str, ground: Ground, emit: Emit) -> Axis:
    if name == NONE:
        return Axis(NONE, None, None, Missing("no_matrix", "no importance matrix"), ())
    asked = ground.request.imatrix_text
    text = None if asked is None else read_text(asked)
    if name == COMPUTE:
        text = texts.importance_text() if text is None else text
        path, origin = _computed(text, ground, emit), "computed"
    else:
        path, origin = Path(name), Path(name).name
        if path == ground.chosen.imatrix:
            return Axis(origin, path, imatrix.read(path), _APART, ())
    matrix = imatrix.read(path)
    found = _overlap(text, matrix, ground)
    warnings = list(experts.warnings(matrix, ground.facts.experts))
    match found:
        case Measured(value=value) if value > LIMIT:
            warnings.append(
                f"{value:.1%} of the held-out text stands in the text of the importance matrix "
                f"{origin}: what is measured there looks better than it is"
            )
        case Missing(detail=detail):
            warnings.append(detail)
        case _:
            pass
    for warning in warnings:
        emit(Noted(warning, warning=True))
    return Axis(origin, path, matrix, found, tuple(warnings))


def _overlap(text: str | None, matrix: Imatrix, ground: Ground) -> Reading[float]:
    if text is None:
        names = ", ".join(matrix.datasets) or "it names none"
        return Missing(
            "text_not_here",
            f"{matrix.name} was made from a text that is not here ({names}): whether it overlaps "
            "the held-out text was not checked (--imatrix-text gives it)",
        )
    return Measured(
        overlap.share(ground.held_out.tokens, tokens.tokenise(ground.path, text)), "derived"
    )


def _computed(text: str, ground: Ground, emit: Emit) -> Path:
    """Compute the matrix of a text, or take the one that an earlier run computed."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = ground.out / f"imatrix-{ground.sha256[:8]}-{digest[:8]}.gguf"
    if path.exists():
        return path
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("importance matrix", None, ground.chosen.model))
    imatrix.compute(
        ground.path,
        text,
        path,
        threads=ground.threads,
        progress=lambda done, _total: emit(Advanced("importance matrix", done)),
    )
    emit(PhaseEnded("importance matrix", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return path


def _check_matrices(request: LabRequest) -> None:
    files = [name for name in request.imatrix if name not in (NONE, COMPUTE)]
    for name in files:
        imatrix.read(Path(name))
    if len(set(request.imatrix)) < len(request.imatrix):
        raise BadInput("--imatrix names one matrix twice", hint="give each once")
    if request.imatrix_text is None:
        return
    read_text(request.imatrix_text)
    if request.imatrix and not files and COMPUTE not in request.imatrix:
        raise BadInput(
            "--imatrix-text has no effect with --imatrix none",
            hint="add --imatrix compute, or leave the text out",
        )
    if len(files) > 1 or (files and COMPUTE in request.imatrix):
        raise BadInput(
            "--imatrix-text can belong to one importance matrix only, and several are asked for",
            hint="name one --imatrix beside `none`",
        )


def _texts(request: LabRequest, path: Path) -> tuple[Text, Text]:
    """Read the text to choose on and the text that proves; refuse those that are one."""
    if request.search_text is None or request.held_out_text is None:
        search = divergence.read(
            *("generated text", texts.search_text(), path, request.search_positions)
        )
        held_out = divergence.read(
            *("fidelity's text", texts.fidelity_text(), path, request.positions)
        )
    else:
        named, proof = request.search_text, request.held_out_text
        search = divergence.read(*(named.name, read_text(named), path, request.search_positions))
        held_out = divergence.read(*(proof.name, read_text(proof), path, request.positions))
    for text, least in ((search, _LEAST_SEARCH), (held_out, LEAST_WINDOWS)):
        if len(text.windows) < least:
            raise BadInput(
                f"{text.name} makes {len(text.windows)} windows of 512 tokens, and {least} are "
                "the fewest that say anything",
                hint="give a longer text, or more --positions and --search-positions",
            )
    return search, held_out


def _shared(search: Text, held_out: Text) -> float:
    """Return the share that either has of the other: the larger one counts."""
    one, other = search.tokens, held_out.tokens
    return max(overlap.share(one, other), overlap.share(other, one))


def _require_apart(ground: Ground, emit: Emit) -> None:
    """Refuse a held-out text that is the text to choose on; warn where they share much."""
    search, held_out = ground.search.name, ground.held_out.name
    if ground.shared > _REFUSED:
        raise BadInput(
            f"{held_out} and {search} share {ground.shared:.0%} of their tokens in long runs: the "
            "one would prove nothing of what is chosen on the other",
            hint="give two texts that have nothing in common",
        )
    for warning in shared_warnings(ground):
        emit(Noted(warning, warning=True))


def shared_warnings(ground: Ground) -> tuple[str, ...]:
    """Say where a mix is proved on text that it was chosen on."""
    if ground.shared <= LIMIT:
        return ()
    return (
        f"the held-out text {ground.held_out.name} and {ground.search.name}, on which the mix is "
        f"chosen, share {ground.shared:.1%}: the proof is weaker than it looks",
    )


def read_text(path: Path) -> str:
    """Read a text that was named; raise `BadInput` for what is none, or too much."""
    try:
        if path.stat().st_size > _MOST_TEXT_BYTES:
            raise BadInput(
                f"{path} is larger than {_MOST_TEXT_BYTES >> 20} MiB", hint="give a part of it"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="check the path") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no UTF-8 text", hint="convert it") from None


def _out(request: LabRequest, chosen: Chosen) -> Path:
    out = request.out or Path("labs") / chosen.model
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file", hint="give a folder with --out")
    known = ("lock", "measurements.jsonl")
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in known):
        raise BadInput(f"{out} is not empty and no lab has worked there", hint="give another --out")
    return out
