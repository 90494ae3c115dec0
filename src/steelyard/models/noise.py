"""Blocks of random weights in any quant: valid, finite, small, and made without quantising.

Every field of a block but its scales may hold any bits, so those are drawn at random; the scales
are set. What spread a type's blocks then have is measured with ggml's own kernel and the scales
are set again to give the spread asked for. Not aware of models.
Layouts: `block_*` in ggml-common.h.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import UnsupportedSubject
from steelyard.llamalib.kernels import Kernels
from steelyard.llamalib.tensor_types import TensorType

Bytes = npt.NDArray[np.uint8]

# Where the half-precision scale of a block stands.
_SCALE: Final = {
    **dict.fromkeys(("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "IQ4_XS"), 0),
    **dict.fromkeys(("IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_S"), 0),
    "Q2_K": 80,
    "Q3_K": 108,
    "Q4_K": 0,
    "Q5_K": 0,
    "Q6_K": 208,
}
# Where the offset stands, and what it must be of the scale for a mean of nothing.
_OFFSET: Final = {
    "Q4_1": (2, -7.5),
    "Q5_1": (2, -15.5),
    "Q2_K": (82, 1.5),
    "Q4_K": (2, 7.5),
    "Q5_K": (2, 15.5),
}
_PLAIN: Final = frozenset({"F32", "F16", "BF16"})
_PIECE_BYTES: Final = 1 << 23
_PROBE_BLOCKS: Final = 4096
_UNIT: Final = 1.0 / 64


def pieces(
    kind: TensorType, elements: int, spread: float, rng: np.random.Generator
) -> Iterator[bytes]:
    """Yield the bytes of `elements` random weights with that standard deviation and a mean of 0."""
    blocks = elements // kind.block
    step = max(1, _PIECE_BYTES // kind.block_bytes)
    for first in range(0, blocks, step):
        yield _some(kind, min(step, blocks - first), spread, rng).tobytes()


def require(kind: TensorType) -> None:
    """Raise `UnsupportedSubject` for a type whose random blocks are not made here."""
    if kind.name not in _PLAIN and kind.name not in _SCALE:
        raise UnsupportedSubject(
            f"random {kind.name} blocks cannot be made here",
            hint="ask for Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, IQ4_XS, Q3_K_M, IQ3_S or Q2_K",
        )


def _some(kind: TensorType, blocks: int, spread: float, rng: np.random.Generator) -> Bytes:
    if kind.name in _PLAIN:
        return _plain(kind.name, blocks, spread, rng)
    return _blocks(kind, blocks, _UNIT * spread / _spread_of(kind), rng)


def _plain(name: str, count: int, spread: float, rng: np.random.Generator) -> Bytes:
    values = rng.standard_normal(count, dtype=np.float32) * np.float32(spread)
    if name == "F32":
        return values.view(np.uint8)
    if name == "F16":
        return values.astype(np.float16).view(np.uint8)
    return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)


def _blocks(kind: TensorType, blocks: int, scale: float, rng: np.random.Generator) -> Bytes:
    """Return random blocks whose scale is set to `scale`, and whose offset balances it."""
    out = np.frombuffer(bytearray(rng.bytes(blocks * kind.block_bytes)), np.uint8)
    table = out.reshape(blocks, kind.block_bytes)
    _set_half(table, _SCALE[kind.name], scale)
    if kind.name in _OFFSET:
        at, ratio = _OFFSET[kind.name]
        _set_half(table, at, ratio * float(np.float16(scale)))
    return out


def _set_half(table: Bytes, at: int, value: float) -> None:
    table[:, at : at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)


@functools.cache
def _spread_of(kind: TensorType) -> float:
    """Measure the standard deviation of a type's random blocks at the unit scale."""
    rng = np.random.default_rng(0)
    raw = _blocks(kind, _PROBE_BLOCKS, _UNIT, rng)
    return float(Kernels(1).dequantise(kind, raw, _PROBE_BLOCKS * kind.block).std())
