"""Recipes of mixes: kept with their files after a search, and applied again.

The folder `models` of a lab is a ladder that `steelyard sweep` takes: the reference as a link, the
stock mix, the better mix. Not aware of the search.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from steelyard.analysis.mixes import Proof
from steelyard.app import subjects
from steelyard.app.mixes.findings import Kept, Stock
from steelyard.app.mixes.ground import Ground
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, ConformanceError
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.subject import Variant
from steelyard.models import artifacts, imatrix, ladder, mixes, quants, shards
from steelyard.models.mixes import Matrix, Recipe, Types
from steelyard.platform import atomic, clock

_NS_PER_S = 1e9


@final
@dataclass(frozen=True, slots=True)
class RecipeOrder:
    """What `models quantise --recipe` was asked for."""

    subject: str
    recipe: Path
    out: Path | None
    imatrix: Path | None


def keep(ground: Ground, base: Stock, types: Types, proof: Proof, emit: Emit) -> Kept:
    """Write mix, stock mix, link to the reference, importance matrix and recipe."""
    folder, matrix = ground.out / "models", base.axis.matrix
    folder.mkdir(exist_ok=True)
    _link(ground, folder)
    name = None
    if matrix is not None and base.axis.path is not None:
        name = matrix.plain_name
        with base.axis.path.open("rb") as source, atomic.replacing(ground.out / name) as out:
            shutil.copyfileobj(source, out)
    draft = Recipe(
        stock=ground.stock.name,
        types=types,
        source_sha256=ground.sha256,
        imatrix=None if matrix is None or name is None else Matrix(matrix.sha256, name),
        made_by=ladder.maker(),
        notes=_notes(ground, proof),
    )
    _made(base.order, folder / f"{ground.stem}.gguf", emit)
    order = mixes.of_recipe(ground.model, draft, matrix)
    mix = _made(order, folder / f"{ground.stem}-mix.gguf", emit)
    sha256 = artifacts.fingerprint(mix).sha256
    whole = replace(draft, sha256=sha256, bytes=mix.stat().st_size)
    path = ground.out / f"{ground.stem}-mix.recipe.json"
    atomic.write(path, encode(whole, indent=1).encode())
    return Kept(mix, path, folder, sha256)


def apply(order: RecipeOrder, emit: Emit) -> tuple[Variant, Path]:
    """Make a recipe's mix of a model; say where it is not the very file that was found."""
    recipe = read(order.recipe)
    chosen = subjects.require_gguf(subjects.choose(order.subject), "a recipe")
    path, facts = chosen.files[0]
    if not quants.is_native(facts.quant):
        raise BadInput(
            f"{path.name} is already quantised ({facts.quant}): a mix made from it loses twice",
            hint="give the F16, BF16 or F32 file",
        )
    matrix = _matrix(order, recipe)
    read_matrix = None if matrix is None else imatrix.read(matrix)
    made = mixes.of_recipe(shards.read_model(path), recipe, read_matrix)
    source = artifacts.fingerprint(path)
    folder = order.out or (Path.cwd() if chosen.model == subjects.BUNDLED else path.parent)
    name = order.recipe.name.removesuffix(".json").removesuffix(".recipe")
    out = _made(made, folder / f"{name}.gguf", emit)
    variant = subjects.verified("mix", out, emit)
    try:
        _compare(recipe, source.sha256, variant.artifact.sha256, emit)
    except ConformanceError:
        out.unlink()
        raise
    return variant, out


def read(path: Path) -> Recipe:
    """Read a recipe; raise `BadInput` for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"the recipe {path} cannot be read: {error.strerror}", hint="check --recipe"
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no recipe: it is not text", hint="check --recipe") from None
    return decode(Recipe, text, source=str(path))


def _compare(recipe: Recipe, source: str, made: str, emit: Emit) -> None:
    """Say whether the file is the one that the recipe was proved with."""
    if not recipe.sha256:
        return
    if recipe.sha256 == made:
        emit(Noted("bit for bit the file that the recipe was proved with"))
    elif recipe.source_sha256 != source:
        emit(Noted("the recipe was found for another file: its types, not its proof", warning=True))
    elif recipe.made_by != ladder.maker():
        emit(
            Noted(
                f"the recipe's file was made by {recipe.made_by}, this one by {ladder.maker()}: "
                "the types are the same, the bytes are not",
                warning=True,
            )
        )
    else:
        raise ConformanceError(
            f"the file has sha256 {made[:16]}…, the recipe says {recipe.sha256[:16]}…, and model, "
            "importance matrix, library and machine are the same",
            hint="the recipe was changed by hand (take sha256 out of it), or the kernels misbehave",
        )


def _matrix(order: RecipeOrder, recipe: Recipe) -> Path | None:
    if order.imatrix is not None or recipe.imatrix is None:
        return order.imatrix
    beside = order.recipe.parent / recipe.imatrix.file
    if not beside.is_file():
        raise BadInput(
            f"the recipe needs the importance matrix {recipe.imatrix.file}, which is not beside it",
            hint="give it with --imatrix FILE",
        )
    return beside


def _made(order: ladder.Order, out: Path, emit: Emit) -> Path:
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("quantising", 100, out.stem))
    ladder.perform(
        order,
        out,
        progress=lambda done, total: emit(Advanced("quantising", 100 * done // max(1, total))),
    )
    emit(PhaseEnded("quantising", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return out


def _link(ground: Ground, folder: Path) -> None:
    """Lay the reference into the ladder's folder as links: a sweep needs it there."""
    several = len(ground.model.shards) > 1
    for shard in ground.model.shards:
        name = f"{ground.chosen.model}-{ground.facts.quant}.gguf"
        place = folder / (shard.path.name if several else name)
        if place.resolve() == shard.path.resolve():
            continue
        with contextlib.suppress(FileNotFoundError):
            place.unlink()
        try:
            place.symlink_to(shard.path.resolve())
        except OSError:
            os.link(shard.path.resolve(), place)


def _notes(ground: Ground, proof: Proof) -> tuple[str, ...]:
    return (
        f"found for {ground.path.name} on {ground.search.positions} positions of "
        f"{ground.search.name} ({ground.search.sha256[:16]})",
        f"proved on {proof.positions} positions of {ground.held_out.name} "
        f"({ground.held_out.sha256[:16]}): {_value(proof.ratio.value)} of the divergence of "
        f"{ground.stock.name}, 95 % interval {_value(proof.ratio.low)} to "
        f"{_value(proof.ratio.high)}",
    )


def _value(reading: Reading[float]) -> str:
    return f"{reading.value:.4f}" if isinstance(reading, Measured) else str(reading)
