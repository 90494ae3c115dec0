"""Which constraints can hold together. Not aware of their arguments.

Two of one group demand the same thing twice; a rigid form leaves no room for more words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.tasks.demands.rules import RULES

NAMES: Final = tuple(RULES)
_RIGID: Final = ("json_schema", "json_array", "delimited", "table", "key_values", "regex")
_CASES: Final = frozenset({"upper_case", "lower_case", "title_case"})
_GROUPS: Final[tuple[frozenset[str], ...]] = (
    frozenset({*_RIGID, "bullets", "numbered", "paragraphs", "sentences", "lines"}),
    _CASES,
    frozenset({"word_count", "word_range", "words_at_least", "characters"}),
    frozenset({"quoted", "tagged"}),
    frozenset({"ends_with", "postscript", "sentences"}),
    frozenset({"language", "alphabetical"}),
)
_ROOM: Final[Mapping[str, frozenset[str]]] = {
    "json_schema": frozenset({"language"}),
    "json_array": frozenset({"language", "alphabetical"}) | _CASES,
    "delimited": frozenset({"language", "alphabetical"}) | _CASES,
    "table": frozenset({"language"}) | _CASES,
    "key_values": frozenset({"language"}) | _CASES,
    "regex": frozenset({"language", "alphabetical"}),
}
_APART: Final[Mapping[str, frozenset[str]]] = {
    # What stands at the very start or end, and marks that lines begin with.
    "quoted": frozenset({"begins_with", "ends_with", "postscript", "bullets", "numbered",
                         "sentences"}),
    "tagged": frozenset({"begins_with", "ends_with", "postscript", "bullets", "numbered",
                         "sentences"}),
    "sentences": frozenset({"exclamations"}),
    "highlights": frozenset({"bullets"}),
}  # fmt: skip


def compatible(one: str, other: str) -> bool:
    """Say whether some text keeps both, whatever they are drawn with."""
    if one == other or any({one, other} <= group for group in _GROUPS):
        return False
    for left, right in ((one, other), (other, one)):
        if left in _ROOM and right not in _ROOM[left]:
            return False
        if right in _APART.get(left, ()):
            return False
    return True
