"""Circuits laid into fresh weights: carry a word along, look up what was said of it, hop on.

Copying and looking up is what every family needs, and on a CPU's budget a network spends most of
its training on finding these circuits (Olsson et al., "In-context learning and induction heads",
2022). So it starts with rough ones:

- Heads of the first layer carry to each position the token one and two back, the last subject
  (a name or a kind) and the last noun (a thing or a place).
- Heads of the second copy what followed the present token earlier, copy what stands near the same
  subject, and fetch the subject that had the last noun.
- Heads of the third do the same from what the second has found: the second hop.

Training keeps, bends or drops them like any other weight. The idea of starting from weights with
the form of trained ones is Trockman and Kolter's ("Mimetic initialization of self-attention
layers", 2023). Not aware of anything but the weights that it sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from steelyard.forge.network import Layer, Network

_HEAD: Final = 32
_ROPE_BASE: Final = 10_000.0
_NEAR: Final = (0, 1, 2, 3)  # the fastest rotations: only they tell one step from two
_LATE: Final = (3, 4, 5, 6)  # slow ones: over a sentence or two, later is louder
_COMMON: Final = 0.5  # length of the direction that all tokens share, in token lengths
_MARK: Final = 1.0  # of the directions that subjects and nouns have
_BACK, _LAST, _CARRIED, _MATCH, _COPIED = 1.6, 1.0, 1.4, 2.4, 3.0


class Marked(NamedTuple):
    """Token ids of the words that sentences are about."""

    subjects: tuple[int, ...]
    nouns: tuple[int, ...]


def lay_circuits(network: Network, marked: Marked, seed: int) -> None:
    """Overwrite heads of the first three layers, and give tokens directions to tell them by."""
    hidden = network.shape.hidden
    generator = torch.Generator().manual_seed(seed)

    def rotated() -> Tensor:
        turned: Tensor = torch.linalg.qr(torch.randn(hidden, hidden, generator=generator))[0]
        return turned

    with torch.no_grad():
        embedding = network.embedding.weight
        length = float(embedding.norm(dim=1).mean())
        common, subject, noun = rotated()[:3]
        embedding += _COMMON * length * common
        for ids, direction in ((marked.subjects, subject), (marked.nouns, noun)):
            embedding[list(ids)] += _MARK * length * direction
        alike = torch.stack((common, subject, noun))
        identity = torch.eye(hidden) - alike.T @ alike
        # Every carrying head reads a token by rows of one rotation: what they keep compares.
        token = rotated() @ identity
        back, twice, last_noun, last_subject, fetched = (rotated() for _ in range(5))
        louder = length / hidden**0.5  # from normed units to the stream's
        first, *later = cast("list[Layer]", list(network.layers))
        for heads, kept, distance in (((0, 1), back, 1), ((2,), twice, 2)):
            _attend_back(first, heads, common, distance)
            _move(first, heads, token, _CARRIED * louder * kept)
        for heads, kept, mark in (((3, 4), last_noun, noun), ((5, 6), last_subject, subject)):
            _attend_to_last(first, heads, common, mark)
            _move(first, heads, token, _CARRIED * louder * kept)
        for layer, hops in zip(
            later,
            (
                ((token, back.T), (last_subject.T, last_subject.T), (last_noun.T, back.T)),
                ((token, back.T), (token, last_subject.T), (fetched.T, last_subject.T)),
            ),
            strict=False,
        ):
            for number, (asks, answers) in enumerate(hops):
                heads = (2 * number, 2 * number + 1)
                _match(layer, heads, asks, answers)
                said = rotated()
                _move(layer, heads, said @ identity, _COPIED * louder * said.T)
        if later:  # The last noun's subject is fetched to where the next layer looks for it.
            _move(later[0], (4, 5), last_subject.T, _COPIED * louder * fetched)


def _rows(heads: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Yield for each head its rows of the layer, and the rows of a rotation that it takes."""
    for number, head in enumerate(heads):
        yield (
            slice(head * _HEAD, (head + 1) * _HEAD),
            slice(number * _HEAD, (number + 1) * _HEAD),
        )


def _move(layer: Layer, heads: Sequence[int], reads: Tensor, writes: Tensor) -> None:
    """Let `heads` read by rows of one matrix what they attend to, and write by columns."""
    value = layer.qkv.weight.chunk(3)[2]
    for own, taken in _rows(heads):
        value[own] = reads[taken]
        layer.out.weight[:, own] = writes[:, taken]


def _match(layer: Layer, heads: Sequence[int], asks: Tensor, answers: Tensor) -> None:
    """Let `heads` attend to positions whose `answers` are what the present position `asks`."""
    query, key, _ = layer.qkv.weight.chunk(3)
    for own, taken in _rows(heads):
        query[own] = _MATCH * asks[taken]
        key[own] = _MATCH * answers[taken]


def _attend_back(layer: Layer, heads: Sequence[int], common: Tensor, distance: int) -> None:
    """Score positions by their distance alone, through the direction that all tokens share."""
    angle = distance * _frequencies(_NEAR)
    turned, still = torch.zeros(_HEAD), torch.zeros(_HEAD)
    turned[list(_NEAR)], turned[[_HEAD // 2 + c for c in _NEAR]] = angle.cos(), -angle.sin()
    still[list(_NEAR)] = 1
    query, key, _ = layer.qkv.weight.chunk(3)
    for own, _taken in _rows(heads):
        query[own] = _BACK * torch.outer(turned, common)
        key[own] = _BACK * torch.outer(still, common)


def _attend_to_last(layer: Layer, heads: Sequence[int], common: Tensor, mark: Tensor) -> None:
    """Score marked positions, later ones higher: half a slow turn is further than they reach."""
    still = torch.zeros(_HEAD)
    still[list(_LATE)] = 1
    query, key, _ = layer.qkv.weight.chunk(3)
    for own, _taken in _rows(heads):
        query[own] = _LAST * torch.outer(still, common)
        key[own] = _LAST * torch.outer(still, mark)


def _frequencies(channels: Sequence[int]) -> Tensor:
    return _ROPE_BASE ** (-torch.tensor(channels) / (_HEAD // 2))
