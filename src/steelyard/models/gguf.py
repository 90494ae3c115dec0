"""Read the header, metadata and tensor table of a GGUF file that may be broken or hostile.

No size in the file is believed before it has been checked against the bytes that are there, and
every failure is one `UnreadableModel`. Large arrays stay undecoded until somebody asks. Not aware
of what keys mean; `artifacts` is. Format: docs/gguf.md in ggml-org/ggml, versions 2 and 3.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Protocol, TypeAlias, final

from steelyard.domain.errors import UnreadableModel
from steelyard.llamalib.tensor_types import BY_ID, REMOVED, TensorType

VERSIONS: Final = (2, 3)
DEFAULT_ALIGNMENT: Final = 32
_MAGIC: Final = b"GGUF"
_MAX_NAME: Final = 64
_MAX_KEY: Final = 65_535
_MAX_KEYS: Final = 65_536
_MAX_TENSORS: Final = 262_144
_MAX_ELEMENTS: Final = 1 << 24
_MAX_HEADER: Final = 1 << 30
_MAX_STRING: Final = 1 << 26
_MAX_ALIGNMENT: Final = 1 << 20
_MAX_DIMENSIONS: Final = 4
_WINDOW: Final = 1 << 20

_BOOL, _STRING, _ARRAY = 7, 8, 9
_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_U32: Final = 4
# Walking over a vocabulary is most of the time that a header takes, and comparing bytes is not.
_RECENT: Final[deque[tuple[int, bytes]]] = deque(maxlen=4)
_WORTH_KEEPING: Final = 10_000
_GLANCE: Final = 256

Scalar: TypeAlias = bool | int | float | str


class Stream(Protocol):
    """What a header is read from, front to back."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@final
@dataclass(frozen=True, slots=True)
class Array:
    """An array that has been measured but not decoded: `raw` holds its elements."""

    kind: int
    length: int
    raw: bytes

    def decode(self) -> list[Scalar]:
        """Return the elements."""
        if self.kind != _STRING:
            code = _SCALARS[self.kind]
            return [value for (value,) in struct.iter_unpack(code, self.raw)]
        values: list[Scalar] = []
        at = 0
        for _ in range(self.length):
            (size,) = struct.unpack_from("<Q", self.raw, at)
            values.append(self.raw[at + 8 : at + 8 + size].decode("utf-8", "replace"))
            at += 8 + size
        return values


