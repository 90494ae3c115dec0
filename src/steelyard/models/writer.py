"""Write a GGUF file tensor by tensor: the table first, with sizes known before the weights.

Metadata that is only passed on is copied byte for byte, so that nothing is lost in translation.
Not aware of quantising. Format: docs/gguf.md in ggml-org/ggml, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, final

from steelyard.llamalib.tensor_types import TensorType

_VERSION: Final = 3
_U32: Final = 4
_I32: Final = 5
_F32: Final = 6
_BOOL: Final = 7
_STRING: Final = 8
_ARRAY: Final = 9


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One tensor to be written: `shape` begins with the row length."""

    name: str
    shape: tuple[int, ...]
    type: TensorType

    @property
    def size_bytes(self) -> int:
        """Bytes of its data, without padding."""
        elements = 1
        for length in self.shape:
            elements *= length
        return elements // self.type.block * self.type.block_bytes


def number(key: str, value: int) -> bytes:
    """Return a metadata entry holding an unsigned 32-bit number."""
    return _text(key) + struct.pack("<II", _U32, value)


def numbers(key: str, values: Sequence[int]) -> bytes:
    """Return a metadata entry holding an array of signed 32-bit numbers."""
    head = _text(key) + struct.pack("<IIQ", _ARRAY, _I32, len(values))
    return head + struct.pack(f"<{len(values)}i", *values)


def real(key: str, value: float) -> bytes:
    """Return a metadata entry holding a 32-bit floating-point number."""
    return _text(key) + struct.pack("<If", _F32, value)


def flag(key: str, *, value: bool) -> bytes:
    """Return a metadata entry holding a truth value."""
    return _text(key) + struct.pack("<I?", _BOOL, value)


def text(key: str, value: str) -> bytes:
    """Return a metadata entry holding a text."""
    return _text(key) + struct.pack("<I", _STRING) + _text(value)


def texts(key: str, values: Sequence[str]) -> bytes:
    """Return a metadata entry holding an array of texts."""
    head = _text(key) + struct.pack("<IIQ", _ARRAY, _STRING, len(values))
    return head + b"".join(_text(value) for value in values)


def header(entries: Sequence[bytes], rows: Sequence[Row], alignment: int) -> bytes:
    """Return everything that stands before the first weight, padding included."""
    table, offset = [], 0
    for row in rows:
        lengths = struct.pack(f"<I{len(row.shape)}Q", len(row.shape), *row.shape)
        table.append(_text(row.name) + lengths + struct.pack("<IQ", row.type.id, offset))
        offset += padded(row.size_bytes, alignment)
    top = b"GGUF" + struct.pack("<IQQ", _VERSION, len(rows), len(entries))
    top += b"".join(entries) + b"".join(table)
    return top + bytes(padded(len(top), alignment) - len(top))


def file_bytes(entries: Sequence[bytes], rows: Sequence[Row], alignment: int) -> int:
    """Return the size that the whole file will have."""
    weights = sum(padded(row.size_bytes, alignment) for row in rows)
    return len(header(entries, rows, alignment)) + weights


def write_weights(out: BinaryIO, pieces: Iterable[bytes | memoryview], alignment: int) -> int:
    """Write the data of one tensor and its padding; return the bytes without padding."""
    written = 0
    for piece in pieces:
        written += out.write(piece)
    out.write(bytes(padded(written, alignment) - written))
    return written


def padded(count: int, alignment: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-count // alignment) * alignment


def _text(value: str) -> bytes:
    raw = value.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw
