"""Random blocks of every type, read back by ggml's own kernels."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.domain.errors import UnsupportedSubject
from steelyard.llamalib.kernels import Kernels
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models import noise

TYPES = (
    *("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q5_0", "Q5_1", "Q4_K", "Q4_0", "Q4_1"),
    *("IQ4_NL", "IQ4_XS", "Q3_K", "IQ3_S", "IQ3_XXS", "Q2_K", "IQ2_S", "IQ2_XS", "IQ2_XXS"),
)


@pytest.mark.parametrize("name", TYPES)
def test_random_weights_of_every_type_are_finite_small_and_centred(name: str) -> None:
    kind, elements = BY_NAME[name], 256 * 600
    raw = b"".join(noise.pieces(kind, elements, 0.02, np.random.default_rng(3)))
    assert len(raw) == kind.row_bytes(elements)
    found = Kernels(1).dequantise(kind, np.frombuffer(raw, np.uint8), elements)
    assert np.isfinite(found).all()
    assert found.std() == pytest.approx(0.02, rel=0.1)
    assert abs(found.mean()) < 0.004  # half a step where zero lies between two of them
    assert np.abs(found).max() < 0.3


def test_another_seed_gives_other_weights_and_the_same_seed_the_same() -> None:
    kind = BY_NAME["Q4_K"]

    def made(seed: int) -> bytes:
        return b"".join(noise.pieces(kind, 2560, 0.02, np.random.default_rng(seed)))

    assert made(1) == made(1) != made(2)


def test_a_type_whose_blocks_are_not_made_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnsupportedSubject, match="random IQ1_M blocks") as refused:
        noise.require(BY_NAME["IQ1_M"])
    assert "Q4_K_M" in refused.value.hint
