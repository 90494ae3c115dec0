"""The gathered importances against the forward pass in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.llamalib import forward, tiny

from steelyard.domain.errors import BadInput
from steelyard.llamalib import importance
from steelyard.llamalib.decode import Decoder

SHAPE = tiny.Shape()
WORDS = "the quick brown fox jumps over the lazy dog and tells nobody; "


def test_the_sums_are_those_of_the_forward_pass(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "f32.gguf", SHAPE, seed=3, dtype=np.float32)
    text = WORDS * 30
    seen: list[tuple[int, int]] = []
    sums = importance.gathered(
        model, text, chunks=1, threads=1, progress=lambda done, total: seen.append((done, total))
    )
    with Decoder(model, context=64, threads=1) as decoder:
        tokens = decoder.tokenise(text)[: importance.CHUNK_TOKENS]
    assert seen == [(1, 1)]
    assert len(sums) == 7 * SHAPE.layers
    first = tiny.tensors(SHAPE, 3, np.float32)
    x = first["token_embd.weight"][tokens].astype(np.float64)
    inputs = forward.norm(x, first["blk.0.attn_norm.weight"])
    total, counts = sums["blk.0.attn_q.weight"]
    assert counts.tolist() == [importance.CHUNK_TOKENS]
    np.testing.assert_allclose(total[0], (inputs**2).sum(0), rtol=1e-4)
    np.testing.assert_array_equal(total, sums["blk.0.attn_k.weight"][0])


def test_a_text_shorter_than_a_chunk_is_refused(tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="512 make a chunk"):
        importance.gathered(tiny_model, "short")
