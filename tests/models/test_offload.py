"""What lies where when layers go to a GPU: planned from tables of tensors, mixtures among them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models import small_shapes

from steelyard.domain.subject import EngineProfile
from steelyard.models import offload, quants, shapes, synth
from steelyard.models.offload import Placing, Weights
from steelyard.models.shapes import Shape

PROFILE = EngineProfile(context_tokens=4096, flash_attention=True)


def weights(shape: Shape, quant: str = "Q4_K_M") -> Weights:
    return offload.of_targets(synth.targets(shape, quants.find(quant)))


def test_layers_experts_and_output_are_all_of_a_file_but_its_embedding_and_norm() -> None:
    shape = small_shapes.MIXTURE
    found, facts = weights(shape), synth.facts(shape, "Q4_K_M")
    targets = synth.targets(shape, quants.find("Q4_K_M"))
    rest = sum(
        t.size_bytes
        for t in targets
        if t.tensor.name in ("token_embd.weight", "output_norm.weight")
    )
    assert sum(found.layers) + found.output + rest == facts.tensor_bytes
    experts = sum(t.size_bytes for t in targets if "_exps" in t.tensor.name)
    assert sum(found.experts) == experts > 0


def test_a_tied_output_lies_on_the_gpu_once_more() -> None:
    shape = small_shapes.PLAIN
    targets = synth.targets(shape, quants.find("Q8_0"))
    embedding = next(t.size_bytes for t in targets if t.tensor.name == "token_embd.weight")
    assert weights(shape, "Q8_0").output == embedding
    assert sum(weights(shape).experts) == 0


def test_every_layer_more_takes_more_and_every_expert_aside_gives_back() -> None:
    shape = shapes.find("qwen3-30b-a3b")
    found, facts = weights(shape), synth.facts(shape, "Q4_K_M")
    layers = [
        offload.on_gpu(found, facts, PROFILE, Placing(count)) for count in range(shape.layers + 2)
    ]
    assert layers[0] == 0
    assert layers == sorted(set(layers))
    whole = Placing(shape.layers + 1)
    aside = [
        offload.on_gpu(found, facts, PROFILE, replace(whole, experts_aside=count))
        for count in range(shape.layers + 1)
    ]
    assert aside == sorted(set(aside), reverse=True)
    assert aside[0] - aside[-1] == sum(found.experts)


def test_where_all_fits_there_is_nothing_to_search_but_all_and_nothing() -> None:
    shape = shapes.find("qwen3-30b-a3b")
    found, facts = weights(shape), synth.facts(shape, "Q4_K_M")
    ways = offload.worth_trying(found, facts, PROFILE, 24_000_000_000)
    assert ways == (Placing(shape.layers + 1), Placing())


def test_a_mixture_that_does_not_fit_leaves_experts_behind_before_layers() -> None:
    shape = shapes.find("qwen3-30b-a3b")
    found, facts = weights(shape), synth.facts(shape, "Q4_K_M")
    first, spare, *layers, none = offload.worth_trying(found, facts, PROFILE, 8_000_000_000)
    assert first.gpu_layers == spare.gpu_layers == shape.layers + 1
    assert spare.experts_aside == first.experts_aside + 2
    fewer = replace(first, experts_aside=first.experts_aside - 1)
    assert offload.on_gpu(found, facts, PROFILE, first) <= 8_000_000_000
    assert offload.on_gpu(found, facts, PROFILE, fewer) > 8_000_000_000
    assert all(way.experts_aside == 0 < way.gpu_layers <= shape.layers for way in layers)
    assert none == Placing()


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b", "gemma-2-2b"])
@given(room=st.integers(0, 30_000_000_000), context=st.sampled_from([1024, 4096, 8192]))
@settings(max_examples=40, deadline=None)
def test_no_placing_is_tried_that_surely_does_not_fit(name: str, room: int, context: int) -> None:
    shape = shapes.find(name)
    found, facts = weights(shape), synth.facts(shape, "Q4_K_M")
    profile = replace(PROFILE, context_tokens=context)
    ways = offload.worth_trying(found, facts, profile, room)
    assert ways[-1] == Placing()
    assert len(set(ways)) == len(ways) <= 5
    assert all(offload.on_gpu(found, facts, profile, way) <= room for way in ways)
