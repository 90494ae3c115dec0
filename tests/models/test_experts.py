"""Experts that a matrix saw too rarely are named; those that it saw often are not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from tests.llamalib import tiny

from steelyard.models import experts, imatrix
from steelyard.models.imatrix import Statistic


def written(path: Path, layers: dict[int, list[int]]) -> imatrix.Imatrix:
    """Write and read a matrix whose experts saw so many tokens, beside a plain tensor."""
    found = {
        f"blk.{layer}.{name}_exps.weight": Statistic(
            np.ones((len(counts), 4), np.float32), np.array(counts, np.float32)
        )
        for layer, counts in layers.items()
        for name in ("ffn_gate", "ffn_down")
    }
    found["blk.0.attn_q.weight"] = Statistic(np.ones((1, 4), np.float32), np.ones(1, np.float32))
    imatrix.write(path, found, chunks=1, chunk_tokens=512, datasets=())
    return imatrix.read(path)


def test_layer_expert_and_share_of_the_rare_ones_are_named(tmp_path: Path) -> None:
    planted = {0: [900, 1000, 1100, 1000], 3: [3900, 0, 60, 40], 7: [5000, 4000, 900, 101]}
    matrix = written(tmp_path / "m.gguf", planted)
    found = {(one.layer, one.expert): (one.tokens, one.even_share) for one in experts.rare(matrix)}
    assert found == {
        (3, 1): (0, 0.0),
        (3, 2): (60, 0.06),
        (3, 3): (40, 0.04),
        (7, 3): (101, 101 * 4 / 10001),
    }
    first, second = experts.warnings(matrix, 4)
    assert first == (
        "m.gguf saw too little of 3 of 4 experts of layer 3: expert 1 never, "
        "expert 3 40 tokens (4% of an even share), expert 2 60 tokens (6% of an even share)"
    )
    assert "1 of 4 experts of layer 7: expert 3 101 tokens" in second


def test_few_tokens_are_too_few_even_where_they_are_evenly_spread(tmp_path: Path) -> None:
    matrix = written(tmp_path / "m.gguf", {0: [99, 100, 99, 102]})
    assert [one.expert for one in experts.rare(matrix)] == [0, 2]


def test_a_model_without_experts_has_nothing_to_warn_of(tmp_path: Path) -> None:
    assert experts.warnings(written(tmp_path / "m.gguf", {0: [0, 5]}), 0) == ()


def test_an_older_matrix_that_does_not_count_by_expert_says_that_it_cannot_tell(
    tmp_path: Path,
) -> None:
    name = b"blk.0.ffn_up_exps.weight"
    raw = struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii8f", 4, 8, *[1.0] * 8)
    (tmp_path / "m.dat").write_bytes(raw)
    (only,) = experts.warnings(imatrix.read(tmp_path / "m.dat"), 4)
    assert "cannot be told" in only


def test_a_matrix_of_another_model_is_said_to_know_nothing_of_them(tmp_path: Path) -> None:
    (only,) = experts.warnings(written(tmp_path / "m.gguf", {}), 4)
    assert "knows nothing of this model's 4 experts" in only


def test_a_real_mixture_that_reads_one_letter_has_experts_that_never_spoke(tmp_path: Path) -> None:
    """The counts come from llama.cpp's own routing, not from a planted file."""
    model = tiny.write(tmp_path / "moe.gguf", tiny.Shape(experts=8, layers=1))
    path = imatrix.compute(model, "aaaa " * 800, tmp_path / "m.gguf", threads=1)
    matrix = imatrix.read(path)
    counts = matrix.statistics["blk.0.ffn_down_exps.weight"].counts
    assert counts.size == 8
    rare = {one.expert for one in experts.rare(matrix)}
    assert {int(n) for n in np.flatnonzero(counts == 0)} <= rare
    assert rare
    assert len(experts.warnings(matrix, 8)) == 1
