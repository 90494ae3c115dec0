"""The self-check: it passes on the pinned wheel, and every way to fail gives its reason."""

from __future__ import annotations

import ctypes

import pytest

from steelyard.domain.errors import ConformanceError
from steelyard.domain.run import Proof
from steelyard.llamalib import conformance, layout, library


def test_the_pinned_wheel_passes_every_check() -> None:
    quick = frozenset(n for n in conformance.KNOWN if not n.startswith(("IQ1", "IQ2", "IQ3")))
    proofs = [*conformance.kernel_proofs(quick), *conformance.callback_proofs()]
    assert [proof for proof in proofs if not proof.passed] == []
    assert len(proofs) == len(quick) + 3


@pytest.mark.full
def test_the_slow_codebooks_pass_too() -> None:
    proofs = conformance.kernel_proofs(frozenset(conformance.KNOWN))
    assert [proof for proof in proofs if not proof.passed] == []


def test_other_bytes_fail_where_they_were_measured() -> None:
    proof = conformance.kernel_proof("Q8_0", "0" * 16, 1.0)
    assert not proof.passed
    assert "expected 0000000000000000" in proof.found


def test_a_large_error_fails_even_with_the_right_bytes() -> None:
    known, _ = conformance.KNOWN["Q4_K"]
    assert not conformance.kernel_proof("Q4_K", known, 1e-6).passed


def test_a_structure_with_other_defaults_fails_and_names_the_field() -> None:
    moved = {**layout.CONTEXT_FIELDS, "n_batch": (8, "I", 2048)}
    proof = layout.defaults_proof("llama_context_default_params", moved)
    assert proof == Proof(
        "llama_context_default_params", passed=False, found="unexpected n_batch=512"
    )


def test_a_missing_symbol_is_a_reason_and_not_a_crash() -> None:
    with pytest.raises(ConformanceError, match="does not export llama_future_params"):
        layout.defaults("llama_future_params")


def test_the_known_vector_is_the_same_on_every_machine() -> None:
    vector = conformance.known_vector()
    assert vector.shape == (2, 512)
    assert [float(v) for v in vector[0, :3]] == [12345 / 2**23 - 1, *vector[0, 1:3].tolist()]
    assert float(abs(vector).max()) <= 1


def test_the_wheel_is_identified_by_version_and_hash() -> None:
    assert library.version().startswith("20")
    assert len(library.sha256()) == 64
    assert library.bind("llama_version", ctypes.c_char_p)()
