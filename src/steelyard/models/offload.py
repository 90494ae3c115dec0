"""What lies where when layers go to a GPU: weights and cache of a layer, and experts kept behind.

llama.cpp counts the output as one layer more and fills the GPU from the end; `--n-cpu-moe N` keeps
the experts of the first N layers on the processor. Only weights and caches are counted: what a GPU
takes to compute with was never compared, so the sum is what it takes at least. Not aware of
devices or engines. Source: `load_tensors` in llama.cpp's src/llama-model.cpp.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.subject import ArtifactFacts, EngineProfile
from steelyard.models import gguf, memory_parts, recipes

_LAYER: Final = re.compile(r"blk\.(\d+)\.(.+)")
_EXPERTS: Final = re.compile(r"ffn_(up|down|gate)_(ch|)exps")
_EMBEDDINGS: Final = "token_embd."
_OUTPUT: Final = "output."
# A candidate so many layers below the most that fits: what is not counted may need the room.
_SPARE: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of each layer, those of its experts among them, and of the output.

    A tied output is the embedding once more: a copy of it lies beside the GPU's layers.
    """

    layers: tuple[int, ...]
    experts: tuple[int, ...]
    output: int


@final
@dataclass(frozen=True, slots=True)
class Placing:
    """So many layers on the GPU, 0 for none, and of how many the experts stay behind."""

    gpu_layers: int = 0
    experts_aside: int = 0


def of_tensors(tensors: Iterable[gguf.Tensor]) -> Weights:
    """Weigh the layers of a file."""
    return _weighed((tensor.name, tensor.size_bytes) for tensor in tensors)


def of_targets(targets: Iterable[recipes.Target]) -> Weights:
    """Weigh the layers of a file that is not made yet."""
    return _weighed((target.tensor.name, target.size_bytes) for target in targets)


def on_gpu(weights: Weights, facts: ArtifactFacts, profile: EngineProfile, placing: Placing) -> int:
    """Return the bytes of weights and cache that lie on the GPU."""
    if placing.gpu_layers <= 0:
        return 0
    first = max(0, len(weights.layers) + 1 - placing.gpu_layers)
    kept = memory_parts.kv_cache(facts.memory, profile) if facts.memory else 0
    each = kept / len(weights.layers) if weights.layers else 0.0
    total = float(weights.output)
    for layer in range(first, len(weights.layers)):
        total += weights.layers[layer] + each
        if layer < placing.experts_aside:
            total -= weights.experts[layer]
    return int(total)


def worth_trying(
    weights: Weights, facts: ArtifactFacts, profile: EngineProfile, room: int
) -> tuple[Placing, ...]:
    """Return the placings to try in a GPU's room, the one with most on it first, none of it last.

    Where all fits there is one. Where not: as much as fits and a little less, of layers, and in a
    mixture first of layers whose experts stay behind.
    """
    count = len(weights.layers)

    def fits(placing: Placing) -> bool:
        return on_gpu(weights, facts, profile, placing) <= room

    whole = Placing(count + 1)
    if fits(whole):
        return (whole, Placing())
    found: dict[Placing, None] = {}
    if any(weights.experts):
        ways: Sequence[Placing] = [Placing(count + 1, aside) for aside in range(1, count + 1)]
        found |= dict.fromkeys(_most(ways, fits))
    ways = [Placing(layers) for layers in range(count, 0, -1)]
    found |= dict.fromkeys(_most(ways, fits))
    found[Placing()] = None
    return tuple(found)


def _most(ways: Sequence[Placing], fits: Callable[[Placing], bool]) -> Iterator[Placing]:
    """Yield the first that fits, and one a little smaller."""
    there = list(itertools.dropwhile(lambda way: not fits(way), ways))
    yield from there[:1]
    yield from there[_SPARE : _SPARE + 1]


def _weighed(rows: Iterable[tuple[str, int]]) -> Weights:
    layers: dict[int, int] = {}
    experts: dict[int, int] = {}
    embedding = output = 0
    for name, size in rows:
        match = _LAYER.match(name)
        if match is not None:
            layer = int(match[1])
            layers[layer] = layers.get(layer, 0) + size
            if _EXPERTS.match(match[2]):
                experts[layer] = experts.get(layer, 0) + size
        elif name.startswith(_OUTPUT):
            output += size
        elif name.startswith(_EMBEDDINGS):
            embedding += size
    count = max(layers, default=-1) + 1
    return Weights(
        tuple(layers.get(layer, 0) for layer in range(count)),
        tuple(experts.get(layer, 0) for layer in range(count)),
        output or embedding,
    )
