"""Values as they may leave the house: without the seed that only their owner knows.

Whoever has it can draw the same questions, and train on them. A record keeps it, since its answers
could not be marked again without. Not aware of files.
"""

from __future__ import annotations

from typing import Any, Final

from steelyard.domain.ids import plain

_KEY: Final = "private_seed"
WITHHELD: Final = "***"


def shareable(value: object) -> Any:
    """Return plain JSON values of a domain value, with every private seed withheld."""
    return _without(plain(value))


def _without(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: WITHHELD if key == _KEY and each is not None else _without(each)
                for key, each in value.items()
            }
        case list():
            return [_without(each) for each in value]
        case _:
            return value
