"""What a GGUF's header says of itself, as far as a server would report it.

Enough to stand in for a real engine in the identity check; damaged files are another room's
business (`models.gguf`). Format: docs/gguf.md and ggml.h in ggml-org.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final, final

# Tensor type → weights in a block, bytes of a block.
_BLOCKS: Final = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
}
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_VOCABULARY: Final = "tokenizer.ggml.tokens"


def meta(path: Path) -> dict[str, int]:
    """Return `n_params`, `size` and `n_vocab`; nothing where the file is no GGUF."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            return {}
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Header(data).meta()


@final
class _Header:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 8

    def meta(self) -> dict[str, int]:
        tensors, entries = self._number("<Q"), self._number("<Q")
        found = {}
        for _ in range(entries):
            key, kind = self._text(), self._number("<I")
            length = self._skip(kind)
            if key == _VOCABULARY:
                found["n_vocab"] = length
        params = size = 0
        for _ in range(tensors):
            self._text()
            weights = 1
            for _ in range(self._number("<I")):
                weights *= self._number("<Q")
            block, block_bytes = _BLOCKS[self._number("<I")]
            self._at += 8
            params += weights
            size += weights // block * block_bytes
        return {**found, "n_params": params, "size": size}

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _text(self) -> str:
        length = self._number("<Q")
        self._at += length
        return self._data[self._at - length : self._at].decode(errors="replace")

    def _skip(self, kind: int) -> int:
        """Pass over a value; return how many it is."""
        if kind == _STRING:
            self._text()
            return 1
        if kind != _ARRAY:
            self._at += _SIZES[kind]
            return 1
        item, length = self._number("<I"), self._number("<Q")
        if item in _SIZES:
            self._at += _SIZES[item] * length
            return length
        for _ in range(length):
            self._skip(item)
        return length
