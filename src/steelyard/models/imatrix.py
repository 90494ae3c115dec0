"""Importance matrices: per tensor and column, the mean square of what flows into the weights.

Reads llama.cpp's two formats (the GGUF one and the older `.dat`), writes the GGUF one, and computes
one by running the model. Not aware of quants.
Source: `load_imatrix` and `save_imatrix` in tools/imatrix/imatrix.cpp of ggml-org/llama.cpp.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import UnreadableModel
from steelyard.llamalib import conformance, importance
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models import gguf, writer
from steelyard.platform import atomic

Floats = npt.NDArray[np.float32]
_SUMS, _COUNTS = ".in_sum2", ".counts"
_MIN_DAT: Final = 20
_MAX_DAT: Final = 1 << 30
_HINT: Final = "make it with llama-imatrix, or leave --imatrix out and let it be computed"


@final
@dataclass(frozen=True, slots=True)
class Statistic:
    """Sums of squares, one row per expert (a plain tensor has one), and tokens seen by each."""

    sums: Floats
    counts: Floats

    def means(self) -> Floats:
        """Mean squares; an expert that saw nothing weighs every column the same."""
        seen = self.counts[:, None]
        means = np.divide(self.sums, seen, out=np.ones_like(self.sums), where=seen > 0)
        return means.astype(np.float32)


@final
@dataclass(frozen=True, slots=True)
class Imatrix:
    """An importance matrix and where it came from. `sha256` is of the file."""

    name: str
    sha256: str
    statistics: Mapping[str, Statistic]
    chunks: int
    chunk_tokens: int
    datasets: tuple[str, ...]

    @property
    def plain_name(self) -> str:
        """A file name that follows from the content alone."""
        return f"imatrix-{self.sha256[:16]}.gguf"

    def importance(self, tensor: str) -> Floats | None:
        """Return a tensor's importances, expert after expert, or None where it was not seen."""
        statistic = self.statistics.get(tensor)
        return None if statistic is None else statistic.means().reshape(-1)


def read(path: Path) -> Imatrix:
    """Read an importance matrix; raise `UnreadableModel` for anything else."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            size = path.stat().st_size
    except OSError as error:
        raise UnreadableModel(
            f"the importance matrix {path} cannot be read: {error.strerror}", hint=_HINT
        ) from None
    matrix = _read_gguf(path) if magic == b"GGUF" else _read_dat(path, size)
    if not matrix.statistics:
        raise _bad(path, "it holds no statistic")
    for name, statistic in matrix.statistics.items():
        if not np.isfinite(statistic.sums).all() or (statistic.sums < 0).any():
            raise _bad(path, f"the statistic of {name!r} holds values that no square can have")
    return matrix


def write(
    path: Path,
    statistics: Mapping[str, Statistic],
    *,
    chunks: int,
    chunk_tokens: int,
    datasets: tuple[str, ...],
) -> Path:
    """Write an importance matrix in llama.cpp's GGUF format."""
    entries = [
        writer.text("general.type", "imatrix"),
        writer.texts("imatrix.datasets", datasets),
        writer.number("imatrix.chunk_count", chunks),
        writer.number("imatrix.chunk_size", chunk_tokens),
    ]
    rows: list[writer.Row] = []
    data: list[Floats] = []
    for name, statistic in sorted(statistics.items()):
        experts, columns = statistic.sums.shape
        rows.append(writer.Row(name + _SUMS, (columns, experts), BY_NAME["F32"]))
        rows.append(writer.Row(name + _COUNTS, (1, experts), BY_NAME["F32"]))
        data += [statistic.sums.astype("<f4"), statistic.counts.astype("<f4")]
    with atomic.replacing(path) as out:
        out.write(writer.header(entries, rows, gguf.DEFAULT_ALIGNMENT))
        for values in data:
            writer.write_weights(out, [values.tobytes()], gguf.DEFAULT_ALIGNMENT)
    return path


