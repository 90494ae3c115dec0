"""Read the headers of safetensors files, which may be broken or hostile, and of a model's shards.

No length in a file is believed before it has been checked against the bytes that are there; no
weight is read. A folder's weights are those that its index names; without an index
`model.safetensors`, or all shards of the one set that lies there. Not aware of what tensors mean.
Format: the README of huggingface/safetensors (a length of eight bytes, a JSON table of at most
100 MB, the weights without a hole); `*.safetensors.index.json` as transformers writes it.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, final

from steelyard.domain.errors import UnreadableModel

SUFFIX: Final = ".safetensors"
INDEX_SUFFIX: Final = ".safetensors.index.json"
WHOLE: Final = "model.safetensors"
METADATA: Final = "__metadata__"
DTYPE_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32}
    | {"F16": 16, "BF16": 16, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8}
    | {"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8}
    | {"F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
)
_LENGTH: Final = 8
_MAX_HEADER: Final = 100_000_000
_MAX_INDEX: Final = 64 << 20
_MAX_DIMENSIONS: Final = 8
_MAX_SIZE: Final = 1 << 62
_SHARD: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors$")
# What lies beside a model's own weights and would count them twice, or belongs to another model.
_ASIDE: Final = re.compile(r"^(consolidated|adapter_|optimizer|training_)")


class Stream(Protocol):
    """What a header is read from, front to back."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@final
@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of a table. `shape` has rows first; `start` is in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """How many numbers are stored; of packed weights each may hold several."""
        return math.prod(self.shape)


@final
@dataclass(frozen=True, slots=True)
class Header:
    """Everything that stands before the weights of one file; tensors in the order of the file."""

    path: Path
    file_bytes: int
    metadata: Mapping[str, str]
    tensors: tuple[Tensor, ...]


