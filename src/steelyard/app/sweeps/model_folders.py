"""The ladder of a sweep on MLX or Transformers: folders that are there, or that mlx-lm quantises.

Each is a model in a folder of its own. Of one folder in full precision MLX's own converter makes
the others; Transformers loads folders as they are, so it takes several that are there. Not aware
of campaigns.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.app import exporting_models, subjects
from steelyard.app.subjects import Chosen
from steelyard.app.sweeps.ladder import only, stand_in
from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.subject import ArtifactFacts, Variant
from steelyard.engines import api, environments
from steelyard.models import disk, folders, quants
from steelyard.platform import clock

BITS: Final = (8, 4)
# Of each group of 64 weights MLX keeps a scale and a bias of 16 bits.
_GROUP_BITS: Final = 32 / 64
_TAKES: Final = frozenset({2, 3, 4, 5, 6, 8})
_NAMED: Final = re.compile(r"(?:mlx)?([2-8])(?:-?bit)?", re.IGNORECASE)
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class FolderOrder:
    """What is to be swept: the folders that are there, and the bits that are to be made of one."""

    chosen: Chosen
    bits: tuple[int, ...] = ()

    @property
    def source(self) -> tuple[Path, ArtifactFacts]:
        """The reference's folder: the one with the most bits."""
        return self.chosen.files[0]

    @property
    def file_bytes(self) -> int:
        """How many bytes the folders to be made will take."""
        return sum(_facts(self.source[1], bits).tensor_bytes for bits in self.bits)


def is_of_folders(chosen: Chosen) -> bool:
    """Say whether this engine loads model folders; raise `UnsupportedSubject` for a file then."""
    if chosen.engine not in environments.NAMES:
        return False
    for path, _ in chosen.files:
        if not path.is_dir():
            raise UnsupportedSubject(
                f"{chosen.engine} loads folders of safetensors, and {path.name} is a file",
                hint="`steelyard models export` writes an unquantised GGUF file as a folder"
                " (--format safetensors): sweep that",
            )
    return True


def order(chosen: Chosen, wanted: tuple[str, ...] | None) -> FolderOrder:
    """Check what is asked for. Raises `BadInput` for what cannot be had, and makes nothing."""
    environments.required(chosen.engine)
    loads = api.dialect(chosen.engine).capabilities.formats
    for path, _ in chosen.files:
        layout = folders.layout_of(path)
        if layout not in loads:
            raise UnsupportedSubject(
                f"{chosen.engine} loads {' or '.join(sorted(loads))}; {path.name} is {layout}",
                hint=f"sweep such folders with --engine {layout}",
            )
    if chosen.ladder:
        return FolderOrder(only(chosen, wanted))
    path, facts = chosen.files[0]
    if chosen.engine != "mlx":
        raise UnsupportedSubject(
            f"{path.name} is one model, and {chosen.engine} has no quantiser to make others of it",
            hint="give a folder that holds the folders of several quants of it",
        )
    if not quants.is_native(facts.quant):
        raise BadInput(
            f"{path.name} is already quantised ({facts.quant}); quants made from it lose twice",
            hint="give the folder in full precision, or a folder that holds several quants",
        )
    return FolderOrder(chosen, BITS if wanted is None else tuple(dict.fromkeys(map(_bits, wanted))))


def foreseen(order: FolderOrder) -> tuple[Variant, ...]:
    """Return the variants as the rules foresee them: nothing is made or hashed."""
    names = subjects.labels(order.chosen.files)
    _, source = order.source
    there = [
        stand_in(names[path], facts, folders.layout_of(path)) for path, facts in order.chosen.files
    ]
    made = [stand_in(_name(bits), _facts(source, bits), "mlx") for bits in order.bits]
    return replace(there[0], reference=subjects.reference_kind(source)), *there[1:], *made


def make(
    order: FolderOrder, folder: Path, emit: Emit
) -> tuple[tuple[Variant, ...], dict[str, Path]]:
    """Quantise what is missing and verify every folder; return variants, reference first."""
    source, facts = order.source
    names = subjects.labels(order.chosen.files)
    kind = subjects.reference_kind(facts)
    if kind == "lossy":
        emit(Noted(f"{source.name} is itself quantised: the reference is lossy", warning=True))
    reference = subjects.verified(names[source], source, emit, reference=kind)
    paths = {reference.artifact.sha256: source.absolute()}
    variants = [reference]
    placed = [(names[path], path) for path, _ in order.chosen.files[1:]]
    placed += [(_name(bits), path) for bits, path in _quantised(order, folder, emit)]
    for label, path in placed:
        variant = subjects.verified(label, path, emit)
        paths.setdefault(variant.artifact.sha256, path.absolute())
        variants.append(variant)
    return tuple(variants), paths


def _quantised(order: FolderOrder, folder: Path, emit: Emit) -> list[tuple[int, Path]]:
    """Have mlx-lm write the folders; what an interrupted sweep left of one is made anew."""
    source, _ = order.source
    if not order.bits:
        return []
    disk.require(folder, order.file_bytes, what=f"quantising {source.name}")
    folder.mkdir(parents=True, exist_ok=True)
    started_ns, made = clock.monotonic_ns(), []
    emit(PhaseStarted("quantising", len(order.bits), source.name))
    for number, bits in enumerate(order.bits, start=1):
        out = folder / f"{order.chosen.model}-{_name(bits)}"
        shutil.rmtree(out, ignore_errors=True)
        exporting_models.quantised(source, out, bits)
        made.append((bits, out))
        emit(Advanced("quantising", number, _name(bits)))
    emit(PhaseEnded("quantising", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return made


def _bits(name: str) -> int:
    """Read `8`, `8bit` or `MLX8`."""
    found = _NAMED.fullmatch(name)
    if found is None or int(found[1]) not in _TAKES:
        raise BadInput(
            f"--quants {name}: MLX quantises to so many bits, and this is no such number",
            hint=f"one of {', '.join(map(str, sorted(_TAKES)))}, e.g. --quants 8,4",
        )
    return int(found[1])


def _name(bits: int) -> str:
    return f"MLX{bits}"


def _facts(source: ArtifactFacts, bits: int) -> ArtifactFacts:
    """Return what the folder's headers will say, as far as the rules tell."""
    bpw = bits + _GROUP_BITS
    size = round(source.parameters * bpw / 8)
    return replace(
        source,
        quant=_name(bits),
        tensor_bytes=size,
        file_bpw=bpw,
        active_bytes=round(source.active_bytes * size / source.tensor_bytes),
    )
