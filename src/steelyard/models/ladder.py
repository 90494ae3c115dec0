"""Make one quant of a model: decide it, see that it may and can be done, and do it.

The types come from `recipes`, the bytes from the wheel's kernels (or from llama-quantize on PATH);
the file appears whole or not at all, and nothing begins before there is room for it. Not aware of
sweeps. Metadata as llama.cpp writes it, and two keys of our own that say what made the file.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, final

import numpy as np

from steelyard.domain.errors import BadInput, ConformanceError, UnreadableModel, UnsupportedSubject
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib import conformance, library, runtimes
from steelyard.llamalib.kernels import Bytes, Floats, Kernels
from steelyard.models import artifacts, disk, gguf, quants, recipes, shards, writer
from steelyard.models import imatrix as imatrices
from steelyard.models.imatrix import Imatrix
from steelyard.platform import atomic

Runtime: TypeAlias = Literal["wheel", "native"]
Progress: TypeAlias = Callable[[int, int], None]

QUANTISATION_VERSION: Final = 2
_REPLACED: Final = frozenset(
    {
        *("general.quantization_version", "general.file_type", "steelyard.quantised_by"),
        *("quantize.imatrix.file", "quantize.imatrix.dataset", "steelyard.imatrix.sha256"),
        *("quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"),
        "steelyard.recipe",
    }
)
_SPLIT: Final = frozenset({"split.no", "split.count", "split.tensors.count"})
_PIECE: Final = 1 << 24


@final
@dataclass(frozen=True, slots=True)
class Order:
    """One quantisation, decided: what becomes what, and how large the result will be.

    `recipe` is the id of a mix's recipe: the file then says that and claims no quant's name.
    """

    model: shards.Model
    quant: quants.Quant
    targets: tuple[recipes.Target, ...]
    imatrix: Imatrix | None
    recipe: str | None = None

    @property
    def rows(self) -> list[writer.Row]:
        """The tensor table of the result."""
        return [writer.Row(t.tensor.name, t.tensor.shape, t.type) for t in self.targets]

    @property
    def entries(self) -> list[bytes]:
        """The metadata of the result, in llama.cpp's order and then ours."""
        kept = [
            entry.raw
            for key, entry in self.model.head.entries.items()
            if key not in _REPLACED | _SPLIT
        ]
        kept.append(writer.number("general.quantization_version", QUANTISATION_VERSION))
        if self.recipe is None:
            kept.append(writer.number("general.file_type", self.quant.file_type))
        else:
            kept.append(writer.text("steelyard.recipe", self.recipe))
        if self.imatrix is not None:
            # A recipe's bytes may not depend on how somebody calls the matrix's file.
            named = self.imatrix.name if self.recipe is None else self.imatrix.plain_name
            kept.append(writer.text("quantize.imatrix.file", named))
            if self.imatrix.datasets:
                kept.append(writer.text("quantize.imatrix.dataset", self.imatrix.datasets[-1]))
            entries = len(self.imatrix.statistics)
            kept.append(writer.number("quantize.imatrix.entries_count", entries))
            kept.append(writer.number("quantize.imatrix.chunks_count", self.imatrix.chunks))
            kept.append(writer.text("steelyard.imatrix.sha256", self.imatrix.sha256))
        return [*kept, writer.text("steelyard.quantised_by", maker())]

    @property
    def file_bytes(self) -> int:
        """Bytes of the result."""
        return writer.file_bytes(self.entries, self.rows, self.model.head.alignment)


