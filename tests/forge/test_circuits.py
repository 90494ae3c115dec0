"""What fresh weights can do already: carry a subject along, and find what was said of it."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from steelyard.forge import mix
from steelyard.forge.circuits import lay_circuits
from steelyard.forge.network import HEAD_SIZE, NORM_EPSILON, Layer, Network, Shape, rotation
from steelyard.forge.recipes import BASE
from steelyard.forge.tokenizer import Codec

PROMPT = "Quinn is in the lake. Pia has the chair. Tom is in the court. Where is Pia? Answer with"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.trained(mix.tokenizer_texts(BASE))


@pytest.fixture(scope="module")
def attention(codec: Codec) -> Tensor:
    """The first layer's attention from the last position: (heads, positions)."""
    network = Network(Shape(layers=2), seed=1)
    lay_circuits(network, mix.marked(codec), seed=1)
    ids = codec.encode(PROMPT)
    layer = cast("Layer", network.layers[0])
    with torch.no_grad():
        x = network.embedding(torch.tensor([ids]))
        normed = nnf.rms_norm(x, (network.shape.hidden,), layer.attention_norm, NORM_EPSILON)
        heads = layer.qkv(normed).view(len(ids), 3, network.shape.heads, HEAD_SIZE)
        cos, sin = rotation(len(ids))
        query, key = (_turned(heads[:, part].transpose(0, 1), cos, sin) for part in (0, 1))
        scores = query[:, -1:] @ key.transpose(-1, -2) / HEAD_SIZE**0.5
        found: Tensor = scores.softmax(-1)[:, 0]
        return found


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def test_words_of_the_shipped_level_are_marked(codec: Codec) -> None:
    marked = mix.marked(codec)
    assert len(marked.subjects) > 90
    assert len(marked.nouns) > 90
    assert codec.encode(" Quinn")[0] in marked.subjects
    assert codec.encode(" lake")[0] in marked.nouns


def test_heads_look_one_and_two_back(attention: Tensor) -> None:
    last = attention.shape[1] - 1
    assert attention[0].argmax() == attention[1].argmax() == last - 1
    assert attention[2].argmax() == last - 2


def test_heads_find_the_last_subject_and_the_last_noun(codec: Codec, attention: Tensor) -> None:
    ids = codec.encode(PROMPT)
    assert ids[int(attention[5].argmax())] == codec.encode(" Pia")[0]
    assert ids[int(attention[3].argmax())] == codec.encode(" court")[0]
    assert attention[3].max() > 0.5
    assert attention[5].max() > 0.5


def test_a_network_of_one_layer_gets_what_it_has_room_for(codec: Codec) -> None:
    network = Network(Shape(layers=1), seed=1)
    layer = cast("Layer", network.layers[0])
    before = layer.qkv.weight.clone()
    lay_circuits(network, mix.marked(codec), seed=1)
    assert not torch.equal(before, layer.qkv.weight)
