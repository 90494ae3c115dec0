"""What a constrained answer has to say: some values that notes tell of one person.

The notes tell the same of others, too, so that neither an empty answer, nor one that is always the
same, nor a copy of the notes says what was asked. The values are looked for as whole words, in any
letter case and any form. Not aware of constraints.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from random import Random
from typing import Final, final

from steelyard.tasks import json_text
from steelyard.tasks.demands import tongues
from steelyard.tasks.words import ANIMALS, CITIES, COLOURS, JOBS, NAMES, first

FIELDS: Final = ("age", "city", "pet", "job", "color")
_PEOPLE: Final = 3
_ASKED: Final = 3
_AGES: Final = range(21, 100)
_NAMES: Final = tuple(name for name in NAMES if name.lower() not in COLOURS)
_QUESTIONS: Final = (
    "State {fields} of {name}, and say nothing of the others.",
    "What are {fields} of {name}? Leave the others out.",
    "Report {fields} of {name} only; nobody else's.",
)


@final
@dataclass(frozen=True, slots=True)
class Notes:
    """Notes on a few people, the first of whom is asked about.

    `told` holds each person's name and values, by field; `shown` is the order they are told in.
    `language` is the one that the values are to be in, or nothing for that of the notes.
    """

    told: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    shown: tuple[int, ...]
    asked: tuple[str, ...]
    wording: int
    language: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """Return the values to be said, as the notes have them."""
        found = dict(self.told[0][1])
        return tuple(found[field] for field in self.asked)

    @property
    def said(self) -> tuple[str, ...]:
        """Return the values to be said, as they are to be said."""
        return tuple(words[0] for words in self.accepted())

    def accepted(self) -> tuple[tuple[str, ...], ...]:
        """Return, for each value, what it may be called in the language that is wanted."""
        if not self.language:
            return tuple((value,) for value in self.values)
        pairs = zip(self.asked, self.values, strict=True)
        return tuple(tongues.forms(field, value, self.language) for field, value in pairs)

    def others(self) -> tuple[str, ...]:
        """Return the values of the others, in every language that counts."""
        found = [(f, v) for _, told in self.told[1:] for f, v in told if f in self.asked]
        plain = [value for _, value in found]
        if self.language:
            plain += [w for f, v in found for w in tongues.forms(f, v, self.language)]
        return tuple(plain)

    def prompt(self) -> str:
        """Write the notes and the question."""
        people = [self.told[at] for at in self.shown]
        lines = [f"{name}: {', '.join(f'{f} {v}' for f, v in told)}" for name, told in people]
        fields = f"{', '.join(self.asked[:-1])} and {self.asked[-1]}"
        question = _QUESTIONS[self.wording].format(fields=fields, name=self.told[0][0])
        return "Notes:\n" + "\n".join(lines) + f"\n\n{question}"


def draw(rng: Random, *, language: str, ageless: bool, capital: bool) -> Notes:
    """Draw people of whom no two share a value.

    `ageless` asks for words only, `capital` for one with a capital letter, too.
    """
    lists = {
        "city": first(CITIES, 1),
        "pet": tuple(tongues.WORDS["pet"]) if language else first(ANIMALS, 1),
        "job": tuple(tongues.WORDS["job"]) if language else first(JOBS, 1),
        "color": tuple(tongues.WORDS["color"]) if language else COLOURS,
    }
    names = rng.sample(_NAMES, _PEOPLE)
    columns = {"age": [str(age) for age in rng.sample(_AGES, _PEOPLE)]}
    columns |= {field: rng.sample(words, _PEOPLE) for field, words in lists.items()}
    open_fields = tuple(tongues.WORDS) if language else FIELDS[1:] if ageless else FIELDS
    asked = rng.sample(open_fields, _ASKED)
    if capital and not language and "city" not in asked:
        asked[rng.randrange(_ASKED)] = "city"
    told = tuple(
        (name, tuple((field, columns[field][at]) for field in FIELDS))
        for at, name in enumerate(names)
    )
    return Notes(
        told,
        tuple(rng.sample(range(_PEOPLE), _PEOPLE)),
        tuple(asked),
        rng.randrange(len(_QUESTIONS)),
        language,
    )


def folded(text: str) -> str:
    """Return the text without differences of letter case or of how accents are encoded."""
    return unicodedata.normalize("NFC", text).casefold()


def place(word: str, text: str) -> int:
    """Return where a whole word first stands in a folded text, or -1."""
    found = re.search(rf"(?<!\w){re.escape(folded(word))}(?!\w)", text)
    return -1 if found is None else found.start()


def spoken(text: str) -> str:
    r"""Return the text folded, with the `\u` signs of JSON read."""
    try:
        value = json_text.read(text)
    except ValueError:
        return folded(text)
    return folded(json.dumps(value, ensure_ascii=False))
