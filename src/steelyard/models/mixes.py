"""Mixes of tensor types: what may become what, in groups, and recipes that make a mix again.

A group is one kind of tensor (`ffn_down`) in one band of neighbouring layers; its tensors change
together. A recipe names the type of each tensor and the importance matrix by its hash: with the
source it decides every byte. Not aware of divergences or of searching.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.errors import BadInput, UnknownName, UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.llamalib.tensor_types import BY_NAME, TensorType
from steelyard.models import gguf, ladder, quants, recipes, shards, writer
from steelyard.models.imatrix import Imatrix

SCHEMA: Final = "steelyard.recipe/1"
BANDS: Final = 4
# By bits. Those with blocks of 32 are for rows that no block of 256 fits.
LARGE_BLOCKS: Final = (
    *("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K"),
    *("IQ4_XS", "IQ4_NL", "Q4_K", "Q5_K", "Q6_K", "Q8_0"),
)
SMALL_BLOCKS: Final = ("Q4_0", "IQ4_NL", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
KNOWN: Final = (*dict.fromkeys((*LARGE_BLOCKS, *SMALL_BLOCKS)), "F16", "BF16")
# Types so far from the stock mix's bits are no use in a mix of its size.
_REACH: Final = (0.65, 2.0)
_BLOCK: Final = re.compile(r"^blk\.(\d+)\.(.+?)(?:\.weight)?$")

Types = Mapping[str, str]


@final
@dataclass(frozen=True, slots=True)
class Group:
    """Tensors of one kind in neighbouring layers."""

    name: str
    tensors: tuple[gguf.Tensor, ...]


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """One way to store a group: the type of each tensor by name, and the bytes in a file."""

    name: str
    types: Types
    size_bytes: int

    @property
    def plain(self) -> bool:
        """Whether every type is decoded without a table."""
        return not any(name.startswith("IQ") for name in self.types.values())


@final
@dataclass(frozen=True, slots=True)
class Matrix:
    """The importance matrix that a recipe was made with; `file` is its name beside the recipe."""

    sha256: str
    file: str


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """A mix that can be made again. `source_sha256` is of the file that it was found for.

    `sha256` and `bytes` are of the file that came out with the library and machine of `made_by`.
    """

    stock: str
    types: Types
    source_sha256: str
    imatrix: Matrix | None = None
    schema: str = SCHEMA
    made_by: str = ""
    sha256: str = ""
    bytes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Of what decides the bytes beside the source: types and importance matrix."""
        matrix = None if self.imatrix is None else self.imatrix.sha256
        return content_id({"types": dict(self.types), "imatrix": matrix})


