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


def test_each_expert_has_sums_and_counts_of_its_own(tmp_path: Path) -> None:
    shape = tiny.Shape(layers=1, experts=4, feed_forward=256)
    model = tiny.write(tmp_path / "moe.gguf", shape, seed=3, dtype=np.float32)
    sums = importance.gathered(model, WORDS * 30, chunks=1, threads=1)
    up, counts = sums["blk.0.ffn_up_exps.weight"]
    assert up.shape == (4, 256)
    assert counts.sum() == 2 * importance.CHUNK_TOKENS
    down, again = sums["blk.0.ffn_down_exps.weight"]
    assert again.tolist() == counts.tolist()
    # What goes into the up and gate matrices is one thing; the router sees it for every token.
    routed, seen = sums["blk.0.ffn_gate_inp.weight"]
    assert seen.tolist() == [importance.CHUNK_TOKENS]
    np.testing.assert_allclose(up.sum(0), 2 * routed[0], rtol=1e-3)
    assert down.shape == (4, 256)


def test_a_text_shorter_than_a_chunk_is_refused(tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="512 make a chunk"):
        importance.gathered(tiny_model, "short")
