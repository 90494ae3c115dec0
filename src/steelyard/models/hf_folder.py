"""A GGUF file of the Llama architecture, written as the folder that Hugging Face's tools load.

The weights stay what they are in the file (F16, F32 or BF16); only the rows of queries and keys go
back from llama.cpp's neighbouring pairs to halves. A quantised file is refused: dequantised weights
would be another model under the same name. The folder appears whole or not at all. Not aware of
engines. Formats: ggml-org/llama.cpp `convert_hf_to_gguf.py` (names, permutation), docs/gguf.md;
Hugging Face `LlamaConfig`; safetensors (a length, a JSON table, the weights).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.models import gguf, hf_tokenizer, shards
from steelyard.platform import atomic

Layout: TypeAlias = Literal["safetensors", "mlx"]

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
# What a file says of itself; mlx-lm writes the first, Hugging Face's tools the second.
_METADATA: Final = {"mlx": "mlx", "safetensors": "pt"}
_TYPES: Final = {"F32": ("F32", 4, "float32"), "F16": ("F16", 2, "float16")} | {
    "BF16": ("BF16", 2, "bfloat16")
}
_OUTSIDE: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INSIDE: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LAYER: Final = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_FACTORS: Final = "rope_freqs.weight"
# Llama 3.1 and later stretch their positions; the file holds the outcome, the config the recipe.
_LLAMA3: Final = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
_LLAMA3_FACTORS: Final = (8.0, 32.0, 16.0)
_LLAMA3_TRAINED: Final = (8192, 4096)


@final
@dataclass(frozen=True, slots=True)
class _Weight:
    """One tensor under its new name; `heads` is set where rows are to be put back."""

    name: str
    file: Path
    tensor: gguf.Tensor
    heads: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first, as safetensors has it."""
        return tuple(reversed(self.tensor.shape))


def write(source: Path, folder: Path, layout: Layout) -> tuple[Path, ...]:
    """Write the folder and return its files.

    Raises:
        UnsupportedSubject: another architecture, quantised weights, a tokenizer of another kind.
        BadInput: the folder exists and is not empty, or cannot be written.
    """
    model = shards.read_model(source)
    vocabulary = hf_tokenizer.read(model.head)
    weights = _weights(model)
    config = _config(model, vocabulary, weights)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not empty", hint="choose another --out")
    context = config["max_position_embeddings"]
    files = {
        CONFIG: config,
        "generation_config.json": _generation(vocabulary),
        "tokenizer.json": hf_tokenizer.tokenizer_json(vocabulary),
        "tokenizer_config.json": hf_tokenizer.tokenizer_config(vocabulary, context),
    }
    if layout == "mlx":
        files[f"{WEIGHTS}.index.json"] = _index(weights)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for name, content in files.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (part / name).write_text(text, encoding="utf-8")
        _write_weights(part / WEIGHTS, weights, {"format": _METADATA[layout]})
        part.replace(folder)
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(sorted(folder.iterdir()))


def _weights(model: shards.Model) -> tuple[_Weight, ...]:
    head = model.head
    if (arch := head.text("general.architecture")) != "llama":
        raise UnsupportedSubject(
            f"{head.path.name} is of the architecture {arch!r}; only llama can be exported",
            hint="take the model's original folder from where it was published",
        )
    if head.integer("llama.expert_count", 0):
        raise UnsupportedSubject(
            f"{head.path.name} is a mixture of experts, which this export does not know",
            hint="take the model's original folder from where it was published",
        )
    heads = head.integer("llama.attention.head_count")
    kv_heads = head.integer("llama.attention.head_count_kv", heads)
    rows = {"attn_q": heads, "attn_k": kv_heads}
    return tuple(
        _renamed(head, file, tensor, rows)
        for file, tensor in model.tensors()
        if tensor.name != _FACTORS
    )


def _renamed(
    head: gguf.Header, file: Path, tensor: gguf.Tensor, rows: Mapping[str, int]
) -> _Weight:
    if tensor.type.name not in _TYPES:
        raise UnsupportedSubject(
            f"{head.path.name} is quantised: {tensor.name} is {tensor.type.name}, and only F16, "
            f"F32 and BF16 weights can be exported as they are",
            hint="export from the unquantised file of the same model",
        )
    if tensor.name in _OUTSIDE:
        return _Weight(_OUTSIDE[tensor.name], file, tensor, None)
    found = _LAYER.fullmatch(tensor.name)
    if found is None or found[2] not in _INSIDE:
        raise UnsupportedSubject(
            f"{head.path.name} holds {tensor.name}, which has no place in a Llama folder",
            hint="take the model's original folder from where it was published",
        )
    layer, part, kind = found.groups()
    name = f"model.layers.{layer}.{_INSIDE[part]}.{kind}"
    return _Weight(name, file, tensor, rows.get(part))


