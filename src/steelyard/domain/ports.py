"""What the upper rooms need from a shell, as protocols: they are handed one, never look for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tokenise(Protocol):
    """Turn text into the served model's tokens."""

    def __call__(self, text: str, *, special: bool = False) -> Sequence[int]:
        """Return token ids."""


class Embed(Protocol):
    """Turn texts into vectors by a model of somebody's."""

    @property
    def model(self) -> str:
        """Which model embeds."""

    @property
    def where(self) -> str:
        """The address that is asked."""

    def __call__(self, texts: Sequence[str], /) -> tuple[Sequence[Sequence[float]], int]:
        """Return a vector for each text, and for how long was waited for them, in nanoseconds.

        Raises `EngineError` where none came, `BadInput` where none can ever come.
        """
