"""How many weights packed tensors hold, for each scheme in the shapes that its own tools write."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import UnreadableModel
from steelyard.models import folders, packing
from steelyard.models.packing import Scheme
from steelyard.models.safetensors import DTYPE_BITS, Tensor

IN, OUT = 128, 64
WEIGHTS = IN * OUT
P = "model.layers.0.mlp.up_proj"


def tensor(name: str, dtype: str, *shape: int) -> Tensor:
    return Tensor(name, dtype, shape, 0, math.prod(shape) * DTYPE_BITS[dtype] // 8)


def gptq(bits: int) -> list[Tensor]:
    return [
        tensor(f"{P}.qweight", "I32", IN * bits // 32, OUT),
        tensor(f"{P}.qzeros", "I32", 1, OUT * bits // 32),
        tensor(f"{P}.scales", "F16", 1, OUT),
        tensor(f"{P}.g_idx", "I32", IN),
    ]


AWQ = [
    tensor(f"{P}.qweight", "I32", IN, OUT // 8),
    tensor(f"{P}.qzeros", "I32", 1, OUT // 8),
    tensor(f"{P}.scales", "F16", 1, OUT),
]
NF4 = [
    tensor(f"{P}.weight", "U8", WEIGHTS // 2, 1),
    tensor(f"{P}.weight.absmax", "U8", WEIGHTS // 64),
    tensor(f"{P}.weight.quant_map", "F32", 16),
    tensor(f"{P}.weight.nested_absmax", "F32", 1),
    tensor(f"{P}.weight.nested_quant_map", "F32", 256),
    tensor(f"{P}.weight.quant_state.bitsandbytes__nf4", "U8", 80),
]
INT8 = [
    tensor(f"{P}.weight", "I8", OUT, IN),
    tensor(f"{P}.SCB", "F32", OUT),
    tensor(f"{P}.weight_format", "U8"),
]
FP8 = [
    tensor(f"{P}.weight", "F8_E4M3", OUT, IN),
    tensor(f"{P}.weight_scale_inv", "F32", 1, 1),
]
E = "model.layers.0.mlp.experts.gate_up_proj"
MXFP4 = [
    tensor(f"{E}_blocks", "U8", 4, OUT, IN // 32, 16),
    tensor(f"{E}_scales", "U8", 4, OUT, IN // 32),
    tensor(f"{E}_bias", "BF16", 4, OUT),
]
PRESSED = [
    tensor(f"{P}.weight_packed", "I32", OUT, IN // 8),
    tensor(f"{P}.weight_scale", "BF16", OUT, 1),
    tensor(f"{P}.weight_shape", "I64", 2),
]
NVFP4_PRESSED = [
    tensor(f"{P}.weight_packed", "U8", OUT, IN // 2),
    tensor(f"{P}.weight_scale", "F8_E4M3", OUT, IN // 16),
    tensor(f"{P}.weight_global_scale", "F32", 1),
]
NVFP4 = [
    tensor(f"{P}.weight", "U8", OUT, IN // 2),
    tensor(f"{P}.weight_scale", "F8_E4M3", OUT, IN // 16),
    tensor(f"{P}.weight_scale_2", "F32"),
    tensor(f"{P}.input_scale", "F32"),
]
MLX = [
    tensor(f"{P}.weight", "U32", OUT, IN * 6 // 32),
    tensor(f"{P}.scales", "BF16", OUT, 2),
    tensor(f"{P}.biases", "BF16", OUT, 2),
]
MLX_MX = [
    tensor(f"{P}.weight", "U32", OUT, IN * 4 // 32),
    tensor(f"{P}.scales", "U8", OUT, IN // 32),
]
EXL2 = [
    tensor(f"{P}.q_weight", "I32", 20, OUT),
    tensor(f"{P}.q_invperm", "I16", IN),
    tensor(f"{P}.q_scale", "I32", 1, OUT // 8),
    tensor(f"{P}.q_scale_max", "F16", 1),
    tensor(f"{P}.q_groups", "I16", 2),
]
EXL3 = [
    tensor(f"{P}.trellis", "I16", IN // 16, OUT // 16, 48),
    tensor(f"{P}.suh", "F16", IN),
    tensor(f"{P}.svh", "F16", OUT),
]
COMPRESSED = {"quant_method": "compressed-tensors", "format": "pack-quantized"} | {
    "config_groups": {"group_0": {"weights": {"num_bits": 4}}}
}


@pytest.mark.parametrize(
    ("config", "tensors", "kind", "weights"),
    [
        ({"quant_method": "gptq", "bits": 4}, gptq(4), "GPTQ4", WEIGHTS),
        ({"quant_method": "gptq", "bits": 3}, gptq(3), "GPTQ3", WEIGHTS),
        ({"quant_method": "gptq", "bits": 8}, gptq(8), "GPTQ8", WEIGHTS),
        ({"quant_method": "awq", "bits": 4}, AWQ, "AWQ4", WEIGHTS),
        ({"quant_method": "awq", "w_bit": 4}, AWQ, "AWQ4", WEIGHTS),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            NF4,
            "NF4",
            WEIGHTS,
        ),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, INT8, "INT8", WEIGHTS),
        ({"quant_method": "fp8"}, FP8, "FP8", WEIGHTS),
        (COMPRESSED, PRESSED, "INT4", WEIGHTS),
        ({"quant_method": "compressed-tensors"}, NVFP4_PRESSED, "NVFP4", WEIGHTS),
        ({"quant_algo": "NVFP4"}, NVFP4, "NVFP4", WEIGHTS),
        ({"quant_method": "exl2", "bits": 5.0}, EXL2, "EXL2", WEIGHTS),
        ({"quant_method": "exl3"}, EXL3, "EXL3_3", WEIGHTS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_packed_weights_are_counted_and_what_serves_them_is_not(
    config: dict[str, Any], tensors: list[Tensor], kind: str, weights: int
) -> None:
    how = packing.scheme({"quantization_config": config})
    found = packing.weights(tensors, how, Path("x"))
    assert [(one.kind, one.elements) for one in found if one.elements] == [(kind, weights)]
    assert sum(one.size_bytes for one in found) == sum(one.size_bytes for one in tensors)


def test_the_experts_of_gpt_oss_are_two_weights_a_byte_beside_plain_biases() -> None:
    how = packing.scheme({"quantization_config": {"quant_method": "mxfp4"}})
    found = packing.weights(MXFP4, how, Path("x"))
    assert [(one.kind, one.elements) for one in found] == [
        ("MXFP4", 4 * WEIGHTS),
        ("", 0),
        ("BF16", 4 * OUT),
    ]


@pytest.mark.parametrize(("tensors", "bits"), [(MLX, 6), (MLX_MX, 4)])
def test_a_layer_of_mlx_may_have_bits_of_its_own(tensors: list[Tensor], bits: int) -> None:
    how = packing.scheme({"quantization": {"bits": 8, "group_size": 64, P: {"bits": bits}}})
    found = packing.weights(tensors, how, Path("x"))
    assert [(one.kind, one.elements) for one in found if one.elements] == [(f"MLX{bits}", WEIGHTS)]


def test_what_is_not_packed_is_what_it_says() -> None:
    found = packing.weights([tensor(f"{P}.weight", "BF16", OUT, IN)], Scheme(""), Path("x"))
    assert [(one.kind, one.elements) for one in found] == [("BF16", WEIGHTS)]


@pytest.mark.parametrize("method", ["aqlm", "hqq", "spqr"])
def test_a_scheme_that_cannot_be_counted_is_refused_and_not_guessed(method: str) -> None:
    how = packing.scheme({"quantization_config": {"quant_method": method}})
    with pytest.raises(UnreadableModel, match=f"packed by {method}"):
        packing.weights(AWQ, how, Path("x"))


@pytest.mark.parametrize("bits", [None, 0, 99, True, "4"])
def test_packed_words_without_bits_are_refused(bits: object) -> None:
    how = packing.scheme({"quantization_config": {"quant_method": "gptq", "bits": bits}})
    with pytest.raises(UnreadableModel, match="in how many bits"):
        packing.weights(gptq(4), how, Path("x"))


def model(folder: Path, tensors: list[Tensor], **files: object) -> Path:
    """Write a folder with these tensors and small files (`config_json` is config.json)."""
    folder.mkdir()
    table, at = {}, 0
    for one in tensors:
        end = at + one.size_bytes
        entry = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": [at, end]}
        table[one.name], at = entry, end
    head = json.dumps(table).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(at))
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("_json", ".json").replace("_jinja", ".jinja")).write_text(text)
    return folder


CONFIG = {
    "model_type": "x",
    "hidden_size": IN,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "vocab_size": 8,
    "max_position_embeddings": 99,
}
EMBED = tensor("model.embed_tokens.weight", "BF16", 8, IN)


def test_the_facts_of_a_quantised_folder_are_measured(tmp_path: Path) -> None:
    quantised = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    facts = folders.inspect(model(tmp_path / "m", [EMBED, *gptq(4)], config_json=quantised))
    body = sum(one.size_bytes for one in gptq(4))
    assert (facts.quant, facts.parameters) == ("GPTQ4", WEIGHTS + 8 * IN)
    assert facts.body_bpw == pytest.approx(8 * body / WEIGHTS)
    assert facts.file_bpw == pytest.approx(8 * (body + EMBED.size_bytes) / facts.parameters)
    assert (facts.kv_heads, facts.head_dim, facts.context_tokens) == (2, IN // 4, 99)


def test_an_older_repository_keeps_its_bits_in_a_file_of_their_own(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", gptq(4), config_json=CONFIG, quantize_config_json={"bits": 4})
    assert folders.inspect(folder).quant == "GPTQ4"
    modelopt = {"quantization": {"quant_algo": "NVFP4"}}
    folder = model(tmp_path / "n", NVFP4, config_json=CONFIG, hf_quant_config_json=modelopt)
    assert folders.inspect(folder).quant == "NVFP4"


def test_a_model_of_several_senses_keeps_its_text_part_inside(tmp_path: Path) -> None:
    outside = {"model_type": "sees", "text_config": CONFIG}
    facts = folders.inspect(model(tmp_path / "m", [EMBED], config_json=outside))
    assert (facts.layers, facts.context_tokens, facts.vocabulary) == (3, 99, 8)


def test_of_experts_only_those_used_are_read(tmp_path: Path) -> None:
    config = {**CONFIG, "num_local_experts": 4, "num_experts_per_tok": 1}
    config["quantization_config"] = {"quant_method": "mxfp4"}
    facts = folders.inspect(model(tmp_path / "m", MXFP4, config_json=config))
    assert facts.active_bytes == sum(one.size_bytes // 4 for one in MXFP4)
    assert (facts.experts, facts.experts_used) == (4, 1)


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config_json": {"chat_template": "T"}},
        {
            "tokenizer_config_json": {
                "chat_template": [
                    {"name": "tool_use", "template": "X"},
                    {"name": "default", "template": "T"},
                ]
            }
        },
        {"chat_template_jinja": "T", "tokenizer_config_json": {"chat_template": "old"}},
        {"chat_template_json": {"chat_template": "T"}},
    ],
)
def test_a_chat_template_is_found_wherever_it_is_kept(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    import hashlib

    facts = folders.inspect(model(tmp_path / "m", [EMBED], config_json=CONFIG, **files))
    assert facts.chat_template_sha256 == hashlib.sha256(b"T").hexdigest()


def test_settings_that_are_no_settings_are_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", [EMBED], config_json="[]")
    with pytest.raises(UnreadableModel, match=r"config.json.*no settings"):
        folders.inspect(folder)
    folder = model(tmp_path / "n", [EMBED], config_json=CONFIG, tokenizer_config_json="{")
    with pytest.raises(UnreadableModel, match=r"tokenizer_config.json.*no JSON"):
        folders.inspect(folder)