def _config(
    model: shards.Model, vocabulary: hf_tokenizer.Vocabulary, weights: tuple[_Weight, ...]
) -> dict[str, Any]:
    head = model.head
    heads = head.integer("llama.attention.head_count")
    width = head.integer("llama.embedding_length")
    head_dim = head.integer("llama.attention.key_length", width // heads)
    if head.integer("llama.rope.dimension_count", head_dim) != head_dim:
        raise UnsupportedSubject(
            f"{head.path.name} turns only a part of each head, which a Llama config cannot say",
            hint="take the model's original folder from where it was published",
        )
    names = {weight.name for weight in weights}
    bulk = max(weights, key=lambda weight: weight.tensor.elements)
    theta = _float(head, "llama.rope.freq_base", 10_000.0)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": head.integer("llama.feed_forward_length"),
        "num_hidden_layers": head.integer("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": head.integer("llama.attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": head.integer("llama.context_length"),
        "rms_norm_eps": _float(head, "llama.attention.layer_norm_rms_epsilon", 1e-5),
        "rope_theta": theta,
        "rope_scaling": _scaling(model, head_dim, theta),
        "attention_bias": any(name.endswith("q_proj.bias") for name in names),
        "mlp_bias": any(name.endswith("up_proj.bias") for name in names),
        "attention_dropout": 0.0,
        "tie_word_embeddings": "lm_head.weight" not in names,
        "vocab_size": len(vocabulary.tokens),
        "dtype": _TYPES[bulk.tensor.type.name][2],
        "use_cache": True,
        **_generation(vocabulary),
    }
    return {key: value for key, value in config.items() if value is not None}


def _generation(vocabulary: hf_tokenizer.Vocabulary) -> dict[str, Any]:
    ends = vocabulary.ends
    found = {
        "bos_token_id": vocabulary.begin,
        "eos_token_id": list(ends) if len(ends) > 1 else next(iter(ends), None),
        "pad_token_id": vocabulary.pad,
    }
    return {key: value for key, value in found.items() if value is not None}


def _float(head: gguf.Header, key: str, default: float) -> float:
    """Return a number stored in single precision as the shortest one that is stored so."""
    value = head.value(key)
    if value is None:
        return default
    if not isinstance(value, float | int):
        raise gguf.unreadable(head.path, f"its metadata has {key} = {value!r}")
    return float(str(np.float32(value)))


def _scaling(model: shards.Model, head_dim: int, theta: float) -> dict[str, Any] | None:
    """Return the recipe by which positions are stretched, if they are."""
    head = model.head
    kind = head.text("llama.rope.scaling.type") or "none"
    stretched = next((pair for pair in model.tensors() if pair[1].name == _FACTORS), None)
    if stretched is not None and kind == "none":
        return _llama3(head, np.asarray(_read(*stretched)).view(np.float32), head_dim, theta)
    if kind == "none" and stretched is None:
        return None
    factor = _float(head, "llama.rope.scaling.factor", 1.0)
    if kind == "linear" and stretched is None:
        return {"rope_type": "linear", "factor": factor}
    raise UnsupportedSubject(
        f"{head.path.name} stretches its positions by {kind!r}, which this export does not know",
        hint="take the model's original folder from where it was published",
    )


def _llama3(
    head: gguf.Header, stored: NDArray[np.float32], head_dim: int, theta: float
) -> dict[str, Any]:
    """Find the recipe that gives exactly the factors in the file."""
    for factor, trained in itertools.product(_LLAMA3_FACTORS, _LLAMA3_TRAINED):
        recipe = {"rope_type": "llama3", "factor": factor, **_LLAMA3}
        recipe["original_max_position_embeddings"] = trained
        if np.allclose(llama3_factors(recipe, head_dim, theta), stored, rtol=1e-6):
            return recipe
    raise UnsupportedSubject(
        f"{head.path.name} stretches its positions by factors that no known recipe gives",
        hint="take the model's original folder from where it was published",
    )


def llama3_factors(recipe: Mapping[str, Any], head_dim: int, theta: float) -> NDArray[np.float32]:
    """Return by how much each frequency is divided (Llama 3.1's rule, as transformers has it)."""
    frequency = theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    wavelength = 2 * np.pi / frequency
    trained, factor = recipe["original_max_position_embeddings"], recipe["factor"]
    low, high = recipe["low_freq_factor"], recipe["high_freq_factor"]
    smooth = np.clip((trained / wavelength - low) / (high - low), 0.0, 1.0)
    scaled = 1 / ((1 - smooth) / factor + smooth)
    factors: NDArray[np.float32] = scaled.astype(np.float32)
    return factors


def _index(weights: tuple[_Weight, ...]) -> dict[str, Any]:
    total = sum(weight.tensor.size_bytes for weight in weights)
    return {
        "metadata": {"total_size": total},
        "weight_map": dict.fromkeys(sorted(weight.name for weight in weights), WEIGHTS),
    }


def _write_weights(path: Path, weights: tuple[_Weight, ...], metadata: dict[str, str]) -> None:
    table: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for weight in weights:
        end = offset + weight.tensor.size_bytes
        table[weight.name] = {
            "dtype": _TYPES[weight.tensor.type.name][0],
            "shape": list(weight.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)  # what follows is to lie on a multiple of eight
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(head)) + head)
        for data in _in_order(weights):
            out.write(data)
        _flush(out)


def _in_order(weights: tuple[_Weight, ...]) -> Iterator[bytes]:
    for weight in weights:
        raw = _read(weight.file, weight.tensor)
        if weight.heads is not None:
            raw = halves(raw.reshape(weight.shape[0], -1), weight.heads)
        yield np.ascontiguousarray(raw).tobytes()


def halves(rows: NDArray[np.uint8], heads: int) -> NDArray[np.uint8]:
    """Reorder each head's rows from pairs (0, 16, 1, 17, …) to halves (0..15, 16..31)."""
    count, row_bytes = rows.shape
    pairs = rows.reshape(heads, count // heads // 2, 2, row_bytes)
    return pairs.transpose(0, 2, 1, 3).reshape(count, row_bytes)


def _read(path: Path, tensor: gguf.Tensor) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        file.seek(tensor.start)
        found = np.frombuffer(file.read(tensor.size_bytes), np.uint8)
    if len(found) != tensor.size_bytes:
        raise gguf.unreadable(path, f"it ends within {tensor.name}")
    return found


def _flush(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())
