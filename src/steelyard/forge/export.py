"""Write a network as GGUF: architecture `llama`, tokenizer `gpt2` with Qwen2's pre-tokenizer.

Rows of the query and key matrices are reordered, for llama.cpp rotates neighbouring channels
where the network rotates halves. Matrices are F16, norms F32, as llama.cpp's converter does.
Formats: ggml-org/llama.cpp `convert_hf_to_gguf.py` (permutation, names) and gguf-py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.forge.network import HEAD_SIZE, NORM_EPSILON, ROPE_BASE, Layer, Network, Shape
from steelyard.forge.tokenizer import CHAT_TEMPLATE, SPECIAL, Codec

CONTEXT: Final = 4096


def tensors(network: Network) -> dict[str, NDArray[np.generic]]:
    """Return GGUF tensor names and arrays: F16 matrices (rows, columns), F32 norms."""
    found = {"token_embd.weight": _half(network.embedding.weight)}
    for index, layer in enumerate(network.layers):
        found |= {f"blk.{index}.{name}": array for name, array in _layer(layer).items()}
    found["output_norm.weight"] = _single(network.norm)
    return found


def _layer(layer: torch.nn.Module) -> dict[str, NDArray[np.generic]]:
    assert isinstance(layer, Layer)  # noqa: S101 - narrows what ModuleList forgets
    q, k, v = layer.qkv.weight.chunk(3)
    gate, up = layer.gate_up.weight.chunk(2)
    return {
        "attn_norm.weight": _single(layer.attention_norm),
        "attn_q.weight": _half(_neighbours(q)),
        "attn_k.weight": _half(_neighbours(k)),
        "attn_v.weight": _half(v),
        "attn_output.weight": _half(layer.out.weight),
        "ffn_norm.weight": _single(layer.feed_norm),
        "ffn_gate.weight": _half(gate),
        "ffn_up.weight": _half(up),
        "ffn_down.weight": _half(layer.down.weight),
    }


def _neighbours(weight: Tensor) -> Tensor:
    """Reorder each head's rows from halves (0..15, 16..31) to pairs (0, 16, 1, 17, …)."""
    rows, columns = weight.shape
    return (
        weight.view(rows // HEAD_SIZE, 2, HEAD_SIZE // 2, columns)
        .transpose(1, 2)
        .reshape(rows, columns)
    )


def _half(weight: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = weight.detach().to(torch.float16).contiguous().numpy()
    return array


def _single(weight: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = weight.detach().to(torch.float32).contiguous().numpy()
    return array


def rounded(network: Network) -> Network:
    """Return a float32 network with exactly the values that the F16 file holds."""
    copy = Network(network.shape)
    state = {
        name: value.detach().to(torch.float16).float() if value.dim() > 1 else value.detach()
        for name, value in network.state_dict().items()
    }
    copy.load_state_dict(state)
    copy.eval()
    return copy


def write_gguf(network: Network, codec: Codec, path: Path, *, name: str) -> None:
    """Write the model file whole, or not at all."""
    unfinished = path.with_suffix(".tmp")
    writer = gguf.GGUFWriter(str(unfinished), "llama")
    _describe(writer, network.shape, name)
    _vocabulary(writer, codec)
    for tensor_name, array in tensors(network).items():
        writer.add_tensor(tensor_name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)


def _describe(writer: gguf.GGUFWriter, shape: Shape, name: str) -> None:
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_vocab_size(shape.vocabulary)


def _vocabulary(writer: gguf.GGUFWriter, codec: Codec) -> None:
    described = json.loads(codec.tokenizer.to_str())["model"]
    by_id = sorted(described["vocab"].items(), key=lambda entry: entry[1])
    merges = [m if isinstance(m, str) else " ".join(m) for m in described["merges"]]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([token for token, _ in by_id])
    writer.add_token_types([control if token in SPECIAL else normal for token, _ in by_id])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(codec.end)
    writer.add_eot_token_id(codec.end)
    writer.add_pad_token_id(codec.end_of_text)
    writer.add_bos_token_id(codec.end_of_text)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
