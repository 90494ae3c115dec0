"""Importance matrices: both of llama.cpp's formats, one written and read, one computed."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf as official
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.domain.errors import UnreadableModel
from steelyard.models import imatrix, ladder
from steelyard.models.imatrix import Statistic


def test_what_is_written_is_read_and_the_official_reader_agrees(tmp_path: Path) -> None:
    sums = np.arange(12, dtype=np.float32).reshape(3, 4)
    counts = np.array([2, 0, 4], np.float32)
    path = imatrix.write(
        tmp_path / "m.gguf",
        {"blk.0.ffn_up_exps.weight": Statistic(sums, counts)},
        chunks=3,
        chunk_tokens=512,
        datasets=("a.txt",),
    )
    read = imatrix.read(path)
    assert (read.chunks, read.chunk_tokens, read.datasets) == (3, 512, ("a.txt",))
    # An expert that saw no token weighs every column the same, as llama-quantize takes it.
    expected = [*(sums[0] / 2), 1, 1, 1, 1, *(sums[2] / 4)]
    found = read.importance("blk.0.ffn_up_exps.weight")
    assert found is not None
    assert found.tolist() == expected
    assert read.importance("blk.9.none.weight") is None
    theirs = {t.name: t for t in official.GGUFReader(path).tensors}
    assert theirs["blk.0.ffn_up_exps.weight.in_sum2"].data.tolist() == sums.tolist()


def dat(entries: dict[str, tuple[int, list[float]]], tail: bytes = b"") -> bytes:
    out = struct.pack("<i", len(entries))
    for name, (calls, values) in entries.items():
        raw = name.encode()
        out += struct.pack("<i", len(raw)) + raw + struct.pack("<ii", calls, len(values))
        out += struct.pack(f"<{len(values)}f", *values)
    return out + tail


def test_the_older_format_is_read(tmp_path: Path) -> None:
    tail = struct.pack("<ii", 7, 8) + b"wiki.txt"
    (tmp_path / "m.dat").write_bytes(dat({"blk.0.attn_q.weight": (4, [2.0, 8.0])}, tail))
    read = imatrix.read(tmp_path / "m.dat")
    found = read.importance("blk.0.attn_q.weight")
    assert found is not None
    assert found.tolist() == [0.5, 2.0]
    assert (read.chunks, read.datasets) == (7, ("wiki.txt",))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "0 bytes"),
        (b"GGUF" + bytes(40), "version is 0"),
        (b"\x01" * 40, "truncated or not"),
        (dat({"blk.0.a.weight": (1, [1.0, 2.0])})[:-2], "truncated or not"),
        (struct.pack("<i", 0) + bytes(40), "no statistic"),
        (dat({"blk.0.a.weight": (1, [float("nan")])}), "no square can have"),
        (dat({"blk.0.a.weight": (1, [-4.0])}), "no square can have"),
    ],
)
def test_what_is_no_importance_matrix_is_refused(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "m.dat").write_bytes(content)
    with pytest.raises(UnreadableModel, match=sentence) as refused:
        imatrix.read(tmp_path / "m.dat")
    assert refused.value.hint


def test_a_model_is_no_importance_matrix(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="it is a model"):
        imatrix.read(tiny_model)
    with pytest.raises(UnreadableModel, match="cannot be read"):
        imatrix.read(tmp_path / "none")


@settings(max_examples=150, deadline=20_000)
@given(raw=st.binary(min_size=4, max_size=200))
def test_noise_is_only_ever_unreadable(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.dat"
    path.write_bytes(raw)
    try:
        imatrix.read(path)
    except UnreadableModel as refused:
        sentence = str(refused)
    else:
        sentence = "it was one by chance"
    assert sentence


def test_a_computed_matrix_serves_a_quant_that_needs_one(tiny_model: Path, tmp_path: Path) -> None:
    text = "the quick brown fox jumps over the lazy dog and tells nobody; " * 40
    matrix = imatrix.compute(tiny_model, text, tmp_path / "m.gguf", threads=1)
    read = imatrix.read(matrix)
    assert len(read.statistics) == 14
    assert read.chunks == 3
    assert read.datasets[0].startswith("text sha256 ")
    out = ladder.quantise(tiny_model, "IQ2_XXS", tmp_path / "q.gguf", imatrix=matrix)
    assert out.stat().st_size < tiny_model.stat().st_size / 3
