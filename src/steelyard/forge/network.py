"""The Llama architecture in plain torch: RMSNorm, rotary positions, SwiGLU, tied embeddings.

`forward` returns hidden states; logits are taken only where a loss or an answer is wanted, for a
fifth of a tiny model's work lies in its output layer. Rotation pairs a channel with the one half
a head away (as in Hugging Face); `forge.export` reorders the rows for GGUF.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

HEAD_SIZE: Final = 32
ROPE_BASE: Final = 10_000.0
NORM_EPSILON: Final = 1e-5
EMBEDDING_DEVIATION: Final = 0.02


@final
@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network. Rows are multiples of 256, so that every K-quant fits."""

    layers: int = 6
    hidden: int = 256
    feed_forward: int = 768
    vocabulary: int = 2048

    @property
    def heads(self) -> int:
        """Attention heads; keys and values have as many."""
        return self.hidden // HEAD_SIZE


def rotation(positions: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, shape (positions, HEAD_SIZE / 2)."""
    half = HEAD_SIZE // 2
    frequency = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency[None, :]
    return angle.cos().float(), angle.sin().float()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Layer(nn.Module):  # type: ignore[misc, unused-ignore]
    """Attention and feed-forward, each behind a norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attention_norm = nn.Parameter(torch.ones(shape.hidden))
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden, bias=False)
        self.out = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.feed_norm = nn.Parameter(torch.ones(shape.hidden))
        self.gate_up = nn.Linear(shape.hidden, 2 * shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Map (batch, positions, hidden) to the same shape."""
        batch, positions, hidden = x.shape
        normed = nnf.rms_norm(x, (hidden,), self.attention_norm, NORM_EPSILON)
        heads = self.qkv(normed).view(batch, positions, 3, self.shape.heads, HEAD_SIZE)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, cos, sin).to(v.dtype), _rotate(k, cos, sin).to(v.dtype)
        mixed = nnf.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, positions, hidden))
        normed = nnf.rms_norm(x, (hidden,), self.feed_norm, NORM_EPSILON)
        gate, up = self.gate_up(normed).chunk(2, dim=-1)
        out: Tensor = x + self.down(nnf.silu(gate) * up)
        return out


class Network(nn.Module):  # type: ignore[misc, unused-ignore]
    """Token ids in, hidden states out; `logits` ties the output to the embedding."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:  # noqa: PLR2004 - norms start at one
                continue
            deviation = 1 / math.sqrt(parameter.shape[1])
            if "embedding" in name:
                deviation = EMBEDDING_DEVIATION
            elif name.endswith(("out.weight", "down.weight")):
                # What a layer adds is no louder than the token itself, or the token drowns.
                deviation *= EMBEDDING_DEVIATION
            with torch.no_grad():
                parameter.normal_(0.0, deviation, generator=generator)

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Return normed hidden states, (batch, positions, hidden).

        `mask` is boolean, true where a position may look; None is plain causal attention.
        """
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return nnf.rms_norm(x, (self.shape.hidden,), self.norm, NORM_EPSILON)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return float32 logits of hidden states."""
        return nnf.linear(hidden, self.embedding.weight.to(hidden.dtype)).float()

    def loss(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        rotation: tuple[Tensor, Tensor],
        targets: tuple[Tensor, Tensor, Tensor],
    ) -> Tensor:
        """Return cross-entropies, one a target. `targets` are flat positions, ids, weights."""
        where, ids, _ = targets
        hidden = self.forward(tokens, *rotation, mask).flatten(0, 1)[where]
        return nnf.cross_entropy(self.logits(hidden), ids, reduction="none")
