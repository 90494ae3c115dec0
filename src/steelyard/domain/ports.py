"""What the upper rooms need from a shell, as protocols: they are handed one, never look for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tokenise(Protocol):
    """Turn text into the served model's tokens."""

    def __call__(self, text: str, *, special: bool = False) -> Sequence[int]:
        """Return token ids."""
