"""Suites of families by name: which are asked at which levels, and how many items of each.

`quality` has the sizes of the standard set, `quick` about a fifth of it. Level 1 is left to small
models, for which a sweep asks it: a person names it with `--level 1`. Not aware of what a subject
can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.errors import UnknownName
from steelyard.tasks import registry

_QUALITY: Final[Mapping[str, int]] = {
    "math_words:2": 150,
    "math_words:3": 150,
    "reading:2": 150,
    "reading:3": 150,
    "logic:2": 150,
    "logic:3": 150,
    "formats:2": 150,
    "formats:3": 150,
    "multi_turn:2": 100,
    "multi_turn:3": 100,
    "business:2": 100,
    "business:3": 100,
    "robustness:2": 300,
    "tools:2": 200,
    "tools:3": 200,
    "rag:2": 200,
    "rag:3": 200,
    "long_context:4": 180,
    "long_context:8": 180,
    "code:2": 100,
    "code:3": 100,
    "vision:2": 100,
    "vision:3": 100,
}
_QUICK: Final[Mapping[str, int]] = {
    "math_words:2": 60,
    "reading:2": 60,
    "logic:2": 60,
    "formats:2": 60,
    "multi_turn:2": 40,
    "business:2": 40,
    "robustness:2": 60,
    "tools:2": 60,
    "rag:2": 60,
    "long_context:4": 45,
    "code:2": 40,
    "vision:2": 40,
}
SUITES: Final[Mapping[str, Mapping[str, int]]] = {"quick": _QUICK, "quality": _QUALITY}


def words(name: str, level: int | None = None) -> tuple[str, ...]:
    """Return the families of a suite, as they are typed; raise `UnknownName` for another one.

    With a `level` each family is asked there, once, as far as it has that level.
    """
    if name not in SUITES:
        raise UnknownName.among("suite", name, SUITES)
    if level is None:
        return tuple(SUITES[name])
    families = dict.fromkeys(word.partition(":")[0] for word in SUITES[name])
    return tuple(f"{one}:{level}" for one in families if level in registry.family(one).levels)


def without(name: str, level: int | None) -> dict[str, str]:
    """Return the families of a suite that have no such level, with that for a reason."""
    if level is None:
        return {}
    kept = {word.partition(":")[0] for word in words(name, level)}
    families = dict.fromkeys(word.partition(":")[0] for word in SUITES[name])
    return {one: f"it has no level {level}" for one in families if one not in kept}


def size(name: str | None, word: str) -> int | None:
    """Return how many items a suite has of a family at a level; None where no suite was named.

    At a level that the suite does not name it is what the family has in all.
    """
    if name is None:
        return None
    family = word.partition(":")[0]
    whole = sum(count for one, count in SUITES[name].items() if one.partition(":")[0] == family)
    return SUITES[name].get(word, whole)
