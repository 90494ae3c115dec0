"""PNG: the file of a picture. Format: the PNG specification, third edition.

Every row is stored as it is (filter 0), so that only the compression library has a say in the
bytes, and nothing has one in the pixels.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from steelyard.media.canvas import Canvas

TYPE: Final = "image/png"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_TRUECOLOUR: Final = 2


def encode(canvas: Canvas) -> bytes:
    """Return the file: eight bits for each of red, green and blue."""
    rgb, row = canvas.rgb(), 3 * canvas.width
    rows = b"".join(b"\0" + rgb[at : at + row] for at in range(0, len(rgb), row))
    header = struct.pack(">IIBBBBB", canvas.width, canvas.height, 8, _TRUECOLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum
