"""Held-out prose for timing prompts and for fidelity: text that the bundled model never saw.

Not aware of tokens: callers cut. The text of fidelity is fixed by its own seed, so that two sweeps
measure on the same positions and its hash can stand beside the numbers.
"""

from __future__ import annotations

import functools
import random
from typing import Final

from steelyard.domain.task import Split, Task
from steelyard.tasks.registry import FAMILIES, questions

_FIDELITY_SEED: Final = 7
_PASSAGES: Final = 120


@functools.cache
def passages(family: str, seed: int) -> tuple[str, ...]:
    """Return held-out prompts of one family, in generated order."""
    task = Task(family, items=_PASSAGES, seed=seed)
    return tuple(question.prompt for question in questions(task))


def passage(draw: random.Random) -> str:
    """Draw one passage of plain prose."""
    return draw.choice(passages("reading", 3))


def fidelity_text() -> str:
    """Return the text on which token probabilities are compared: questions and their answers."""
    return _written("held_out")


def importance_text() -> str:
    """Return the text that an importance matrix is made from: no item of it is in fidelity's.

    Else quants made with that matrix would look closer to the reference than they are.
    """
    return _written("train")


def _written(split: Split) -> str:
    written = []
    pools = [
        questions(Task(family, items=_PASSAGES, seed=_FIDELITY_SEED, split=split))
        for family in FAMILIES
    ]
    for turn in zip(*pools, strict=True):
        written += [f"{question.prompt}\n{question.answer}\n" for question in turn]
    return "\n".join(written)
