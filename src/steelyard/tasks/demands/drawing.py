"""Draws constraints with their arguments, alone or several that can hold together.

Arguments that depend on the text (its length, a letter or words that it lacks) are drawn last, from
an answer that keeps all the others: so every item has an answer, which is kept as the known one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from string import ascii_lowercase
from typing import Any, Final, TypeAlias

from steelyard.tasks.demands import notes as facts
from steelyard.tasks.demands import tongues, wordings
from steelyard.tasks.demands.content import Content
from steelyard.tasks.demands.notes import Notes, folded
from steelyard.tasks.demands.scorer import DemandScorer
from steelyard.tasks.demands.together import NAMES, compatible
from steelyard.tasks.demands.writing import LETTERS, written
from steelyard.tasks.items import Draft
from steelyard.tasks.words import VERBS, first

Arguments: TypeAlias = dict[str, Any]

SIZES: Final[Mapping[str, int]] = {"two": 2, "three": 3, "four": 4, "five": 5}
_WHOLE: Final = "What is asked of the form holds for your whole answer."
_ALONE_TOKENS: Final = 256
_TOKENS: Final = 448
_MARKS: Final = (";", "|", "/", "::", "~", "#")
_SIGNS: Final = ("=", "->", ":", "=>", "~")
_STYLES: Final = ("1.", "1)", "(1)", "#1")
_OPENINGS: Final = (
    "Good morning", "Here is the note", "As requested", "For the record", "Dear reader",
    "Please listen", "In short", "To be precise",
)  # fmt: skip
_CLOSINGS: Final = (
    "that is all", "best regards", "over and out", "thank you for reading", "kind regards",
    "more will follow", "end of the note", "see you soon",
)  # fmt: skip
_TAGS: Final = ("note", "reply", "result", "entry", "record", "output", "item", "report")
_KEYWORDS: Final = (
    "ladder", "window", "river", "summer", "paper", "market", "garden", "letter", "engine",
    "winter", "bottle", "village", "music", "morning", "mirror", "basket",
)  # fmt: skip
_COMMON: Final = ("the", "and", "is", "a", "of", "has", "with", "in", "as", "are", "for")
_COMMON_LETTERS: Final = "etaoinsrhldcu"
_NESTED: Final = {"type": "boolean"}


def _json_schema(rng: Random, notes: Notes) -> Arguments:
    """Draw a schema: the fields, and one more property that no plain object has."""
    kinds: dict[str, Any] = {
        field: {"type": "integer" if field == "age" else "string"} for field in notes.asked
    }
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("status", {"type": "string", "enum": rng.sample(["open", "done", "held", "new"], 2)}),
        ("version", {"type": "integer", "enum": [rng.randint(2, 9)]}),
        ("tags", {"type": "array", "items": {"type": "string"}, "minItems": rng.randint(1, 4)}),
        ("checks", {"type": "object", "properties": {"read": _NESTED, "final": _NESTED},
                    "required": ["read", "final"], "additionalProperties": False}),
    )  # fmt: skip
    name, kind = rng.choice(more)
    kinds[name] = kind
    shown = {key: kinds[key] for key in rng.sample(list(kinds), len(kinds))}
    schema = {
        "type": "object",
        "properties": shown,
        "required": list(shown),
        "additionalProperties": False,
    }
    return {"schema": json.dumps(schema)}


def _json_array(rng: Random, notes: Notes) -> Arguments:
    return {"of": rng.choice(("strings", "pairs", "objects")), "count": len(notes.asked)}


def _table(rng: Random, notes: Notes) -> Arguments:
    wide = rng.randrange(2) == 0
    header = rng.sample(notes.asked, len(notes.asked)) if wide else ["field", "value"]
    return {"header": header, "rows": 1 if wide else len(notes.asked)}


def _key_values(rng: Random, notes: Notes) -> Arguments:
    fields = rng.sample(notes.asked, len(notes.asked))
    return {"mark": rng.choice(_SIGNS), "fields": fields, "count": len(fields)}


def _regex(rng: Random, notes: Notes) -> Arguments:
    letters, digits, mark = rng.randint(2, 4), rng.randint(2, 4), rng.choice("=#~%@")
    pattern = rf"[a-z]{{{letters}}}\d{{{digits}}}({mark}\w+){{{len(notes.asked)}}}"
    return {"pattern": pattern, "letters": letters, "digits": digits, "mark": mark}


def _language(_: Random, notes: Notes) -> Arguments:
    words = [list(forms) for forms in notes.accepted()]
    return {"language": notes.language, "words": words, "plain": list(notes.values)}


def _alphabetical(_: Random, notes: Notes) -> Arguments:
    return {"words": sorted(notes.values, key=str.casefold)}


def _keyword_count(rng: Random, _: Notes) -> Arguments:
    return {"word": rng.choice(first(VERBS, 2)), "count": rng.randint(2, 6)}


def _letter_at_least(rng: Random, _: Notes) -> Arguments:
    return {"letter": rng.choice(LETTERS), "let_frequency": rng.randint(4, 9)}


def _count(low: int, high: int) -> Callable[[Random, Notes], Arguments]:
    return lambda rng, _: {"count": rng.randint(low, high)}


def _numbered(name: str, low: int, high: int) -> Callable[[Random, Notes], Arguments]:
    return lambda rng, _: {name: rng.randint(low, high)}


def _chosen(name: str, options: tuple[str, ...]) -> Callable[[Random, Notes], Arguments]:
    return lambda rng, _: {name: rng.choice(options)}


def _nothing(_: Random, _notes: Notes) -> Arguments:
    return {}


_EARLY: Final[Mapping[str, Callable[[Random, Notes], Arguments]]] = {
    "json_schema": _json_schema,
    "json_array": _json_array,
    "delimited": lambda rng, notes: {"mark": rng.choice(_MARKS), "count": len(notes.asked)},
    "table": _table,
    "key_values": _key_values,
    "regex": _regex,
    "bullets": lambda rng, _: {"marker": rng.choice("-*+•"), "count": rng.randint(2, 6)},
    "numbered": lambda rng, _: {"style": rng.choice(_STYLES), "count": rng.randint(2, 6)},
    "paragraphs": _count(2, 5),
    "sentences": _count(2, 6),
    "lines": _count(2, 7),
    "upper_case": _nothing,
    "lower_case": _nothing,
    "title_case": _nothing,
    "keywords": lambda rng, _: {"words": rng.sample(_KEYWORDS, rng.randint(2, 4))},
    "keyword_count": _keyword_count,
    "letter_at_least": _letter_at_least,
    "begins_with": _chosen("phrase", _OPENINGS),
    "ends_with": _chosen("end_phrase", _CLOSINGS),
    "postscript": _nothing,
    "heading": _nothing,
    "quoted": _nothing,
    "tagged": _chosen("tag", _TAGS),
    "placeholders": _numbered("num_placeholders", 2, 4),
    "highlights": _numbered("num_highlights", 2, 4),
    "exclamations": _count(2, 6),
    "language": _language,
    "alphabetical": _alphabetical,
}


def _letter_avoided(rng: Random, notes: Notes, text: str) -> Arguments:
    bare = folded(text + "".join(word for words in notes.accepted() for word in words))
    lacking = [one for one in _COMMON_LETTERS if one not in bare]
    rare = [one for one in ascii_lowercase if one not in bare]
    return {"letter": rng.choice(lacking or rare), "floor": _floor(rng, text)}


def _no_commas(rng: Random, _: Notes, text: str) -> Arguments:
    return {"floor": _floor(rng, text)}


def _floor(rng: Random, text: str) -> int:
    return max(len(text.split()), rng.randint(18, 30))


def _forbidden_words(rng: Random, notes: Notes, text: str) -> Arguments:
    lacking = [word for word in _COMMON if facts.place(word, folded(text)) < 0]
    words = [*rng.sample(lacking, 2), rng.choice(notes.asked)]
    return {"forbidden_words": words, "floor": _floor(rng, text)}


def _words_more(least: int, most: int) -> Callable[[Random, Notes, str], Arguments]:
    return lambda rng, _, text: {"count": len(text.split()) + rng.randint(least, most)}


def _word_range(rng: Random, _: Notes, text: str) -> Arguments:
    low = len(text.split()) + rng.randint(3, 15)
    return {"low": low, "high": low + 3}


def _characters(rng: Random, _: Notes, text: str) -> Arguments:
    low = len(text) + rng.randint(20, 100)
    return {"low": low, "high": low + 25}


_LATE: Final[Mapping[str, Callable[[Random, Notes, str], Arguments]]] = {
    "no_commas": _no_commas,
    "letter_avoided": _letter_avoided,
    "forbidden_words": _forbidden_words,
    "word_count": _words_more(3, 15),
    "word_range": _word_range,
    "words_at_least": _words_more(15, 35),
    "characters": _characters,
}


def alone(rng: Random, name: str) -> Draft:
    """Write a demand of one constraint."""
    return _draft(rng, name, (name,), _ALONE_TOKENS)


def combined(rng: Random, size: str) -> Draft:
    """Write a demand of several constraints that can hold together."""
    return _draft(rng, size, _together(rng, SIZES[size]), _TOKENS)


def _together(rng: Random, size: int) -> tuple[str, ...]:
    while True:
        chosen: list[str] = []
        for name in rng.sample(NAMES, len(NAMES)):
            if all(compatible(name, other) for other in chosen):
                chosen.append(name)
            if len(chosen) == size:
                return tuple(chosen)


def _draft(rng: Random, kind: str, names: tuple[str, ...], max_tokens: int) -> Draft:
    language = rng.choice(tongues.LANGUAGES) if "language" in names else ""
    notes = facts.draw(
        rng,
        language=language,
        ageless="alphabetical" in names,
        capital="lower_case" in names,
    )
    wanted = {name: _EARLY[name](rng, notes) for name in names if name in _EARLY}
    for name, late in _LATE.items():
        if name in names:
            wanted[name] = late(rng, notes, written(notes, wanted))
    told = [wordings.said(name, wanted[name], rng.randrange(wordings.WAYS)) for name in names]
    checks = json.dumps([(name, wanted[name]) for name in names], ensure_ascii=False)
    demand = json.dumps({name: wanted[name] for name in sorted(names)}, ensure_ascii=False)
    return Draft(
        kind,
        (demand, json.dumps(notes.told), *notes.asked),
        " ".join((notes.prompt(), *told, _WHOLE)),
        written(notes, wanted),
        max_tokens,
        DemandScorer(checks, Content.of(notes)),
    )