def groups(tensors: Iterable[gguf.Tensor], bands: int = BANDS) -> tuple[Group, ...]:
    """Cut the tensors that may be quantised into groups, in file order."""
    able = [t for t in recipes.file_order(tensors) if recipes.may_quantise(t)]
    found = {tensor.name: _BLOCK.match(tensor.name) for tensor in able}
    layers = 1 + max((int(match[1]) for match in found.values() if match), default=0)
    bands = min(bands, layers)
    members: dict[tuple[str, int], list[gguf.Tensor]] = {}
    for tensor in able:
        match = found[tensor.name]
        key = (
            (tensor.name.removesuffix(".weight"), -1)
            if match is None
            else (match[2], int(match[1]) * bands // layers)
        )
        members.setdefault(key, []).append(tensor)
    return tuple(
        Group(_named(kind, band, some), tuple(some)) for (kind, band), some in members.items()
    )


def choices(
    group: Group, stock: Types, allowed: Sequence[str], matrix: Imatrix | None, alignment: int
) -> tuple[Choice, ...]:
    """Return the ways to store a group; the first is the stock mix's."""
    own = {tensor.name: stock[tensor.name] for tensor in group.tensors}
    ways = [own, *({tensor.name: name for tensor in group.tensors} for name in allowed)]
    kept: dict[tuple[str, ...], Choice] = {}
    for types in ways:
        if types is own or all(_fits(t, BY_NAME[types[t.name]], matrix) for t in group.tensors):
            names = tuple(dict.fromkeys(types.values()))
            size = sum(_stored(t, BY_NAME[types[t.name]], alignment) for t in group.tensors)
            kept.setdefault(tuple(types.values()), Choice("+".join(names), types, size))
    return tuple(kept.values())


def allowed_types(
    quant: quants.Quant, tensors: Sequence[gguf.Tensor], asked: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the types to choose from: those asked for, or those near the stock mix's bits."""
    if asked is not None:
        for name in asked:
            if name.upper() not in KNOWN:
                raise UnknownName.among("tensor type to mix", name, KNOWN)
        return tuple(dict.fromkeys(name.upper() for name in asked))
    able = [tensor for tensor in tensors if recipes.may_quantise(tensor)]
    large = any(tensor.shape[0] % BY_NAME["Q4_K"].block == 0 for tensor in able)
    small = any(tensor.shape[0] % BY_NAME["Q4_K"].block for tensor in able)
    names = dict.fromkeys((*(LARGE_BLOCKS if large else ()), *(SMALL_BLOCKS if small else ())))
    bits = BY_NAME[quant.default].bits_per_weight
    low, high = (bits * factor for factor in _REACH)
    return tuple(name for name in names if low <= BY_NAME[name].bits_per_weight <= high)


def order(
    model: shards.Model, stock: str, types: Types, matrix: Imatrix | None, recipe: str
) -> ladder.Order:
    """Decide a mix: tensors that `types` does not name stay as they are in the source."""
    tensors = recipes.file_order(tensor for _, tensor in model.tensors())
    strangers = set(types) - {tensor.name for tensor in tensors if recipes.may_quantise(tensor)}
    if strangers:
        raise UnsupportedSubject(
            f"the recipe names {min(strangers)!r}, and {model.path.name} has no such matrix",
            hint="a recipe is for one model's tensors: find one for this model",
        )
    targets = tuple(_target(tensor, types.get(tensor.name), matrix) for tensor in tensors)
    made = ladder.Order(model, quants.find(stock), targets, matrix, recipe)
    ladder.permit(made)
    return made


def of_recipe(model: shards.Model, recipe: Recipe, matrix: Imatrix | None) -> ladder.Order:
    """Decide what a recipe says. Raises `BadInput` where it is not for this model or matrix."""
    if recipe.schema != SCHEMA:
        raise BadInput(
            f"the recipe's schema is {recipe.schema!r}", hint=f"this version reads {SCHEMA}"
        )
    wanted = None if recipe.imatrix is None else recipe.imatrix.sha256
    found = None if matrix is None else matrix.sha256
    if wanted != found:
        raise BadInput(
            f"the recipe was made with {_called(wanted)}, not with {_called(found)}",
            hint="give that file with --imatrix, or keep it beside the recipe"
            if wanted
            else "leave --imatrix out",
        )
    for name in recipe.types.values():
        if name not in BY_NAME:
            raise UnknownName.among("tensor type in the recipe", name, KNOWN)
    able = [t for _, t in model.tensors() if recipes.may_quantise(t)]
    missing = [tensor.name for tensor in able if tensor.name not in recipe.types]
    if missing:
        raise UnsupportedSubject(
            f"the recipe says nothing of {missing[0]!r} and {len(missing) - 1} more",
            hint="it was found for another model: find one for this model",
        )
    return order(model, recipe.stock, recipe.types, matrix, recipe.id)


def types_of(order: ladder.Order) -> dict[str, str]:
    """Return the types of all matrices of a quantisation, by tensor."""
    return {
        target.tensor.name: target.type.name
        for target in order.targets
        if recipes.may_quantise(target.tensor)
    }


def _target(tensor: gguf.Tensor, name: str | None, matrix: Imatrix | None) -> recipes.Target:
    if name is None:
        return recipes.Target(tensor, tensor.type, needs_imatrix=False)
    kind = BY_NAME[name]
    if tensor.shape[0] % kind.block:
        raise UnsupportedSubject(
            f"{name} stores blocks of {kind.block} weights, and the rows of {tensor.name!r} have"
            f" {tensor.shape[0]}",
            hint="the recipe is for a model with other rows",
        )
    return recipes.Target(tensor, kind, needs_imatrix=not _fits(tensor, kind, matrix))


def _fits(tensor: gguf.Tensor, kind: TensorType, matrix: Imatrix | None) -> bool:
    if tensor.shape[0] % kind.block:
        return False
    known = matrix is not None and matrix.importance(tensor.name) is not None
    # The kernels of these types end the process where no importances are given.
    return known or kind.name not in recipes.IMATRIX_TYPES


def _stored(tensor: gguf.Tensor, kind: TensorType, alignment: int) -> int:
    return writer.padded(tensor.elements // kind.block * kind.block_bytes, alignment)


def _named(kind: str, band: int, tensors: Sequence[gguf.Tensor]) -> str:
    if band < 0:
        return kind
    layers = sorted({int(match[1]) for t in tensors if (match := _BLOCK.match(t.name))})
    return f"{kind} {layers[0]}" if len(layers) == 1 else f"{kind} {layers[0]}-{layers[-1]}"


def _called(sha256: str | None) -> str:
    return "no importance matrix" if sha256 is None else f"the importance matrix {sha256[:16]}"
