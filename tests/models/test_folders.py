"""Model folders whose files lie, and the packed weights of mlx-lm."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import UnreadableModel
from steelyard.models import folders

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
    "vocab_size": 8,
    "max_position_embeddings": 128,
}


def forged(folder: Path, table: dict[str, Any], data: int, config: dict[str, Any]) -> Path:
    """Write a folder whose weights have this table and so many bytes behind it."""
    folder.mkdir()
    head = json.dumps(table).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(data))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def row(kind: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def test_packed_weights_count_as_what_they_stand_for_and_scales_as_their_cost(
    tmp_path: Path,
) -> None:
    table = {
        "__metadata__": {"format": "mlx"},
        "model.layers.0.mlp.up_proj.weight": row("U32", [4, 8], 0, 128),
        "model.layers.0.mlp.up_proj.scales": row("F16", [4, 1], 128, 136),
        "model.layers.0.mlp.up_proj.biases": row("F16", [4, 1], 136, 144),
    }
    config = {**CONFIG, "quantization": {"bits": 4, "group_size": 64}}
    facts = folders.inspect(forged(tmp_path / "q", table, 144, config))
    assert facts.parameters == 4 * 8 * 8  # eight weights of four bits in each word
    assert facts.quant == "MLX4"
    assert facts.file_bpw == pytest.approx(8 * 144 / 256)
    assert facts.type_elements == {"MLX4": 256}
    assert folders.layout_of(tmp_path / "q") == "mlx"


@pytest.mark.parametrize(
    ("table", "data", "words"),
    [
        ({"a": row("F16", [4], 0, 6)}, 8, "in 6 bytes"),
        ({"a": row("F16", [4], 0, 8)}, 4, "cut off"),
        ({"a": row("F12", [4], 0, 8)}, 8, "F12"),
        ({"a": {"dtype": "F16"}}, 8, "no sense"),
        ({}, 0, "no tensor"),
    ],
)
def test_a_table_that_lies_is_no_model(
    tmp_path: Path, table: dict[str, Any], data: int, words: str
) -> None:
    with pytest.raises(UnreadableModel, match=words):
        folders.inspect(forged(tmp_path / "bad", table, data, CONFIG))


def test_a_header_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    folder = forged(tmp_path / "bad", {}, 0, CONFIG)
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(UnreadableModel, match="longer than the file"):
        folders.inspect(folder)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 4) + b"nope")
    with pytest.raises(UnreadableModel, match="no JSON"):
        folders.inspect(folder)


def test_a_folder_of_quants_is_no_model_itself(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    assert not folders.is_model(tmp_path)
