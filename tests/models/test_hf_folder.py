"""A GGUF file as a folder: the same weights in other places, the same tokens, or a refusal."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.llamalib import tiny

from steelyard.domain.errors import BadInput, UnreadableModel, UnsupportedSubject
from steelyard.models import artifacts, folders, hf_folder, hf_tokenizer, shards

SHAPE = tiny.Shape(tied=False)
HEAD = SHAPE.width // SHAPE.heads


def weights(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read a safetensors file by its format alone."""
    raw = (folder / hf_folder.WEIGHTS).read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    table = json.loads(raw[8 : 8 + length])
    kinds = {"F16": np.float16, "F32": np.float32}
    found = {}
    for name, row in table.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in row["data_offsets"])
            found[name] = np.frombuffer(raw[begin:end], kinds[row["dtype"]]).reshape(row["shape"])
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("source") / "tiny.gguf", SHAPE)


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "tiny-hf"
    hf_folder.write(source, out, "safetensors")
    return out


def test_every_weight_is_there_as_it_was(folder: Path) -> None:
    before, after = tiny.tensors(SHAPE), weights(folder)
    assert len(before) == len(after)
    assert np.array_equal(after["model.embed_tokens.weight"], before["token_embd.weight"])
    assert np.array_equal(after["lm_head.weight"], before["output.weight"])
    for gguf_name, name in (("attn_v", "self_attn.v_proj"), ("ffn_down", "mlp.down_proj")):
        there = after[f"model.layers.1.{name}.weight"]
        assert np.array_equal(there, before[f"blk.1.{gguf_name}.weight"])
    assert after["model.norm.weight"].dtype == np.float32


@pytest.mark.parametrize(("name", "heads"), [("q", SHAPE.heads), ("k", SHAPE.kv_heads)])
def test_the_rows_of_queries_and_keys_go_back_from_pairs_to_halves(
    folder: Path, name: str, heads: int
) -> None:
    before = tiny.tensors(SHAPE)[f"blk.0.attn_{name}.weight"]
    after = weights(folder)[f"model.layers.0.self_attn.{name}_proj.weight"]
    half = HEAD // 2
    for head in range(heads):
        for channel in range(half):
            first, second = head * HEAD + 2 * channel, head * HEAD + 2 * channel + 1
            assert np.array_equal(after[head * HEAD + channel], before[first])
            assert np.array_equal(after[head * HEAD + half + channel], before[second])


