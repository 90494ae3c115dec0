"""Whether a text keeps a constraint: one exact rule a name. Not aware of how constraints are drawn.

What counts is said in the prompt: a word is what stands between spaces, a line is one that is not
empty. Letter case and accents' encoding never matter where a constraint is not about them. What
IFEval checks in the same way is checked by its rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from steelyard.tasks import json_text
from steelyard.tasks.demands.notes import folded, place, spoken
from steelyard.tasks.sets.instructions import CHECKS

Said: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[str, Said], bool]

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_RULE_CELL: Final = re.compile(r":?-+:?")
_MARKERS: Final = ("-", "*", "+", "•")
_SECOND_ROW: Final = 1


def _value(text: str) -> Any:
    """Return what the JSON text holds; an ellipsis where it is none."""
    try:
        return json_text.read(text)
    except ValueError:
        return ...


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _json_schema(text: str, said: Said) -> bool:
    value = _value(text)
    return value is not ... and bool(_validator(said["schema"]).is_valid(value))


def _json_array(text: str, said: Said) -> bool:
    value = _value(text)
    if not isinstance(value, list) or len(value) != said["count"]:
        return False
    return all(_ELEMENTS[said["of"]](one) for one in value)


_ELEMENTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "strings": lambda one: isinstance(one, str),
    "pairs": lambda one: isinstance(one, list) and len(one) == len(("name", "value")),
    "objects": lambda one: isinstance(one, dict) and {folded(k) for k in one} == {"name", "value"},
}


def _delimited(text: str, said: Said) -> bool:
    parts = text.split(said["mark"])
    return len(parts) == said["count"] and all(len(part.split()) == 1 for part in parts) and (
        "\n" not in text
    )  # fmt: skip


def _table(text: str, said: Said) -> bool:
    rows = [line.strip() for line in text.splitlines()]
    if not all(len(row) > 1 and row[0] == row[-1] == "|" for row in rows):
        return False
    cells = [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]
    wide = len(said["header"])
    return (
        len(rows) == said["rows"] + len(("header", "rule"))
        and [folded(cell) for cell in cells[0]] == said["header"]
        and all(map(_RULE_CELL.fullmatch, cells[_SECOND_ROW]))
        and all(len(row) == wide for row in cells)
    )


def _key_values(text: str, said: Said) -> bool:
    parts = [line.split(said["mark"]) for line in text.splitlines()]
    return all(len(part) == len(("key", "value")) and part[1].strip() for part in parts) and (
        [folded(part[0].strip()) for part in parts] == said["fields"]
    )


def _regex(text: str, said: Said) -> bool:
    return re.fullmatch(said["pattern"], text) is not None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _bullets(text: str, said: Said) -> bool:
    found = [line[0] for line in _lines(text) if line[1:2] == " " and line[0] in _MARKERS]
    return bool(found == [said["marker"]] * said["count"])


def _numbered(text: str, said: Said) -> bool:
    before, after = said["style"].split("1")
    shape = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)} .*\w.*")
    found = [match[1] for line in _lines(text) if (match := shape.fullmatch(line))]
    return found == [str(number) for number in range(1, said["count"] + 1)]


def _paragraphs(text: str, said: Said) -> bool:
    return bool(len(re.split(r"\n[^\S\n]*\n\s*", text)) == said["count"])


def _sentences(text: str, said: Said) -> bool:
    *whole, rest = text.split(".")
    return (
        len(whole) == said["count"]
        and all(re.search(r"\w", one) for one in whole)
        and re.search(r"\w", rest) is None
    )


def _line_count(text: str, said: Said) -> bool:
    return bool(len(_lines(text)) == said["count"])


def _upper_case(text: str, _: Said) -> bool:
    return any(map(str.isupper, text)) and not any(map(str.islower, text))


def _lower_case(text: str, _: Said) -> bool:
    return any(map(str.islower, text)) and not any(map(str.isupper, text))


def _title_case(text: str, _: Said) -> bool:
    words = _WORD.findall(text)
    return bool(words) and all(w[0].isupper() and not any(map(str.isupper, w[1:])) for w in words)


def _word_count(text: str, said: Said) -> bool:
    return bool(len(text.split()) == said["count"])


def _word_range(text: str, said: Said) -> bool:
    return bool(said["low"] <= len(text.split()) <= said["high"])


def _words_at_least(text: str, said: Said) -> bool:
    return bool(len(text.split()) >= said["count"])


def _characters(text: str, said: Said) -> bool:
    return bool(said["low"] <= len(text) <= said["high"])


def _keywords(text: str, said: Said) -> bool:
    return all(place(word, folded(text)) >= 0 for word in said["words"])


def _keyword_count(text: str, said: Said) -> bool:
    found = re.findall(rf"(?<!\w){re.escape(said['word'])}(?!\w)", folded(text))
    return bool(len(found) == said["count"])


def _begins_with(text: str, said: Said) -> bool:
    return re.match(rf"{re.escape(folded(said['phrase']))}(?!\w)", folded(text)) is not None


def _postscript(text: str, _: Said) -> bool:
    return any(re.match(r"p\.\s?s\.\W*\w", folded(line)) for line in _lines(text)[1:])


def _tagged(text: str, said: Said) -> bool:
    bare, tag = folded(text), said["tag"]
    inner = bare.removeprefix(f"<{tag}>").removesuffix(f"</{tag}>")
    return len(bare) - len(inner) == len(f"<{tag}></{tag}>") and bool(inner.strip())


def _exclamations(text: str, said: Said) -> bool:
    return bool(text.count("!") == said["count"])


def _language(text: str, said: Said) -> bool:
    bare = spoken(text)
    every = all(any(place(word, bare) >= 0 for word in words) for words in said["words"])
    return every and not any(place(word, bare) >= 0 for word in said["plain"])


def _alphabetical(text: str, said: Said) -> bool:
    places = [place(word, spoken(text)) for word in said["words"]]
    return -1 not in places and places == sorted(places)


def _avoiding(rule: Rule) -> Rule:
    """Demand some words, too: who says little avoids everything."""
    return lambda text, said: len(text.split()) >= said["floor"] and rule(text, said)


def _ifeval(name: str, **fixed: str) -> Rule:
    return lambda text, said: CHECKS[name](text, {**said, **fixed})


RULES: Final[Mapping[str, Rule]] = {
    "json_schema": _json_schema,
    "json_array": _json_array,
    "delimited": _delimited,
    "table": _table,
    "key_values": _key_values,
    "regex": _regex,
    "bullets": _bullets,
    "numbered": _numbered,
    "paragraphs": _paragraphs,
    "sentences": _sentences,
    "lines": _line_count,
    "upper_case": _upper_case,
    "lower_case": _lower_case,
    "title_case": _title_case,
    "word_count": _word_count,
    "word_range": _word_range,
    "words_at_least": _words_at_least,
    "characters": _characters,
    "keywords": _keywords,
    "keyword_count": _keyword_count,
    "forbidden_words": _avoiding(_ifeval("keywords:forbidden_words")),
    "letter_avoided": _avoiding(lambda text, said: said["letter"] not in folded(text)),
    "letter_at_least": _ifeval("keywords:letter_frequency", let_relation="at least"),
    "begins_with": _begins_with,
    "ends_with": _ifeval("startend:end_checker"),
    "postscript": _postscript,
    "heading": _ifeval("detectable_format:title"),
    "quoted": _ifeval("startend:quotation"),
    "tagged": _tagged,
    "placeholders": _ifeval("detectable_content:number_placeholders"),
    "highlights": _ifeval("detectable_format:number_highlighted_sections"),
    "exclamations": _exclamations,
    "no_commas": _avoiding(_ifeval("punctuation:no_comma")),
    "language": _language,
    "alphabetical": _alphabetical,
}
