"""The importance matrix of a network: mean squares of what flows into each matrix.

Gathered by hooks over conversations of the train split, in float32 over the weights of the F16
file; the statistic is that of llama-imatrix. Not aware of files: `models.imatrix` writes them.
"""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Final, final

import torch
from torch import Tensor, nn

from steelyard.forge import mix
from steelyard.forge.network import Layer, Network, rotation
from steelyard.forge.recipes import Recipe
from steelyard.forge.tokenizer import Codec
from steelyard.models.imatrix import Statistic
from steelyard.tasks.items import content_hash

# The fused matrices of the network, and the tensors of the file that share their input.
_FED: Final = {
    "qkv": ("attn_q", "attn_k", "attn_v"),
    "out": ("attn_output",),
    "gate_up": ("ffn_gate", "ffn_up"),
    "down": ("ffn_down",),
}
CHUNK: Final = 512


@final
class _Tally:
    """Adds up the squares that pass one module."""

    def __init__(self, columns: int) -> None:
        self.sums = torch.zeros(columns, dtype=torch.float64)
        self.rows = 0

    def __call__(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].detach().flatten(0, -2).double()
        self.sums += flat.square().sum(0)
        self.rows += flat.shape[0]


def calibration(recipe: Recipe, codec: Codec, chunks: int = 48) -> list[list[int]]:
    """Return chunks of train-split conversations, CHUNK tokens each."""
    rng = Random(content_hash("calibration", str(recipe.seed)))
    tokens: list[int] = []
    while len(tokens) < chunks * CHUNK:
        tokens += mix.as_document(codec, mix.conversation(recipe, recipe.steps, rng)).tokens
        tokens += codec.encode("\n")
    starts = islice(range(0, len(tokens), CHUNK), chunks)
    return [tokens[start : start + CHUNK] for start in starts]


def statistics(network: Network, chunks: list[list[int]]) -> dict[str, Statistic]:
    """Return the statistic of every matrix by its GGUF tensor name."""
    tallies: dict[str, _Tally] = {}
    handles = []
    for index, layer in enumerate(network.layers):
        assert isinstance(layer, Layer)  # noqa: S101 - narrows what ModuleList forgets
        for fused, names in _FED.items():
            module: nn.Linear = getattr(layer, fused)
            tally = _Tally(module.in_features)
            handles.append(module.register_forward_pre_hook(tally))
            tallies |= {f"blk.{index}.{name}.weight": tally for name in names}
    turning = rotation(CHUNK)
    with torch.inference_mode():
        for chunk in chunks:
            network(torch.tensor([chunk]), *turning, None)
    for handle in handles:
        handle.remove()
    return {
        name: Statistic(
            tally.sums.float().numpy()[None, :], torch.tensor([float(tally.rows)]).numpy()
        )
        for name, tally in tallies.items()
    }