def test_the_config_says_what_the_header_said(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert (config["num_attention_heads"], config["num_key_value_heads"]) == (4, 2)
    assert config["rms_norm_eps"] == 1e-05  # stored in single precision
    assert config["tie_word_embeddings"] is False
    assert config["dtype"] == "float16"
    assert "rope_scaling" not in config


def test_an_answer_ends_where_llama_cpp_ends_it(folder: Path) -> None:
    generation = json.loads((folder / "generation_config.json").read_text())
    last = SHAPE.vocabulary
    # The declared end token first, then the one that llama.cpp knows by its name.
    assert generation["eos_token_id"] == [last - 2, last - 4]


def test_the_tokenizer_has_every_token_and_merge_in_order(folder: Path) -> None:
    written = json.loads((folder / "tokenizer.json").read_text())
    assert len(written["model"]["vocab"]) == SHAPE.vocabulary
    assert written["model"]["merges"][0] == "a a"
    special = {token["content"]: token["id"] for token in written["added_tokens"]}
    assert set(special) == set(tiny.SPECIAL)
    assert special["<|im_end|>"] == SHAPE.vocabulary - 2
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config["chat_template"] == tiny.TEMPLATE
    assert config["eos_token"] == "<|im_end|>"


def test_a_beginning_is_put_first_only_where_the_file_says_so(source: Path) -> None:
    read = hf_tokenizer.read(shards.read_model(source).head)
    assert hf_tokenizer.tokenizer_json(read)["post_processor"] is None


def test_the_folder_is_a_model_with_the_facts_of_the_file(source: Path, folder: Path) -> None:
    before, after = artifacts.inspect(source), artifacts.inspect(folder)
    assert folders.is_model(folder)
    for name in ("parameters", "tensor_bytes", "layers", "kv_heads", "head_dim", "vocabulary"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.quant == before.quant == "F16"
    assert after.chat_template_sha256 == before.chat_template_sha256
    assert after.active_bytes == before.active_bytes
    assert artifacts.fingerprint(folder).format == "safetensors"


def test_the_layout_of_mlx_says_so_and_has_an_index(source: Path, tmp_path: Path) -> None:
    files = hf_folder.write(source, tmp_path / "m", "mlx")
    assert "model.safetensors.index.json" in {file.name for file in files}
    assert artifacts.fingerprint(tmp_path / "m").format == "mlx"


def test_one_changed_byte_makes_another_artifact(source: Path, tmp_path: Path) -> None:
    hf_folder.write(source, tmp_path / "m", "safetensors")
    before = artifacts.fingerprint(tmp_path / "m")
    with (tmp_path / "m" / hf_folder.WEIGHTS).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert artifacts.fingerprint(tmp_path / "m").sha256 != before.sha256


def test_weights_that_are_cut_off_are_no_model(source: Path, tmp_path: Path) -> None:
    hf_folder.write(source, tmp_path / "m", "safetensors")
    path = tmp_path / "m" / hf_folder.WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableModel, match="cut off"):
        artifacts.inspect(tmp_path / "m")


def test_a_folder_that_holds_something_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        hf_folder.write(source, tmp_path, "safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_mixture_of_experts_is_refused(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "moe.gguf", tiny.Shape(experts=4))
    with pytest.raises(UnsupportedSubject, match="mixture of experts"):
        hf_folder.write(path, tmp_path / "out", "safetensors")
    assert not (tmp_path / "out").exists()


def changed(source: Path, out: Path, key: str, value: str) -> Path:
    """Copy a file with one text of its metadata changed."""
    raw = source.read_bytes()
    name = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", 8)
    at = raw.index(name) + len(name)
    (length,) = struct.unpack_from("<Q", raw, at)
    assert length == len(value), "only a text of the same length leaves the rest in place"
    out.write_bytes(raw[: at + 8] + value.encode() + raw[at + 8 + length :])
    return out


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("general.architecture", "qwen3", "architecture 'qwen3'"),
        ("tokenizer.ggml.model", "bert", "tokenizer of the kind 'bert'"),
        ("tokenizer.ggml.pre", "tekkn", "rules called 'tekkn'"),
    ],
)
def test_what_cannot_be_written_exactly_is_refused(
    source: Path, tmp_path: Path, key: str, value: str, words: str
) -> None:
    path = changed(source, tmp_path / "other.gguf", key, value)
    with pytest.raises(UnsupportedSubject, match=words):
        hf_folder.write(path, tmp_path / "out", "safetensors")
    assert not (tmp_path / "out").exists()


def test_a_stretching_of_positions_is_found_by_its_factors_or_refused(tmp_path: Path) -> None:
    recipe = {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    recipe["original_max_position_embeddings"] = 8192
    factors = hf_folder.llama3_factors(recipe, HEAD, 10_000.0)
    assert factors[0] == 1  # the fastest turn is left alone
    assert factors[-1] == pytest.approx(32)  # the slowest is stretched whole
    for name, stored in (("known", factors), ("unknown", factors * 1.1)):
        out = gguf.GGUFWriter(tmp_path / f"{name}.gguf", "llama")
        tiny._hyperparameters(out, SHAPE, np.float16)
        tiny._tokenizer(out, SHAPE)
        for tensor, values in {**tiny.tensors(SHAPE), "rope_freqs.weight": stored}.items():
            out.add_tensor(tensor, values.astype(np.float32) if "rope" in tensor else values)
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.write_tensors_to_file()
        out.close()
    hf_folder.write(tmp_path / "known.gguf", tmp_path / "known", "safetensors")
    config = json.loads((tmp_path / "known" / "config.json").read_text())
    assert config["rope_scaling"] == {"rope_type": "llama3", **recipe}
    with pytest.raises(UnsupportedSubject, match="no known recipe"):
        hf_folder.write(tmp_path / "unknown.gguf", tmp_path / "unknown", "safetensors")