Value: TypeAlias = Scalar | Array


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the metadata: its value, and the very bytes that hold key, type and value."""

    value: Value
    kind: int
    raw: bytes


@final
@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of the tensor table. `shape` begins with the row length; `start` is in the file."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    start: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """How many weights it holds."""
        total = 1
        for length in self.shape:
            total *= length
        return total


@final
@dataclass(frozen=True, slots=True)
class Header:
    """Everything that stands before the weights of one file."""

    path: Path
    version: int
    file_bytes: int
    alignment: int
    entries: Mapping[str, Entry]
    tensors: tuple[Tensor, ...]

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an unsigned count or size; a per-layer array counts as its largest element."""
        value = self.value(key)
        if isinstance(value, Array) and value.length and value.kind not in (_STRING, _BOOL):
            value = max(item for item in value.decode() if isinstance(item, int | float))
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if value is None and default is not None:
            return default
        raise unreadable(self.path, f"its metadata has {key} = {value!r} instead of a number")

    def text(self, key: str) -> str | None:
        """Return a string, or None where the key is absent or something else."""
        value = self.value(key)
        return value if isinstance(value, str) else None

    def value(self, key: str) -> Value | None:
        """Return the value of a key, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value


def read(path: Path) -> Header:
    """Read the header of one file; raise `UnreadableModel` for whatever is wrong with it."""
    try:
        with path.open("rb") as file:
            info = _size_of(file, path)
            return _Reader(file, path, info).header()
    except FileNotFoundError:
        raise UnreadableModel(f"there is no file {path}", hint="check the path") from None
    except OSError as error:
        raise UnreadableModel(
            f"{path} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from None


def read_from(stream: Stream, size: int, path: Path) -> Header:
    """Read a header from a stream over a file of `size` bytes; `path` is for messages."""
    return _Reader(stream, path, size).header()


def forget() -> None:
    """Let go of the vocabularies that were kept for comparison."""
    _RECENT.clear()


def _size_of(file: BinaryIO, path: Path) -> int:
    """Return the size of a regular file, and refuse everything else that can be opened."""
    info = os.fstat(file.fileno())
    if not stat.S_ISREG(info.st_mode):
        raise unreadable(path, "it is not a regular file")
    return info.st_size


def unreadable(path: Path, why: str) -> UnreadableModel:
    """Return the one error of this room."""
    return UnreadableModel(
        f"{path.name} is not a usable GGUF file: {why}",
        hint="download or export it again, and compare its size and sha256 with the source",
    )


@final
class _Reader:
    """A cursor over the head of a file; every read is checked against the file's size."""

    __slots__ = ("_at", "_buffer", "_file", "_path", "_size")

    def __init__(self, file: Stream, path: Path, size: int) -> None:
        self._file, self._path, self._size = file, path, size
        self._buffer, self._at = bytearray(), 0

    def header(self) -> Header:
        version = self._version()
        tensors, keys = self._u64(), self._u64()
        if tensors > _MAX_TENSORS or keys > _MAX_KEYS:
            raise self._lie(f"it announces {tensors} tensors and {keys} metadata keys")
        entries: dict[str, Entry] = {}
        for _ in range(keys):
            name, entry = self._entry()
            if name in entries:
                raise self._lie(f"the metadata key {name!r} stands in it twice")
            entries[name] = entry
        rows = [self._row() for _ in range(tensors)]
        alignment = self._alignment(entries)
        data = -(-self._at // alignment) * alignment
        table = tuple(
            Tensor(name, shape, kind, data + offset, size)
            for name, shape, kind, offset, size in rows
        )
        self._check_table(table, alignment)
        return Header(self._path, version, self._size, alignment, MappingProxyType(entries), table)

    def _version(self) -> int:
        magic = bytes(self._take(min(len(_MAGIC), self._size)))
        if magic != _MAGIC:
            raise unreadable(self._path, _impostor(magic))
        version = self._u32()
        if version in VERSIONS:
            return version
        if int.from_bytes(version.to_bytes(4, "little"), "big") in range(1, 16):
            raise unreadable(self._path, "it is big-endian, and this machine's engines are not")
        raise unreadable(self._path, f"its version is {version}, and only 2 and 3 are known")

    def _entry(self) -> tuple[str, Entry]:
        start = self._at
        name = self._string(_MAX_KEY)
        kind = self._u32()
        value: Value
        if kind == _ARRAY:
            value = self._array()
        elif kind == _STRING:
            value = self._string(_MAX_STRING)
        else:
            value = self._scalar(kind)
        return name, Entry(value, kind, bytes(self._buffer[start : self._at]))

    def _array(self) -> Array:
        kind, length = self._u32(), self._u64()
        if kind == _ARRAY or (kind != _STRING and kind not in _SCALARS):
            raise self._lie(f"an array has elements of type {kind}")
        least = 8 if kind == _STRING else struct.calcsize(_SCALARS[kind])
        if length > _MAX_ELEMENTS:
            raise self._lie(f"an array announces {length} elements")
        if length * least > self._left():
            raise self._cut(f"an array announces {length} elements")
        start = self._at
        if kind == _STRING:
            self._skip_texts(length)
        else:
            self._take(length * least)
        return Array(kind, length, bytes(self._buffer[start : self._at]))

    def _row(self) -> tuple[str, tuple[int, ...], TensorType, int, int]:
        name = self._string(_MAX_NAME - 1)
        dimensions = self._u32()
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise self._lie(f"tensor {name!r} announces {dimensions} dimensions")
        shape = tuple(self._u64() for _ in range(dimensions))
        kind = self._type(name, self._u32())
        offset = self._u64()
        size = kind.row_bytes(shape[0])
        for length in shape[1:]:
            size *= length
        if 0 in shape or shape[0] % kind.block:
            raise self._lie(f"tensor {name!r} of shape {shape} cannot be stored as {kind.name}")
        if offset + size > self._size:
            raise unreadable(
                self._path,
                f"it is truncated or its header lies: tensor {name!r} would end at byte"
                f" {offset + size} of the data, and the whole file has {self._size}",
            )
        return name, shape, kind, offset, size

    def _type(self, name: str, number: int) -> TensorType:
        if number in BY_ID:
            return BY_ID[number]
        if number in REMOVED:
            raise unreadable(
                self._path, f"tensor {name!r} is {REMOVED[number]}, which llama.cpp has removed"
            )
        raise unreadable(self._path, f"tensor {name!r} has the unknown type {number}")

    def _alignment(self, entries: Mapping[str, Entry]) -> int:
        entry = entries.get("general.alignment")
        if entry is None:
            return DEFAULT_ALIGNMENT
        value = entry.value
        if entry.kind != _U32 or not isinstance(value, int) or not 1 <= value <= _MAX_ALIGNMENT:
            raise self._lie(f"general.alignment is {value!r}")
        if value & (value - 1):
            raise self._lie(f"general.alignment {value} is not a power of two")
        return value

    def _check_table(self, table: tuple[Tensor, ...], alignment: int) -> None:
        if len({tensor.name for tensor in table}) != len(table):
            raise self._lie("two tensors have the same name")
        end, before = 0, ""
        for tensor in sorted(table, key=lambda tensor: tensor.start):
            if tensor.start % alignment:
                raise self._lie(f"tensor {tensor.name!r} does not begin at a multiple of alignment")
            if tensor.start < end:
                raise self._lie(f"tensors {before!r} and {tensor.name!r} overlap")
            end, before = tensor.start + tensor.size_bytes, tensor.name
        if end > self._size:
            raise unreadable(
                self._path,
                f"it is truncated: tensor {before!r} ends at byte {end}, the file has {self._size}",
            )

    def _string(self, limit: int) -> str:
        return bytes(self._take(self._length(limit))).decode("utf-8", "replace")

    def _length(self, limit: int) -> int:
        length = self._u64()
        if length > limit:
            raise self._lie(f"a text in its header announces {length} bytes")
        if length > self._left():
            raise self._cut(f"a text in its header announces {length} bytes")
        return length

    def _skip_texts(self, count: int) -> None:
        """Pass over many texts: a vocabulary has a hundred thousand, so the inner loop is tight.

        A length that lies leads behind the end of the buffer, where the next one cannot be read;
        the careful step after the loop then says what is wrong, or fetches more.
        """
        start, every = self._at, count
        if self._seen_before(count):
            return
        while count:
            count -= self._run_over(count)
            if count:
                length = self._length(_MAX_STRING)
                self._need(length)
                self._at += length
                count -= 1
        if every >= _WORTH_KEEPING:
            _RECENT.append((every, bytes(self._buffer[start : self._at])))

    def _seen_before(self, count: int) -> bool:
        """Pass over texts that are byte for byte those of another file: the quants of one model."""
        for known, raw in _RECENT:
            fits = known == count and len(raw) <= self._left() and self._at + len(raw) < _MAX_HEADER
            if fits and self._peek(_GLANCE) == raw[:_GLANCE]:
                self._need(len(raw))
                if self._buffer.startswith(raw, self._at):
                    self._at += len(raw)
                    return True
        return False

    def _peek(self, count: int) -> bytearray:
        self._need(count)
        return self._buffer[self._at : self._at + count]

    def _run_over(self, count: int) -> int:
        """Pass over the texts that lie whole in the buffer; return how many they are."""
        unpack, buffer, at = struct.Struct("<Q").unpack_from, self._buffer, self._at
        start, done = at, 0
        with contextlib.suppress(struct.error, OverflowError):
            while done < count:
                (length,) = unpack(buffer, at)
                start = at
                at += 8 + length
                done += 1
        if done and at > len(buffer):
            at, done = start, done - 1
        self._at = at
        return done

    def _scalar(self, kind: int) -> bool | int | float:
        if kind not in _SCALARS:
            raise self._lie(f"a metadata value has the unknown type {kind}")
        code = _SCALARS[kind]
        raw = self._take(struct.calcsize(code))
        if kind == _BOOL and raw[0] > 1:
            raise self._lie(f"a truth value is {raw[0]}")
        value: bool | int | float = struct.unpack(code, raw)[0]
        return value

    def _u32(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _u64(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def _take(self, count: int) -> bytearray:
        self._need(count)
        start = self._at
        self._at += count
        return self._buffer[start : self._at]

    def _need(self, count: int) -> None:
        """See that the next `count` bytes are in the buffer, or say why they cannot be."""
        end = self._at + count
        if end <= len(self._buffer):
            return
        if end > self._size:
            raise unreadable(
                self._path, f"it is truncated: its {self._size} bytes end in the header"
            )
        if end > _MAX_HEADER:
            raise self._lie(f"its header goes on after {_MAX_HEADER} bytes")
        self._buffer += self._file.read(max(_WINDOW, end - len(self._buffer)))
        if end > len(self._buffer):
            raise unreadable(self._path, "it became shorter while it was read")

    def _left(self) -> int:
        return self._size - self._at

    def _cut(self, what: str) -> UnreadableModel:
        return unreadable(
            self._path,
            f"it is truncated or its header lies: {what}, and {self._left()} bytes are left",
        )

    def _lie(self, what: str) -> UnreadableModel:
        return unreadable(self._path, f"its header is damaged or lies: {what}")


def _impostor(magic: bytes) -> str:
    """Say what a file that is not GGUF probably is."""
    known = {
        b"vers": "it is a Git LFS pointer: fetch the file itself with `git lfs pull`",
        b"PK\x03\x04": "it is a ZIP or PyTorch file",
        b"lmgg": "it is a GGML file of 2023, from before GGUF",
        b"tjgg": "it is a GGJT file of 2023, from before GGUF",
        b"<!DO": "it is a web page, perhaps a download that asked for a login",
        b"<htm": "it is a web page, perhaps a download that asked for a login",
    }
    if magic in known:
        return known[magic]
    return "it is empty" if not magic else f"it begins with {magic!r} instead of b'GGUF'"
