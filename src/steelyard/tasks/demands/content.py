"""Whether a text says what was asked: each value once at least, and none of somebody else.

A value that stands beside a field's name, as in JSON or `city: Rome`, has to be that field's. In a
table with a column a field it is not looked at which column a value is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from steelyard.tasks import json_text
from steelyard.tasks.demands.notes import Notes, folded, place, spoken

_BESIDE: Final = re.compile(r"(?:(?<!\s)\s+)?(?:->|=>|[:=~|])\s*")
_AROUND: Final = " \t-*+•|\"'"
_PAIR: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Content:
    """The fields and values to be said, each in every form that counts, and those that may not."""

    fields: tuple[str, ...]
    wanted: tuple[tuple[str, ...], ...]
    unwanted: tuple[str, ...]

    @classmethod
    def of(cls, notes: Notes) -> Content:
        """Take a value in the language of the notes, too: the language is a constraint apart."""
        pairs = zip(notes.accepted(), notes.values, strict=True)
        return cls(notes.asked, tuple((*words, plain) for words, plain in pairs), notes.others())

    def said(self, text: str) -> bool:
        """Say whether the text tells everything that was asked, and nothing of the others."""
        bare = spoken(text)
        every = all(any(place(word, bare) >= 0 for word in words) for words in self.wanted)
        strange = any(place(word, bare) >= 0 for word in self.unwanted)
        return every and not strange and all(self._fits(*pair) for pair in _pairs(text))

    def _fits(self, field: str, value: str) -> bool:
        if field not in self.fields:
            return True
        words = self.wanted[self.fields.index(field)]
        return any(place(word, value) >= 0 for word in words)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the folded names and values of a JSON object, or of the lines that have one each."""
    try:
        value = json_text.read(text)
    except ValueError:
        value = None
    if isinstance(value, dict):
        yield from ((folded(name), folded(str(one))) for name, one in value.items())
    for line in folded(text).splitlines() if value is None else ():
        parts = _BESIDE.split(line.strip(_AROUND))
        if len(parts) == _PAIR:
            yield parts[0].strip(_AROUND), parts[1]
