"""Values as they may leave the house: without the seed that only their owner knows.

Whoever has it can draw the same questions, and train on them. A record keeps it, since its answers
could not be marked again without. A seed that was made here is too long to be guessed, so that its
hash may be told, and names it; a word that somebody typed may be found by trying. Not aware of
files.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from steelyard.domain.ids import plain

FIELD: Final = "private_seed"
WITHHELD: Final = "***"
_MADE: Final = re.compile(r"own-[0-9a-f]{64}")
_NAMED_BY: Final = 16  # hexadecimal digits of the hash: enough to tell seeds apart


def made(randomness: bytes) -> str:
    """Return a seed of 32 random bytes, in the form by which it is known again."""
    return f"own-{randomness.hex()}"


def is_made(seed: str) -> bool:
    """Say whether a seed was made by `made`, and not typed."""
    return _MADE.fullmatch(seed) is not None


def withheld(seed: str) -> str:
    """Return what may be told of a seed: nothing of a typed one, of one that was made its hash."""
    if not is_made(seed):
        return WITHHELD
    return f"{WITHHELD} (sha256 {hashlib.sha256(seed.encode()).hexdigest()[:_NAMED_BY]}…)"


def shown(field: str, value: object) -> object:
    """Return the value of a field as it may be told."""
    return withheld(str(value)) if field == FIELD and value is not None else value


def shareable(value: object) -> Any:
    """Return plain JSON values of a domain value, with every private seed withheld."""
    return _without(plain(value))


def _without(value: Any) -> Any:
    match value:
        case dict():
            return {key: shown(key, _without(each)) for key, each in value.items()}
        case list():
            return [_without(each) for each in value]
        case _:
            return value