def quantise(
    source: Path,
    quant: str,
    out: Path,
    *,
    imatrix: Path | None = None,
    runtime: Runtime = "wheel",
    requantise: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make `quant` of `source` at `out` and return `out`.

    `progress` is called with (weights done, weights in all). Raises `UnsupportedSubject` where the
    quant does not suit the model, `TooLittleRoom`, `UnreadableModel`, or `ConformanceError`.
    """
    order = plan(source, quant, imatrix=imatrix, requantise=requantise, runtime=runtime)
    if runtime == "native":
        _require_place(order, out)
        return _native(order, out, imatrix, requantise=requantise, threads=threads)
    return perform(order, out, threads=threads, progress=progress)


def perform(
    order: Order, out: Path, *, threads: int | None = None, progress: Progress | None = None
) -> Path:
    """Do what `order` says with the wheel's kernels; return `out`. Raises as `quantise` does."""
    _require_place(order, out)
    conformance.require_kernels({target.type.name for target in order.targets})
    kernels = Kernels(threads)
    total = sum(target.tensor.elements for target in order.targets)
    counter = _Counter(total, progress)
    with atomic.replacing(out) as stream:
        _write(order, kernels, stream, counter)
    return out


def _require_place(order: Order, out: Path) -> None:
    if out.resolve() in {shard.path.resolve() for shard in order.model.shards}:
        raise BadInput(f"{out} is the source itself", hint="choose another name for the result")
    name = f"{order.quant.name} of {order.model.path.name}"
    disk.require(out.parent, order.file_bytes, what=name)


def plan(
    source: Path,
    quant: str,
    *,
    imatrix: Path | None = None,
    requantise: bool = False,
    runtime: Runtime = "wheel",
) -> Order:
    """Decide a quantisation without doing it: types, size, and whether it may be done at all."""
    wanted = quants.find(quant)
    model = shards.read_model(source)
    matrix = None if imatrix is None else imatrices.read(imatrix)
    tensors = [tensor for _, tensor in model.tensors()]
    shape = model_shape(model)
    with_imatrix = matrix is not None
    exact = runtime == "wheel"
    targets = recipes.plan(wanted, tensors, shape, imatrix=with_imatrix, exact=exact)
    order = Order(model, wanted, tuple(targets), matrix)
    permit(order, requantise=requantise)
    if runtime == "native":
        runtimes.native().require("llama-quantize")
    return order


def facts(order: Order) -> ArtifactFacts:
    """Return what the result's own header will say: types, sizes, and what they take and read."""
    head = order.model.head
    entries = {key: entry for key, entry in head.entries.items() if key not in _REPLACED | _SPLIT}
    entries["general.file_type"] = gguf.Entry(order.quant.file_type, 0, b"")
    tensors = tuple(gguf.Tensor(r.name, r.shape, r.type, 0, r.size_bytes) for r in order.rows)
    found = replace(head, entries=entries, tensors=tensors)
    matrix = None if order.imatrix is None else order.imatrix.sha256
    return replace(artifacts.facts_of(shards.Model((found,))), imatrix=matrix)


def model_shape(model: shards.Model) -> recipes.ModelShape:
    """Return what the type rules need to know of a model."""
    head = model.head
    arch = head.text("general.architecture")
    if arch is None:
        raise gguf.unreadable(model.path, "its metadata names no architecture")
    heads = head.integer(f"{arch}.attention.head_count", 0)
    return recipes.ModelShape(
        architecture=arch,
        layers=head.integer(f"{arch}.block_count", 0),
        heads=heads,
        kv_heads=head.integer(f"{arch}.attention.head_count_kv", heads),
        experts=head.integer(f"{arch}.expert_count", 0),
    )


def permit(order: Order, *, requantise: bool = False) -> None:
    """Raise `UnsupportedSubject` for what may not be done."""
    for target in order.targets:
        _permit(order, target, requantise=requantise)


def _permit(order: Order, target: recipes.Target, *, requantise: bool) -> None:
    tensor, quant = target.tensor, order.quant
    if tensor.type.id == target.type.id:
        return
    if tensor.type.quantised and not requantise:
        raise UnsupportedSubject(
            f"{order.model.path.name} is already quantised ({tensor.name!r} is {tensor.type.name})",
            hint="start from F16, BF16 or F32, or accept the added loss with --requantise",
        )
    if not tensor.type.quantised and tensor.type.name not in ("F32", "F16", "BF16"):
        raise UnsupportedSubject(
            f"{tensor.name!r} is stored as {tensor.type.name}, which holds no weights",
            hint="export the model again as F16 or BF16",
        )
    if not target.needs_imatrix:
        return
    if order.imatrix is None:
        raise UnsupportedSubject(
            f"{quant.name} makes {tensor.name!r} {target.type.name}, and that needs an importance"
            " matrix",
            hint="pass one with --imatrix FILE, let it be computed, or ask for Q2_K or more bits",
        )
    if order.imatrix.importance(tensor.name) is None:
        raise UnsupportedSubject(
            f"the importance matrix {order.imatrix.name} says nothing of {tensor.name!r}",
            hint="it was made for another model: make one for this model",
        )


def _write(order: Order, kernels: Kernels, out: BinaryIO, counter: _Counter) -> None:
    alignment = order.model.head.alignment
    homes = {tensor.name: path for path, tensor in order.model.tensors()}
    out.write(writer.header(order.entries, order.rows, alignment))
    for target in order.targets:
        with homes[target.tensor.name].open("rb") as source:
            pieces = _pieces(order, target, source, kernels, counter)
            written = writer.write_weights(out, pieces, alignment)
        if written != target.size_bytes:
            raise ConformanceError(
                f"{target.tensor.name!r} came out as {written} bytes, not {target.size_bytes}",
                hint="the source changed while it was read, or the kernels misbehave",
            )


def _pieces(
    order: Order, target: recipes.Target, source: BinaryIO, kernels: Kernels, counter: _Counter
) -> Iterator[bytes]:
    """Yield the new bytes of one tensor, a bounded number of whole rows at a time."""
    tensor, same = target.tensor, target.tensor.type.id == target.type.id
    width = tensor.shape[0]
    height = tensor.shape[1] if len(tensor.shape) > 1 else 1
    step = max(1, _PIECE // width)
    importance = _importances(order, tensor)
    source.seek(tensor.start)
    for matrix in range(tensor.elements // (width * height)):
        for first in range(0, height, step):
            rows = min(step, height - first)
            raw = _read(source, rows * tensor.type.row_bytes(width), tensor.name)
            if same:
                yield raw.tobytes()
                counter.add(rows * width)
                continue
            values = kernels.dequantise(tensor.type, raw, rows * width).reshape(rows, width)
            weights = None if importance is None else importance[matrix]
            yield kernels.quantise(target.type, values, weights, counter.add).tobytes()


def _read(source: BinaryIO, count: int, name: str) -> Bytes:
    """Read exactly `count` bytes: a kernel handed fewer would read on in foreign memory."""
    raw = source.read(count)
    if len(raw) != count:
        raise UnreadableModel(
            f"the source became shorter while {name!r} was read",
            hint="something else writes to it: let that finish, then try again",
        )
    return np.frombuffer(raw, np.uint8)


def _importances(order: Order, tensor: gguf.Tensor) -> Floats | None:
    """Return one row of importances per expert, or None where the matrix knows nothing."""
    if order.imatrix is None:
        return None
    flat = order.imatrix.importance(tensor.name)
    if flat is None:
        return None
    experts = tensor.shape[2] if len(tensor.shape) > 2 else 1  # noqa: PLR2004
    if flat.size != tensor.shape[0] * experts:
        raise UnsupportedSubject(
            f"the importance matrix {order.imatrix.name} has {flat.size} values for"
            f" {tensor.name!r}, which has {tensor.shape[0] * experts} columns",
            hint="it was made for another model: make one for this model",
        )
    return flat.reshape(experts, -1)


def _native(
    order: Order, out: Path, imatrix: Path | None, *, requantise: bool, threads: int | None
) -> Path:
    atomic.clear_torn(out)
    part = atomic.part_of(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        runtimes.native().quantise(
            order.model.path,
            part,
            order.quant.name,
            imatrix=imatrix,
            requantise=requantise,
            threads=threads,
        )
        made = shards.read_model(part)
        if {t.name for _, t in made.tensors()} != {t.tensor.name for t in order.targets}:
            raise ConformanceError(
                f"llama-quantize made a file with other tensors than {order.model.path.name}",
                hint="use --runtime wheel",
            )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def maker() -> str:
    """Say what quantises here: the wheel, its version, and the machine, which decides bytes."""
    return f"{library.WHEEL} {library.version()} {platform.machine().lower()}"


@final
class _Counter:
    """Adds up finished weights for a progress bar."""

    __slots__ = ("_done", "_show", "_total")

    def __init__(self, total: int, show: Progress | None) -> None:
        self._done, self._total, self._show = 0, total, show

    def add(self, weights: int) -> None:
        """Count finished weights and show the new sum."""
        self._done += weights
        if self._show is not None:
            self._show(self._done, self._total)
