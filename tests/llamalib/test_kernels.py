"""The quantisation kernels: what must hold for every type, and independence of the division."""

from __future__ import annotations

import ctypes

import gguf
import numpy as np
import pytest

from steelyard.domain.errors import ConformanceError
from steelyard.llamalib import library
from steelyard.llamalib.kernels import Kernels
from steelyard.llamalib.tensor_types import BY_ID, BY_NAME, OF_IK, REMOVED, TensorType

MADE = (
    *("F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q5_0", "Q5_1", "Q4_K", "Q4_0", "Q4_1", "IQ4_NL"),
    *("IQ4_XS", "Q3_K", "Q2_K", "IQ2_XXS"),
)
SLOW = ("IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ1_M", "IQ1_S")  # their codebooks take seconds


def rows(count: int = 8, width: int = 512) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(5).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize(
    "kind", [kind for kind in BY_ID.values() if kind.name not in OF_IK], ids=lambda kind: kind.name
)
def test_our_table_of_types_is_the_librarys(kind: TensorType) -> None:
    assert library.bind("ggml_blck_size", ctypes.c_int64, ctypes.c_int)(kind.id) == kind.block
    size = library.bind("ggml_type_size", ctypes.c_size_t, ctypes.c_int)(kind.id)
    assert size == kind.block_bytes
    name = library.bind("ggml_type_name", ctypes.c_char_p, ctypes.c_int)(kind.id)
    assert name.decode().upper() == kind.name


def test_removed_types_are_removed_in_the_library_too() -> None:
    size = library.bind("ggml_type_size", ctypes.c_size_t, ctypes.c_int)
    assert [size(number) for number in REMOVED] == [0] * len(REMOVED)


@pytest.mark.parametrize(
    "name", [*MADE, *(pytest.param(name, marks=pytest.mark.full) for name in SLOW)]
)
def test_the_error_of_a_round_trip_follows_the_bits(name: str) -> None:
    kind, values = BY_NAME[name], rows()
    importance = np.ones(values.shape[1], np.float32)
    kernels = Kernels(threads=2)
    raw = kernels.quantise(kind, values, importance)
    back = kernels.dequantise(kind, raw, values.size).reshape(values.shape)
    error = float(np.sqrt(np.mean((back - values) ** 2)))
    assert raw.nbytes == values.shape[0] * kind.row_bytes(values.shape[1])
    # A floating type keeps one bit more than its fraction, relative to each value.
    bits = {"F16": 11.0, "BF16": 8.0}.get(name, kind.bits_per_weight)
    # A uniform quantiser of b bits over +-4 sigma errs by 8 / 2^b / sqrt(12); codebooks do better.
    assert error < 8 / 2**bits / np.sqrt(12) * 1.3
    assert error > 0


@pytest.mark.parametrize("name", ["Q8_0", "Q4_K", "Q6_K", "Q4_0", "IQ4_XS"])
def test_ggufs_own_reader_reads_our_bytes_as_the_library_does(name: str) -> None:
    kind, values, kernels = BY_NAME[name], rows(), Kernels(threads=1)
    raw = kernels.quantise(kind, values)
    theirs = gguf.quants.dequantize(
        raw.reshape(values.shape[0], -1), gguf.GGMLQuantizationType(kind.id)
    )
    ours = kernels.dequantise(kind, raw, values.size).reshape(values.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["Q4_K", "IQ2_XXS"])
def test_the_bytes_do_not_depend_on_how_the_work_is_divided(name: str) -> None:
    kind, values = BY_NAME[name], rows(96, 512)
    importance = np.linspace(0.5, 2, values.shape[1]).astype(np.float32)
    whole = Kernels(threads=1).quantise(kind, values, importance)
    parts = [
        Kernels(threads=3).quantise(kind, values[i : i + 7], importance) for i in range(0, 96, 7)
    ]
    assert whole.tobytes() == b"".join(part.tobytes() for part in parts)


def test_importances_change_what_is_kept() -> None:
    kind, values = BY_NAME["Q4_K"], rows()
    importance = np.ones(values.shape[1], np.float32)
    importance[:16] = 1000.0
    kernels = Kernels(threads=1)
    plain = kernels.dequantise(kind, kernels.quantise(kind, values), values.size)
    steered = kernels.dequantise(kind, kernels.quantise(kind, values, importance), values.size)
    errors = [
        float(np.mean((back.reshape(values.shape) - values)[:, :16] ** 2))
        for back in (plain, steered)
    ]
    assert errors[1] < errors[0]


def test_progress_adds_up_to_every_weight() -> None:
    seen: list[int] = []
    Kernels(threads=2).quantise(
        BY_NAME["IQ2_XXS"], rows(100, 512), np.ones(512, np.float32), done=seen.append
    )
    assert sum(seen) == 100 * 512
    assert len(seen) > 1


def test_an_infinite_weight_is_reported_and_not_stored() -> None:
    values = rows()
    values[3, 7] = np.inf
    with pytest.raises(ConformanceError, match="not numbers"):
        Kernels(threads=1).quantise(BY_NAME["Q8_0"], values)


def test_a_missing_symbol_is_named() -> None:
    with pytest.raises(ConformanceError, match="does not export ggml_no_such_thing"):
        library.bind("ggml_no_such_thing", None)
