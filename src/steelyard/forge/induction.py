"""A circuit laid into fresh weights: what followed the last time this token stood here?

Copying and looking up is what every family needs, and on a CPU's budget a network spends most of
its training on finding this one circuit (Olsson et al., "In-context learning and induction
heads", 2022). So it starts with a rough one: heads of the first layer attend one position back
and carry that token along; heads of the next two look for a position that carries the present
token, and copy what stands there. Training keeps, bends or drops it like any other weight. The
idea of starting from weights with the form of trained ones is Trockman and Kolter's ("Mimetic
initialization of self-attention layers", 2023).

Not aware of anything but the weights that it sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from steelyard.forge.network import Network

_HEAD: Final = 64
_HEADS: Final = 2  # of a layer; the others stay as they were drawn
_MATCHING: Final = (1, 2)
_CHANNELS: Final = 4  # the fastest rotations: only they tell one step from two
_MEAN: Final = 0.5  # length of the direction that all tokens share, in token lengths
_BACK, _CARRIED, _MATCH, _COPIED = 1.2, 1.4, 2.0, 4.0
_ROPE_BASE: Final = 10_000.0


def lay_induction(network: Network, generator: torch.Generator) -> None:
    """Overwrite some heads of the first three layers, and give tokens a common direction."""
    hidden = network.shape.hidden
    with torch.no_grad():
        embedding = network.embedding.weight
        length = embedding.norm(dim=1).mean()
        common = torch.randn(hidden, generator=generator)
        common /= common.norm()
        embedding += _MEAN * length * common
        token = torch.eye(hidden) - torch.outer(common, common)
        carried, turned = _rotated(hidden, generator), _rotated(hidden, generator)
        scale = length / hidden**0.5
        _look_back(network.layers[0], common, carried @ token, scale * turned @ carried.T)
        for index in _MATCHING:
            if index < network.shape.layers:
                said = _rotated(hidden, generator)
                _match(network.layers[index], carried @ token, turned, said @ token, scale)


def _rotated(size: int, generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=generator))[0]


def _look_back(layer: torch.nn.Module, common: Tensor, reads: Tensor, writes: Tensor) -> None:
    """Score positions by their distance alone, best at one, through the common direction."""
    query, key, value = layer.qkv.weight.chunk(3)
    half = _HEAD // 2
    angle = _ROPE_BASE ** (-torch.arange(_CHANNELS) / half)
    asks, answers = torch.zeros(_HEAD), torch.zeros(_HEAD)
    asks[:_CHANNELS], asks[half : half + _CHANNELS] = angle.cos(), -angle.sin()
    answers[:_CHANNELS] = 1
    for head in range(_HEADS):
        rows = slice(head * _HEAD, (head + 1) * _HEAD)
        query[rows] = _BACK * torch.outer(asks, common)
        key[rows] = _BACK * torch.outer(answers, common)
        value[rows] = reads[rows]
        layer.out.weight[:, rows] = _CARRIED * writes[:, rows]


def _match(
    layer: torch.nn.Module, carried: Tensor, turned: Tensor, said: Tensor, scale: Tensor
) -> None:
    """Ask for the present token among the carried ones; copy what stands where it is found."""
    query, key, value = layer.qkv.weight.chunk(3)
    for head in range(_HEADS):
        rows = slice(head * _HEAD, (head + 1) * _HEAD)
        query[rows] = _MATCH * carried[rows]
        key[rows] = _MATCH * carried[rows] @ turned.T
        value[rows] = said[rows]
        layer.out.weight[:, rows] = _COPIED * scale * said[rows].T
