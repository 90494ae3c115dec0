"""A recipe and a folder small enough for tests that take seconds."""

from __future__ import annotations

from pathlib import Path

from steelyard.forge.recipes import Recipe
from steelyard.forge.train import Trainer

TINY = Recipe(
    "tiny",
    layers=1,
    feed_forward=256,
    rows=((0, 2), (3, 1)),
    positions=128,
    steps=6,
    decay_steps=2,
    warmup_steps=1,
    repeat_steps=1,
    drill_steps=2,
    long_share=1.0,
    long_positions=1024,
)


def trainer(folder: Path) -> Trainer:
    return Trainer(TINY, folder, compiled=False)
