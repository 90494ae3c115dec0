"""ggml's own quantisation kernels, called by ctypes and spread over the cores by rows.

Rows are independent, so the bytes do not depend on how they are divided; ctypes lets the
interpreter go during a call, so plain threads use every core. Bytes depend on the architecture
(floating-point contraction), Q8_0 alone does not. Not aware of files or recipes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import ConformanceError
from steelyard.llamalib.library import bind
from steelyard.llamalib.tensor_types import TensorType

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

# Search-heavy types take tens of microseconds a block: small pieces keep every core busy and an
# interruption short. For the others a call's overhead would show.
_SLOW: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"})
_SLOW_PIECE: Final = 1 << 14
_FAST_PIECE: Final = 1 << 18


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@final
class Kernels:
    """The kernels of the loaded library. Making one checks that the symbols are there."""

    __slots__ = ("_chunk", "_init", "_to_float", "_valid", "threads")

    def __init__(self, threads: int | None = None) -> None:
        pointer, size, count = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
        self._chunk = bind(
            "ggml_quantize_chunk",
            *(size, ctypes.c_int, pointer, pointer, count, count, count, pointer),
        )
        self._init = bind("ggml_quantize_init", None, ctypes.c_int)
        self._valid = bind("ggml_validate_row_data", ctypes.c_bool, ctypes.c_int, pointer, size)
        self._to_float: dict[str, Callable[[int, int, int], None]] = {}
        self.threads = threads or cores()

    def quantise(
        self,
        kind: TensorType,
        rows: Floats,
        importance: Floats | None = None,
        done: Callable[[int], None] | None = None,
    ) -> Bytes:
        """Quantise a matrix of float32 rows; return its bytes.

        `importance` has one weight per column. `done` is called with the weights of each finished
        piece, from the calling thread. Raises `ConformanceError` when the kernel misbehaves.
        """
        count, width = int(rows.shape[0]), int(rows.shape[1])
        source = np.ascontiguousarray(rows, dtype=np.float32)
        out = np.empty(count * kind.row_bytes(width), dtype=np.uint8)
        weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
        if weights is not None and weights.shape != (width,):
            raise ValueError(f"{width} columns need {width} importances, not {weights.shape}")
        self._init(kind.id)
        piece: int = max(1, (_SLOW_PIECE if kind.name in _SLOW else _FAST_PIECE) // width)

        def work(first: int) -> int:
            some: int = min(piece, count - first)
            pointer = None if weights is None else weights.ctypes.data
            start = first * width
            wrote = self._chunk(
                kind.id, source.ctypes.data, out.ctypes.data, start, some, width, pointer
            )
            self._check(kind, out[first * kind.row_bytes(width) :], wrote, some, width)
            return some * width

        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(work, first) for first in range(0, count, piece)]
            try:
                for future in futures:
                    weights_done = future.result()
                    if done is not None:
                        done(weights_done)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return out

    def dequantise(self, kind: TensorType, raw: Bytes, elements: int) -> Floats:
        """Return the float32 values that stored bytes stand for."""
        if kind.name == "F32":
            return raw.view(np.float32)[:elements]
        if kind.name == "F16":
            return raw.view(np.float16)[:elements].astype(np.float32)
        if kind.name == "BF16":
            wide = raw.view(np.uint16)[:elements].astype(np.uint32) << 16
            return wide.view(np.float32)
        out = np.empty(elements, dtype=np.float32)
        source = np.ascontiguousarray(raw)
        self._row_reader(kind)(source.ctypes.data, out.ctypes.data, elements)
        return out

    def _row_reader(self, kind: TensorType) -> Callable[[int, int, int], None]:
        if kind.name not in self._to_float:
            family, _, size = kind.name.lower().rpartition("_")
            symbol = f"dequantize_row_{family}_{size.upper() if size == 'k' else size}"
            pointer = ctypes.c_void_p
            self._to_float[kind.name] = bind(symbol, None, pointer, pointer, ctypes.c_int64)
        return self._to_float[kind.name]

    def _check(self, kind: TensorType, out: Bytes, wrote: int, rows: int, width: int) -> None:
        expected = rows * kind.row_bytes(width)
        if wrote != expected:
            raise ConformanceError(
                f"the {kind.name} kernel wrote {wrote} bytes for {rows} rows of {width}, "
                f"not {expected}",
                hint="use --runtime native, or the wheel version that constraints.txt pins",
            )
        if not self._valid(kind.id, out.ctypes.data, wrote):
            raise ConformanceError(
                f"the {kind.name} kernel made values that are not numbers",
                hint="the source holds infinities or NaN: export it again",
            )
