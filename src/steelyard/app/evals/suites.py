"""Suites of families by name: which are asked, and how many items of each.

Sizes are those of the standard set. Not aware of what a subject can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.errors import UnknownName

_QUALITY: Final[Mapping[str, int]] = {
    "math_words": 300,
    "reading": 300,
    "logic": 300,
    "formats": 300,
    "multi_turn": 200,
    "business": 200,
    "robustness": 300,
    "tools": 400,
    "rag": 400,
    "long_context:4": 105,
    "code": 200,
    "vision": 200,
}
SUITES: Final[Mapping[str, Mapping[str, int]]] = {"quality": _QUALITY}


def words(name: str) -> tuple[str, ...]:
    """Return the families of a suite, as they are typed; raise `UnknownName` for another one."""
    if name not in SUITES:
        raise UnknownName.among("suite", name, SUITES)
    return tuple(SUITES[name])


def size(name: str | None, word: str) -> int | None:
    """Return how many items a suite has of a family; None where no suite was named."""
    return None if name is None else SUITES[name][word]
