"""Held-out prose for timing prompts and for fidelity: text that the bundled model never saw.

Not aware of tokens: callers cut. The text of fidelity is fixed by its own seed, so that two sweeps
measure on the same positions and its hash can stand beside the numbers.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import Final

from steelyard.domain.task import Split, Task
from steelyard.tasks.items import Question
from steelyard.tasks.registry import FAMILIES, questions

_FIDELITY_SEED: Final = 7
_SEARCH_SEED: Final = 11
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


def search_text() -> str:
    """Return a text to choose a mix of tensor types on, so that fidelity's text can prove it.

    It is in the same style, and no passage, puzzle or form of it is in fidelity's.
    """
    proof = {q.cluster for family in FAMILIES for q in questions(_drawn(family, _FIDELITY_SEED))}
    pools = [
        [q for q in questions(_drawn(family, _SEARCH_SEED)) if q.cluster not in proof]
        for family in FAMILIES
    ]
    return _joined(pools)


def importance_text() -> str:
    """Return the text that an importance matrix is made from: no item of it is in fidelity's.

    Else quants made with that matrix would look closer to the reference than they are.
    """
    return _written("train")


def _written(split: Split) -> str:
    return _joined([questions(_drawn(family, _FIDELITY_SEED, split)) for family in FAMILIES])


def _drawn(family: str, seed: int, split: Split = "held_out") -> Task:
    return Task(family, items=_PASSAGES, seed=seed, split=split)


def _joined(pools: Sequence[Sequence[Question]]) -> str:
    written = []
    for turn in zip(*pools, strict=False):
        written += [f"{question.prompt}\n{question.answer}\n" for question in turn]
    return "\n".join(written)
