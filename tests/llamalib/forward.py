"""The tiny Llama's forward pass in numpy, written from the paper: the known answer for decoding."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.llamalib.tiny import Shape, tensors

BASE = 10000.0
EPSILON = 1e-5


def log_probabilities(tokens: list[int], shape: Shape, seed: int, dtype: Any) -> Any:
    """Return (positions, vocabulary) natural log-probabilities in float64."""
    weights = {n: t.astype(np.float64) for n, t in tensors(shape, seed, dtype).items()}
    x = weights["token_embd.weight"][tokens]
    for layer in range(shape.layers):
        block = {
            name.removeprefix(f"blk.{layer}.").removesuffix(".weight"): tensor
            for name, tensor in weights.items()
            if name.startswith(f"blk.{layer}.")
        }
        x = x + attention(norm(x, block["attn_norm"]), block, shape)
        h = norm(x, block["ffn_norm"])
        gate = h @ block["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ block["ffn_up"].T)) @ block["ffn_down"].T
    output = weights.get("output.weight", weights["token_embd.weight"])
    logits = norm(x, weights["output_norm.weight"]) @ output.T
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def norm(x: Any, weight: Any) -> Any:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON) * weight


def attention(h: Any, block: dict[str, Any], shape: Shape) -> Any:
    count, size = h.shape[0], shape.width // shape.heads
    q = rotate((h @ block["attn_q"].T).reshape(count, shape.heads, size))
    k = rotate((h @ block["attn_k"].T).reshape(count, shape.kv_heads, size))
    v = (h @ block["attn_v"].T).reshape(count, shape.kv_heads, size)
    group = shape.heads // shape.kv_heads
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
    scores[:, np.triu(np.ones((count, count), bool), 1)] = -np.inf
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v).reshape(count, -1) @ block["attn_output"].T


def rotate(x: Any) -> Any:
    """Rotary positions on neighbouring pairs, as llama.cpp stores the Llama family."""
    count, _, size = x.shape
    angles = np.arange(count)[:, None] * BASE ** (-np.arange(0, size, 2) / size)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2], out[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
    return out
