"""The ladder of a sweep: which quants of which file, foreseen before and verified after making.

A folder that already holds a ladder is taken as it is: nothing is quantised, each file is hashed
and read. Not aware of campaigns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.app import subjects
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant
from steelyard.models import disk, experts, ladder, quants
from steelyard.models.ladder import Runtime
from steelyard.platform import clock

DEFAULT_QUANTS: Final = ("Q8_0", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made: `made` from the first file, or nothing when all files are there."""

    chosen: Chosen
    made: tuple[ladder.Order, ...]
    imatrix: Path | None
    requantise: bool
    runtime: Runtime

    @property
    def source(self) -> tuple[Path, ArtifactFacts]:
        """Return the reference's file: the one with the most bits."""
        return self.chosen.files[0]

    @property
    def file_bytes(self) -> int:
        """Return how many bytes the files to be made will take."""
        return sum(order.file_bytes for order in self.made)


def order(
    chosen: Chosen,
    wanted: tuple[str, ...] | None,
    imatrix: Path | None,
    runtime: Runtime,
    *,
    requantise: bool,
) -> Order:
    """Check what is asked for. Raises `BadInput` for what cannot be had, and makes nothing."""
    if imatrix is not None and not imatrix.is_file():
        raise BadInput(f"there is no importance matrix {imatrix}", hint="check --imatrix")
    if chosen.ladder:
        if imatrix is not None or requantise:
            raise BadInput(
                f"{chosen.model} is a ladder already and nothing is quantised: "
                f"{'--imatrix' if imatrix is not None else '--requantise'} would have no effect",
                hint="leave it out, or give the one file to quantise from",
            )
        return Order(only(chosen, wanted), (), imatrix, requantise, runtime)
    path, facts = chosen.files[0]
    require_native(path, facts, requantise=requantise)
    matrix = imatrix or chosen.imatrix
    made = tuple(
        ladder.plan(path, quant, imatrix=matrix, requantise=requantise, runtime=runtime)
        for quant in wanted or DEFAULT_QUANTS
        if quants.find(quant).name != facts.quant
    )
    return Order(chosen, made, matrix, requantise, runtime)


def require_native(path: Path, facts: ArtifactFacts, *, requantise: bool) -> None:
    """Refuse to make quants of what is one already, unless that is meant."""
    if not quants.is_native(facts.quant) and not requantise:
        raise BadInput(
            f"{path.name} is already quantised ({facts.quant}); quants made from it lose twice",
            hint="give the F16 file or a folder with a ladder, or add --requantise",
        )


def foreseen(order: Order) -> tuple[Variant, ...]:
    """Return the variants as the rules foresee them: nothing is made or hashed."""
    names = subjects.labels(order.chosen.files)
    _, source = order.source
    there = [stand_in(names[path], facts) for path, facts in order.chosen.files]
    made = [stand_in(one.quant.name, ladder.facts(one)) for one in order.made]
    first = replace(there[0], reference=subjects.reference_kind(source))
    return (first, *there[1:], *made)


def make(order: Order, folder: Path, emit: Emit) -> tuple[tuple[Variant, ...], dict[str, Path]]:
    """Quantise what is missing and verify every file; return variants, reference first."""
    source, facts = order.source
    if order.made:
        disk.require(folder, order.file_bytes, what=f"quantising {source.name}")
    names = subjects.labels(order.chosen.files)
    kind = subjects.reference_kind(facts)
    if kind == "lossy":
        emit(Noted(f"{source.name} is itself quantised: the reference is lossy", warning=True))
    reference = subjects.verified(names[source], source, emit, reference=kind)
    # Not resolved: links of a model cache lead to files whose names no longer say which shard.
    paths = {reference.artifact.sha256: source.absolute()}
    variants = [reference]
    variants += [_add(paths, names[path], path, emit) for path, _ in order.chosen.files[1:]]
    if order.made:
        folder.mkdir(parents=True, exist_ok=True)
        if (matrix := order.made[0].imatrix) is not None:
            for warning in experts.warnings(matrix, facts.experts):
                emit(Noted(warning, warning=True))
    for one in order.made:
        made = quantise(order, one, folder, emit)
        variants += [_add(paths, one.quant.name, made, emit)]
    return tuple(variants), paths


def quantise(order: Order, one: ladder.Order, folder: Path, emit: Emit) -> Path:
    """Make one quant of the ladder in a folder and return its file."""
    source, _ = order.source
    quant = one.quant.name
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("quantising", 100, quant))
    made = ladder.quantise(
        source,
        quant,
        folder / f"{order.chosen.model}-{quant}.gguf",
        imatrix=order.imatrix,
        runtime=order.runtime,
        requantise=order.requantise,
        progress=lambda done, total: emit(Advanced("quantising", 100 * done // max(1, total))),
    )
    emit(PhaseEnded("quantising", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return made


def _add(paths: dict[str, Path], label: str, path: Path, emit: Emit) -> Variant:
    variant = subjects.verified(label, path, emit)
    paths.setdefault(variant.artifact.sha256, path.absolute())
    return variant


def only(chosen: Chosen, wanted: tuple[str, ...] | None) -> Chosen:
    """Keep the quants asked for, and always the reference."""
    if wanted is None:
        return chosen
    names = subjects.labels(chosen.files)
    for quant in wanted:
        if quant not in names.values():
            raise UnknownName.among("quant in this folder", quant, names.values())
    kept = tuple(
        (path, facts)
        for number, (path, facts) in enumerate(chosen.files)
        if number == 0 or names[path] in wanted
    )
    return replace(chosen, files=kept)


def stand_in(label: str, facts: ArtifactFacts, layout: str = "gguf") -> Variant:
    """Return a variant whose bytes are not there or not hashed yet."""
    artifact = Artifact(label, layout, f"not hashed yet: {label}", size_bytes=facts.tensor_bytes)
    return Variant(label, artifact, facts)