@final
@dataclass(frozen=True, slots=True)
class Model:
    """The headers of all weight files of a folder."""

    shards: tuple[Header, ...]

    @property
    def file_bytes(self) -> int:
        """Bytes of all files."""
        return sum(shard.file_bytes for shard in self.shards)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the first file says of itself."""
        return self.shards[0].metadata if self.shards else {}

    def tensors(self) -> Iterator[Tensor]:
        """Yield every tensor."""
        for shard in self.shards:
            yield from shard.tensors


def read(path: Path) -> Header:
    """Read the header of one file; raise `UnreadableModel` for whatever is wrong with it."""
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise unreadable(path, "it is not a regular file")
            return read_from(file, info.st_size, path)
    except FileNotFoundError:
        raise UnreadableModel(f"there is no file {path}", hint="check the path") from None
    except OSError as error:
        raise unreadable(path, f"it cannot be read: {error.strerror}") from None


def read_from(stream: Stream, size: int, path: Path) -> Header:
    """Read a header from a stream over a file of `size` bytes; `path` is for messages."""
    head = _exactly(stream, _LENGTH, path)
    (length,) = struct.unpack("<Q", head)
    if length > min(_MAX_HEADER, size - _LENGTH):
        raise unreadable(path, _impostor(head) or _too_long(length, size))
    raw = _exactly(stream, length, path)
    table = _table(raw, path)
    metadata = table.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise unreadable(path, "its header is damaged: the metadata are not texts")
    rows = sorted(
        (_row(name, entry, _LENGTH + length, path) for name, entry in table.items()),
        key=lambda tensor: (tensor.start, tensor.size_bytes),
    )
    _check_places(rows, _LENGTH + length, size, path)
    return Header(path, size, MappingProxyType(metadata), tuple(rows))


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that hold a folder's weights, in order; raise where one is missing."""
    names = [path.name for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")]
    indexes = sorted(folder.glob(f"*{INDEX_SUFFIX}"))
    index = next((path for path in indexes if path.name.startswith("model.")), None)
    index = index or next(iter(indexes), None)
    if index is not None and WHOLE not in names:
        chosen = tuple(dict.fromkeys(weight_map(_small(index), index).values()))
    else:
        chosen = choose(names, folder)
    absent = [name for name in chosen if not (folder / name).exists()]
    if absent:
        dangling = any((folder / name).is_symlink() for name in absent)
        raise UnreadableModel(
            f"{folder.name} is {len(chosen)} files of weights, and {listed(absent)} "
            f"{'leads nowhere' if dangling else 'is not there'}",
            hint="fetch the model again: what is here already is kept",
        )
    return tuple(folder / name for name in chosen)


def choose(names: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Pick a model's weights among the safetensors of its folder, where no index names them."""
    if WHOLE in names:
        return (WHOLE,)
    sets: dict[tuple[str, int], set[int]] = {}
    for name in names:
        if (match := _SHARD.match(name)) and not _ASIDE.match(name):
            sets.setdefault((match["stem"], int(match["count"])), set()).add(int(match["number"]))
    if len(sets) > 1:
        stems = sorted(f"{stem} in {count}" for stem, count in sets)
        raise unreadable(folder, f"it holds several sets of weights: {listed(stems)}")
    for stem, count in sets:
        if not 1 <= count <= len(names) * 1000:
            raise unreadable(folder, f"its names announce {count} files of weights")
        return tuple(f"{stem}-{n:05d}-of-{count:05d}{SUFFIX}" for n in range(1, count + 1))
    plain = sorted(name for name in names if not _ASIDE.match(name))
    return tuple(plain or sorted(names))


def read_folder(folder: Path) -> Model:
    """Read the headers of all weights of a folder; raise `UnreadableModel` if one is bad."""
    return together(tuple(read(path) for path in weight_files(folder)), folder)


def together(shards: tuple[Header, ...], folder: Path) -> Model:
    """Check that shards make one model, and return it."""
    seen: dict[str, str] = {}
    for shard in shards:
        for tensor in shard.tensors:
            if tensor.name in seen:
                raise unreadable(
                    folder, f"{seen[tensor.name]} and {shard.path.name} both hold {tensor.name!r}"
                )
            seen[tensor.name] = shard.path.name
    if not seen:
        raise unreadable(folder, "it holds no tensor")
    return Model(shards)


def weight_map(raw: bytes, path: Path) -> Mapping[str, str]:
    """Return which file holds which tensor by an index; file names only, never paths."""
    try:
        found = json.loads(raw).get("weight_map")
    except (ValueError, AttributeError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found:
        raise unreadable(path, "it is no index: it maps no tensor to a file")
    for name in found.values():
        if not isinstance(name, str) or "/" in name or "\\" in name or not name.endswith(SUFFIX):
            raise unreadable(path, f"it maps a tensor to {name!r}, which is no file beside it")
    return {str(tensor): name for tensor, name in found.items()}


def unreadable(path: Path, why: str) -> UnreadableModel:
    """Return the one error of this room."""
    return UnreadableModel(
        f"{path.name} is not usable as safetensors: {why}",
        hint="fetch it again, or give a whole folder with config.json beside the weights",
    )


def listed(names: Sequence[str], most: int = 3) -> str:
    """Name a few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_INDEX + 1)
    except OSError as error:
        raise unreadable(path, f"it cannot be read: {error.strerror}") from None
    if len(raw) > _MAX_INDEX:
        raise unreadable(path, f"an index of more than {_MAX_INDEX} bytes is none")
    return raw


def _exactly(stream: Stream, count: int, path: Path) -> bytes:
    found = bytearray()
    while len(found) < count:
        piece = stream.read(count - len(found))
        if not piece:
            raise unreadable(path, "it is cut off within its header")
        found += piece
    return bytes(found)


def _table(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        table = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise unreadable(path, _impostor(raw[:8]) or "its header is no JSON table") from None
    if not isinstance(table, dict) or not raw.startswith(b"{"):
        raise unreadable(path, "its header is no JSON table")
    return table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _row(name: str, entry: Any, data: int, path: Path) -> Tensor:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        lengths = [_count(length) for length in shape]
        begin, end = _count(begin), _count(end)
    except (TypeError, KeyError, ValueError):
        raise unreadable(path, f"its table has no sense at {name!r}") from None
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise unreadable(path, f"tensor {name!r} has the unknown type {dtype!r}")
    bits = math.prod(lengths) * DTYPE_BITS[dtype]
    if len(lengths) > _MAX_DIMENSIONS or bits % 8 or bits // 8 != end - begin:
        raise unreadable(
            path, f"its header lies: {name!r} is {dtype} {lengths} in {end - begin} bytes"
        )
    return Tensor(name, dtype, tuple(lengths), data + begin, end - begin)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_SIZE:
        raise ValueError
    return value


def _check_places(rows: Sequence[Tensor], data: int, size: int, path: Path) -> None:
    end = data
    for tensor in rows:
        if tensor.start != end:
            gap = "overlaps" if tensor.start < end else "leaves a hole before"
            raise unreadable(path, f"its header lies: its table {gap} tensor {tensor.name!r}")
        end += tensor.size_bytes
    if end > size:
        raise unreadable(path, f"it is cut off: its weights end at byte {end}, it has {size}")
    if end < size:
        raise unreadable(path, f"{size - end} bytes come after its last tensor")


def _too_long(length: int, size: int) -> str:
    if length > size - _LENGTH:
        return f"its header is longer than the file: {length} bytes of {size}"
    return f"its header announces {length} bytes, and {_MAX_HEADER} are allowed"


def _impostor(head: bytes) -> str | None:
    """Say what a file that is not safetensors probably is."""
    known = {
        b"version ": "it is a Git LFS pointer: fetch the file itself with `git lfs pull`",
        b"GGUF": "it is a GGUF file under another name",
        b"PK\x03\x04": "it is a ZIP or PyTorch file",
        b"<!DO": "it is a web page, perhaps a download that asked for a login",
        b"<htm": "it is a web page, perhaps a download that asked for a login",
    }
    return next((words for magic, words in known.items() if head.startswith(magic)), None)
