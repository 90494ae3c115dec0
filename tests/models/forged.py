"""GGUF heads written byte by byte, so that a test can lie in exactly one place."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    """A GGUF string."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def key(name: str, kind: int, payload: bytes) -> bytes:
    """One metadata entry."""
    return text(name) + struct.pack("<I", kind) + payload


def row(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    """One row of the tensor table."""
    lengths = b"".join(struct.pack("<Q", length) for length in shape)
    head = text(name) + struct.pack("<I", len(shape)) + lengths
    return head + struct.pack("<IQ", kind, offset)


def head(
    *entries: bytes, rows: tuple[bytes, ...] = (), version: int = 3, magic: bytes = b"GGUF"
) -> bytes:
    """A whole head with honest counts."""
    counts = struct.pack("<IQQ", version, len(rows), len(entries))
    return magic + counts + b"".join(entries) + b"".join(rows)


def whole(
    *entries: bytes, rows: tuple[bytes, ...] = (), data: bytes = b"", size: int = 32
) -> bytes:
    """A head, padded to the alignment, and data."""
    top = head(*entries, rows=rows)
    return top + b"\0" * (-len(top) % size) + data


ARCH = key("general.architecture", 8, text("llama"))
F32_4 = row("a.weight", (4,), 0, 0)
SMALLEST = whole(ARCH, rows=(F32_4,), data=b"\0" * 16)