def compute(
    model: Path,
    text: str,
    out: Path,
    *,
    dataset: str = "",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Run a model over a calibration text and write its importance matrix to `out`.

    `dataset` names the text in the file. `progress` is called with (chunks done, chunks in all).
    Raises `ConformanceError` where the self-check does not let activations be read.
    """
    conformance.require_callback()
    sums = importance.gathered(model, text, threads=threads, progress=progress)
    statistics = {
        name: Statistic(total.astype(np.float32), counts.astype(np.float32))
        for name, (total, counts) in sums.items()
    }
    seen = max((int(s.counts.max()) for s in statistics.values()), default=0)
    chunks = seen // importance.CHUNK_TOKENS
    named = dataset or f"text sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return write(
        out, statistics, chunks=chunks, chunk_tokens=importance.CHUNK_TOKENS, datasets=(named,)
    )


def _read_gguf(path: Path) -> Imatrix:
    header = gguf.read(path)
    if header.text("general.type") != "imatrix":
        raise _bad(path, "it is a model")
    raw = path.read_bytes()
    found: dict[str, Floats] = {}
    for tensor in header.tensors:
        if tensor.type.name != "F32":
            raise _bad(path, f"{tensor.name!r} is {tensor.type.name}, not F32")
        values = np.frombuffer(raw, "<f4", tensor.elements, tensor.start)
        found[tensor.name] = values.reshape(-1, tensor.shape[0])
    statistics = {}
    for name, sums in found.items():
        if name.endswith(_SUMS):
            counts = found.get(name.removesuffix(_SUMS) + _COUNTS)
            if counts is None or counts.size != sums.shape[0]:
                raise _bad(path, f"{name!r} has no fitting counts")
            statistics[name.removesuffix(_SUMS)] = Statistic(sums, counts.reshape(-1))
    datasets = header.value("imatrix.datasets")
    names = datasets.decode() if isinstance(datasets, gguf.Array) else []
    return Imatrix(
        path.name,
        hashlib.sha256(raw).hexdigest(),
        statistics,
        header.integer("imatrix.chunk_count", 0),
        header.integer("imatrix.chunk_size", 0),
        tuple(str(name) for name in names),
    )


def _read_dat(path: Path, size: int) -> Imatrix:
    if not _MIN_DAT <= size <= _MAX_DAT:
        raise _bad(path, f"it has {size} bytes")
    raw = path.read_bytes()
    try:
        return _parse_dat(path, raw)
    except (struct.error, UnicodeDecodeError):
        raise _bad(path, "it is truncated or not an importance matrix at all") from None


def _parse_dat(path: Path, raw: bytes) -> Imatrix:
    (entries,) = struct.unpack_from("<i", raw)
    at, statistics = 4, dict[str, Statistic]()
    for _ in range(entries):
        (length,) = struct.unpack_from("<i", raw, at)
        name = raw[at + 4 : at + 4 + length].decode()
        calls, count = struct.unpack_from("<ii", raw, at + 4 + length)
        at += 12 + length
        if length <= 0 or count <= 0 or at + 4 * count > len(raw):
            raise _bad(path, "it is truncated or not an importance matrix at all")
        values = np.frombuffer(raw, "<f4", count, at).reshape(1, -1)
        statistics[name] = Statistic(values, np.array([calls], np.float32))
        at += 4 * count
    chunks, dataset = 0, tuple[str, ...]()
    if at + 8 <= len(raw):
        chunks, length = struct.unpack_from("<ii", raw, at)
        dataset = (raw[at + 8 : at + 8 + max(0, length)].decode("utf-8", "replace"),)
    digest = hashlib.sha256(raw).hexdigest()
    return Imatrix(path.name, digest, statistics, chunks, 0, dataset)


def _bad(path: Path, why: str) -> UnreadableModel:
    return UnreadableModel(f"{path.name} is not a usable importance matrix: {why}", hint=_HINT)
