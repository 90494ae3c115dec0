"""Does the library compute what it should? Asked before first use, answered with reasons.

The wheel's exports are no promise, so nothing is trusted by name: a known vector must become known
bytes, structures must show their known defaults at the places where fields are about to be set,
and a small graph must lie in memory as expected. On an architecture whose bytes were never measured
Q8_0 must still agree and the rest must stay within an error bound. Not aware of models.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from steelyard.domain.errors import ConformanceError
from steelyard.domain.run import Proof
from steelyard.llamalib import layout, library
from steelyard.llamalib.kernels import Floats, Kernels
from steelyard.llamalib.tensor_types import BY_NAME

_ROWS: Final = 2
_COLUMNS: Final = 512
_X86: Final = frozenset({"x86_64", "amd64"})
_EVERYWHERE: Final = frozenset({"Q8_0", "F16", "BF16"})
ALWAYS: Final = frozenset({"Q8_0", "Q4_K", "Q6_K"})
# First 16 hex digits of the SHA-256 of the known vector's bytes, measured on x86-64, and the root
# mean square error (15 % above the measured one) allowed where bytes may differ.
KNOWN: Final[Mapping[str, tuple[str, float]]] = {
    "F16": ("c07c8a1042e00b7d", 0.00012),
    "BF16": ("7ef156194a090807", 0.001),
    "Q8_0": ("34ea9ac19988be28", 0.0025),
    "Q6_K": ("3c284393087cdf6e", 0.0096),
    "Q5_K": ("ae17d33ad0f97afc", 0.021),
    "Q5_0": ("9ead24b74bff729d", 0.021),
    "Q5_1": ("a4141086dbd4cc19", 0.021),
    "Q4_K": ("b3a2a99556e7f26b", 0.042),
    "Q4_0": ("2aa6f202af618db6", 0.043),
    "Q4_1": ("4f3f045515b50a9d", 0.042),
    "IQ4_NL": ("c9b1c193b4312aaa", 0.045),
    "IQ4_XS": ("ee5768349aef3fc5", 0.046),
    "Q3_K": ("b43714c703c8e20b", 0.087),
    "IQ3_S": ("4a8f5f0bf81ae133", 0.088),
    "IQ3_XXS": ("335e641ca7656f74", 0.1),
    "Q2_K": ("c543719da168ed2c", 0.17),
    "IQ2_S": ("7d354fdcf252f10f", 0.16),
    "IQ2_XS": ("11ea92eabed72b4f", 0.2),
    "IQ2_XXS": ("dd8c27920fa0e599", 0.22),
    "IQ1_M": ("9b9427440078bb4b", 0.27),
    "IQ1_S": ("ee87d7914f7ef0cf", 0.29),
}
_HINT: Final = "use --runtime native, or install the wheel version that constraints.txt pins"


def known_vector() -> Floats:
    """Return the vector that is quantised: exact on every machine, made of integers only."""
    index = np.arange(_ROWS * _COLUMNS, dtype=np.uint64)
    mixed = (index * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(1 << 24)
    return (mixed.astype(np.float32) / np.float32(1 << 23) - np.float32(1.0)).reshape(_ROWS, -1)


def known_importance() -> Floats:
    """Return importances that go with the known vector."""
    return (np.arange(_COLUMNS, dtype=np.float32) % 7 + 1) / np.float32(4)


@functools.cache
def kernel_proofs(types: frozenset[str] = ALWAYS) -> tuple[Proof, ...]:
    """Quantise the known vector with these types and say what came out.

    Only what is about to be used is asked: building the codebooks of IQ1 and IQ2 takes seconds.
    """
    names = sorted(types & KNOWN.keys())
    return _collected(lambda: tuple(kernel_proof(name, *KNOWN[name]) for name in names))


@functools.cache
def decoding_proofs() -> tuple[Proof, ...]:
    """Check the structures that decoding passes by value, and the symbols it calls."""
    return _collected(lambda: (layout.model_params_proof(), layout.context_params_proof()))


@functools.cache
def callback_proofs() -> tuple[Proof, ...]:
    """Check what reading activations out of a running graph relies on."""
    return _collected(lambda: (*decoding_proofs(), layout.tensor_proof()))


def require_kernels(types: Iterable[str] = ALWAYS) -> None:
    """Raise `ConformanceError` with the first reason why these kernels may not be used."""
    _require("the quantisation kernels", kernel_proofs(ALWAYS | frozenset(types)))


def require_decoding() -> None:
    """Raise `ConformanceError` with the first reason why native decoding may not be used."""
    _require("native decoding", decoding_proofs())


def require_callback() -> None:
    """Raise `ConformanceError` with the first reason why activations may not be read."""
    _require("reading activations", callback_proofs())


def check() -> Proof:
    """Sum up every quick check in one proof: kernels, decoding, reading activations."""
    proofs = (*kernel_proofs(), *callback_proofs())
    failed = [f"{proof.name}: {proof.found}" for proof in proofs if not proof.passed]
    build = f"{library.WHEEL} {library.version()}" if not failed else "; ".join(failed)
    return Proof("llama.cpp wheel", not failed, f"{len(proofs)} checks, {build}")


def kernel_proof(name: str, known: str, bound: float) -> Proof:
    """Compare one type's bytes and error with what was measured."""
    kernels, kind, vector = Kernels(threads=1), BY_NAME[name], known_vector()
    raw = kernels.quantise(kind, vector, known_importance())
    digest = hashlib.sha256(raw.tobytes()).hexdigest()[:16]
    back = kernels.dequantise(kind, raw, vector.size).reshape(vector.shape)
    error = float(np.sqrt(np.mean((back - vector) ** 2)))
    exact = platform.machine().lower() in _X86 or name in _EVERYWHERE
    passed = error <= bound and (digest == known or not exact)
    wanted = f"expected {known}" if exact else "bytes not measured on this architecture"
    return Proof(f"kernel {name}", passed, f"{digest} ({wanted}), rms error {error:.4f}")


def _collected(ask: Callable[[], tuple[Proof, ...]]) -> tuple[Proof, ...]:
    try:
        return ask()
    except ConformanceError as error:
        return (Proof("symbols", passed=False, found=str(error)),)


def _require(what: str, proofs: tuple[Proof, ...]) -> None:
    for proof in proofs:
        if not proof.passed:
            raise ConformanceError(
                f"{what} of {library.WHEEL} failed the self-check: {proof.name}: {proof.found}",
                hint=_HINT,
            )
