"""A tiny Llama-family GGUF with random weights and a byte-level tokenizer, made on the spot."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The tiny model's dimensions: small, and with rows that every quant fits."""

    width: int = 256
    layers: int = 2
    feed_forward: int = 512
    heads: int = 4
    kv_heads: int = 2
    context: int = 1024
    vocabulary: int = 512
    tied: bool = True
    experts: int = 0


def write(path: Path, shape: Shape = Shape(), *, seed: int = 0, dtype: Any = np.float16) -> Path:
    """Write the model and return its path."""
    out = gguf.GGUFWriter(path, "llama")
    _hyperparameters(out, shape, dtype)
    _tokenizer(out, shape)
    for name, tensor in tensors(shape, seed, dtype).items():
        out.add_tensor(name, tensor)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def tensors(shape: Shape, seed: int = 0, dtype: Any = np.float16) -> dict[str, Any]:
    """Return the weights by name, in file order."""
    rng = np.random.default_rng(seed)
    d, ff, kv = shape.width, shape.feed_forward, shape.width // shape.heads * shape.kv_heads

    def matrix(rows: int, columns: int, scale: float, *experts: int) -> Any:
        return (rng.standard_normal((*experts, rows, columns)) * scale).astype(dtype)

    weights: dict[str, Any] = {"token_embd.weight": matrix(shape.vocabulary, d, 1.0)}
    weights["output_norm.weight"] = np.ones(d, np.float32)
    if not shape.tied:
        weights["output.weight"] = matrix(shape.vocabulary, d, 0.05)
    for layer in range(shape.layers):
        prefix = f"blk.{layer}."
        weights[prefix + "attn_norm.weight"] = np.ones(d, np.float32)
        weights[prefix + "ffn_norm.weight"] = np.ones(d, np.float32)
        for name, rows, columns in (
            *(("attn_q", d, d), ("attn_k", kv, d), ("attn_v", kv, d), ("attn_output", d, d)),
            *(("ffn_gate", ff, d), ("ffn_up", ff, d), ("ffn_down", d, ff)),
        ):
            if shape.experts and name.startswith("ffn"):
                weights[f"{prefix}{name}_exps.weight"] = matrix(rows, columns, 0.06, shape.experts)
            else:
                weights[f"{prefix}{name}.weight"] = matrix(rows, columns, 0.06)
        if shape.experts:
            router = rng.standard_normal((shape.experts, d)).astype(np.float32)
            weights[f"{prefix}ffn_gate_inp.weight"] = router
    return weights


def _hyperparameters(out: Any, shape: Shape, dtype: Any) -> None:
    out.add_name("tiny")
    out.add_context_length(shape.context)
    out.add_embedding_length(shape.width)
    out.add_block_count(shape.layers)
    out.add_feed_forward_length(shape.feed_forward)
    out.add_head_count(shape.heads)
    out.add_head_count_kv(shape.kv_heads)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(shape.width // shape.heads)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(shape.vocabulary)
    if shape.experts:
        out.add_expert_count(shape.experts)
        out.add_expert_used_count(2)
    out.add_file_type(0 if dtype is np.float32 else 1)


def _tokenizer(out: Any, shape: Shape) -> None:
    byte = _byte_characters()
    tokens = [byte[value] for value in range(256)]
    merges: list[str] = []
    letters = [byte[value] for value in range(ord("a"), ord("z") + 1)]
    for left, right in itertools.product(letters, letters):
        if len(tokens) == shape.vocabulary - len(SPECIAL):
            break
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    kinds = [1] * len(tokens) + [3] * len(SPECIAL)
    tokens += SPECIAL
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("qwen2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(merges)
    out.add_bos_token_id(len(tokens) - 4)
    out.add_eos_token_id(len(tokens) - 2)
    out.add_pad_token_id(len(tokens) - 1)
    out.add_add_bos_token(False)
    out.add_chat_template(TEMPLATE)


def _byte_characters() -> dict[int, str]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(256) if value not in plain]
    table = {value: chr(value) for value in plain}
    return table | {value: chr(256 + index) for index, value in enumerate(others)}
