"""Read what a training left in its folder: the network as it stands, its codec, its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from steelyard.domain.errors import BadInput
from steelyard.forge.network import Network, Shape
from steelyard.forge.recipes import Recipe
from steelyard.forge.tokenizer import Codec


@final
@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network in training, and where its training stands."""

    network: Network
    codec: Codec
    step: int
    tokens: int
    wall_s: float
    steps: int
    decay_from: int


def load(recipe: Recipe, folder: Path) -> Checkpoint:
    """Read the last checkpoint of a folder."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        raise BadInput(f"{folder} holds no checkpoint", hint="train first: steelyard forge bundled")
    state = torch.load(path, weights_only=True)
    if state["recipe"] != recipe.sha256:
        raise BadInput(
            f"{path} was made by another recipe than {recipe.name!r}",
            hint="choose another folder, or remove that one to start anew",
        )
    network = Network(Shape(recipe.layers, feed_forward=recipe.feed_forward))
    network.load_state_dict(state["network"])
    step, tokens, wall_s, steps, decay_from = state["clock"]
    return Checkpoint(
        network.eval(),
        Codec.load(folder / "tokenizer.json"),
        step,
        tokens,
        wall_s,
        steps,
        decay_from,
    )


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a training log; of a step logged twice after a resume, the later one."""
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return list({line["step"]: line for line in lines}.values())
