"""How often the model in training would answer held-out items word for word.

Greedy answers equal the known one exactly when every answer token is the likeliest after the
right ones before it, so one pass without generation finds the exact matches. These items come
from a seed of their own: the shipped sets are never looked at while training.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import torch

from steelyard.domain.task import Task
from steelyard.forge.network import Network, rotation
from steelyard.forge.tokenizer import Codec
from steelyard.tasks.registry import FAMILIES, questions

PROBE_SEED: Final = 7919
_ITEMS: Final = 120
_ROWS: Final = 60


@cache
def _pairs(family: str, items: int) -> tuple[tuple[str, str, str], ...]:
    drawn = questions(Task(family, items=items, seed=PROBE_SEED))
    return tuple((question.prompt, question.answer, question.kind) for question in drawn)


def exact_matches(network: Network, codec: Codec, items: int = _ITEMS) -> dict[str, float]:
    """Return the share of exact matches, by family and by `family.kind`."""
    found: dict[str, list[bool]] = {}
    for family in FAMILIES:
        pairs = _pairs(family, items)
        for start in range(0, len(pairs), _ROWS):
            part = pairs[start : start + _ROWS]
            for right, (_, _, kind) in zip(_right(network, codec, part), part, strict=True):
                found.setdefault(family, []).append(right)
                found.setdefault(f"{family}.{kind}", []).append(right)
    return {name: round(sum(rights) / len(rights), 4) for name, rights in found.items()}


def _right(network: Network, codec: Codec, pairs: tuple[tuple[str, str, str], ...]) -> list[bool]:
    asked = [codec.question(prompt) for prompt, _, _ in pairs]
    said = [codec.reply(answer) for _, answer, _ in pairs]
    width = max(len(a) + len(b) for a, b in zip(asked, said, strict=True))
    rows = [a + b + [0] * (width - len(a) - len(b)) for a, b in zip(asked, said, strict=True)]
    tokens = torch.tensor(rows)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        best = network.logits(network(tokens, *rotation(width), None)).argmax(-1)
    return [
        best[i, len(a) - 1 : len(a) + len(b) - 1].tolist() == b
        for i, (a, b) in enumerate(zip(asked, said, strict=True))
    ]
