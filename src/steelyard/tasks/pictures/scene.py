"""A scene: what is true in a picture, what is asked about it, and how it is drawn.

The truth is drawn from the seed first; pixels are made of it when somebody asks for them. Not aware
of items or of files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

from steelyard.media.canvas import Canvas
from steelyard.tasks.items import Scorer
from steelyard.tasks.scoring import ChoiceScorer, NumberScorer

WIDTH: Final = 448
HEIGHT: Final = 336
COLOURS: Final = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "black")
FRUIT: Final = (
    "Apple", "Date", "Fig", "Grape", "Guava", "Kiwi", "Lemon", "Lime", "Mango", "Melon", "Olive",
    "Papaw", "Peach", "Pear", "Plum",
)  # fmt: skip
_WORD: Final = "Answer with one word only."
_NUMBER: Final = "Answer with the number only."


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One question about a scene: the whole prompt, the known answer, and how it is read."""

    kind: str
    prompt: str
    answer: str
    scorer: Scorer


@final
@dataclass(frozen=True, slots=True)
class Scene:
    """`key` holds what determines every answer; `draw` makes the picture."""

    key: tuple[str, ...]
    asked: tuple[Asked, ...]
    draw: Callable[[], Canvas]


def number(kind: str, question: str, value: int) -> Asked:
    """Ask for a number."""
    scorer = NumberScorer(Fraction(value))
    return Asked(kind, f"{question} {_NUMBER}", str(value), scorer)


def word(kind: str, question: str, value: str, options: Sequence[str]) -> Asked:
    """Ask for one of some words."""
    return Asked(kind, f"{question} {_WORD}", value, ChoiceScorer(value, tuple(options)))
