"""Writes an answer that keeps constraints, by carrying them out: the known answer of an item.

It shares no code with the rules that check. A rigid form (JSON, a table) is written as it is; any
other text is pieces of words, to which each constraint adds what it wants. Not aware of wordings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

from steelyard.tasks.demands.notes import Notes

Demanded: TypeAlias = Mapping[str, Mapping[str, Any]]

_FILLERS: Final = ("noted", "fully")
_RICH: Final[Mapping[str, str]] = {
    "b": "bubble", "f": "fluff", "g": "giggle", "k": "kick", "p": "pop", "v": "vivid", "w": "wow",
    "y": "yearly",
}  # fmt: skip
LETTERS: Final = tuple(_RICH)


def written(notes: Notes, wanted: Demanded) -> str:
    """Return a text that says what the notes are asked for and keeps what is wanted."""
    values = sorted(notes.said, key=str.casefold) if "alphabetical" in wanted else list(notes.said)
    for name, write in _RIGID.items():
        if name in wanted:
            return _cased(write(notes, values, wanted[name]), wanted)
    return _cased(_loose(values, wanted), wanted)


def _cased(text: str, wanted: Demanded) -> str:
    if "upper_case" in wanted:
        return text.upper()
    if "lower_case" in wanted:
        return text.lower()
    if "title_case" in wanted:
        return re.sub(r"[^\W\d_]+", lambda word: word.group().capitalize(), text)
    return text


def _schema(notes: Notes, values: list[str], said: Mapping[str, Any]) -> str:
    schema = json.loads(said["schema"])
    told = dict(zip(notes.asked, values, strict=True))
    found: dict[str, Any] = {}
    for key, kind in schema["properties"].items():
        if key in told:
            found[key] = int(told[key]) if kind["type"] == "integer" else told[key]
        elif kind["type"] == "array":
            found[key] = ["x"] * kind["minItems"]
        elif kind["type"] == "object":
            found[key] = dict.fromkeys(kind["required"], True)
        else:
            found[key] = kind["enum"][0]
    return json.dumps(found, ensure_ascii=False)


def _array(notes: Notes, values: list[str], said: Mapping[str, Any]) -> str:
    made: dict[str, list[Any]] = {
        "strings": list(values),
        "pairs": [list(pair) for pair in zip(notes.asked, values, strict=True)],
        "objects": [{"name": f, "value": v} for f, v in zip(notes.asked, values, strict=True)],
    }
    return json.dumps(made[said["of"]], ensure_ascii=False)


def _table(notes: Notes, values: list[str], said: Mapping[str, Any]) -> str:
    header = said["header"]
    if said["rows"] == 1:
        rows = [[dict(zip(notes.asked, values, strict=True))[name] for name in header]]
    else:
        rows = [list(pair) for pair in zip(notes.asked, values, strict=True)]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _key_values(notes: Notes, values: list[str], said: Mapping[str, Any]) -> str:
    told = dict(zip(notes.asked, values, strict=True))
    return "\n".join(f"{name}{said['mark']}{told[name]}" for name in said["fields"])


def _regex(_: Notes, values: list[str], said: Mapping[str, Any]) -> str:
    head = "q" * said["letters"] + "7" * said["digits"]
    return str(head + "".join(said["mark"] + value for value in values))


_RIGID: Final[Mapping[str, Callable[[Notes, list[str], Mapping[str, Any]], str]]] = {
    "json_schema": _schema,
    "json_array": _array,
    "delimited": lambda _, values, said: str(said["mark"]).join(values),
    "table": _table,
    "key_values": _key_values,
    "regex": _regex,
}
_LEAST: Final[Mapping[str, str]] = {
    "word_count": "count", "word_range": "low", "words_at_least": "count",
    "forbidden_words": "floor", "letter_avoided": "floor", "no_commas": "floor",
}  # fmt: skip
_PIECES: Final = ("bullets", "numbered", "paragraphs", "sentences", "lines")


@final
@dataclass(slots=True)
class _Page:
    """Pieces of words, what stands before the first and after the last, and how they are set."""

    pieces: list[list[str]]
    wanted: Demanded
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Set the pieces."""
        said = [" ".join(piece) for piece in self.pieces]
        before, after = " ".join(self.before), " ".join(self.after)
        if "bullets" in self.wanted:
            lines = [f"{self.wanted['bullets']['marker']} {one}" for one in said]
            body = "\n".join([before, *lines, after]).strip("\n")
        elif "numbered" in self.wanted:
            style = self.wanted["numbered"]["style"]
            lines = [f"{style.replace('1', str(at))} {one}" for at, one in enumerate(said, 1)]
            body = "\n".join([before, *lines, after]).strip("\n")
        else:
            said[0] = f"{before} {said[0]}".strip()
            said[-1] = f"{said[-1]} {after}".strip()
            body = self._joined(said)
        if "postscript" in self.wanted:
            body += f"\nP.S. {_filler(self.wanted)}"
        if "tagged" in self.wanted:
            tag = self.wanted["tagged"]["tag"]
            body = f"<{tag}>{body}</{tag}>"
        return f'"{body}"' if "quoted" in self.wanted else body

    def _joined(self, said: list[str]) -> str:
        if "paragraphs" in self.wanted:
            return "\n\n".join(said)
        if "lines" in self.wanted:
            return "\n".join(said)
        return " ".join(f"{one}." for one in said) if "sentences" in self.wanted else said[0]


def _filler(wanted: Demanded) -> str:
    letter = wanted.get("letter_avoided", {}).get("letter", "")
    return next(word for word in _FILLERS if not letter or letter not in word)


def _loose(values: list[str], wanted: Demanded) -> str:
    count = next((wanted[name]["count"] for name in _PIECES if name in wanted), 1)
    count -= "lines" in wanted and "postscript" in wanted
    filler = _filler(wanted)
    pieces: list[list[str]] = [[] for _ in range(count)]
    for at, value in enumerate(values):
        pieces[at * count // len(values)].append(value)
    page = _Page([piece or [filler] for piece in pieces], wanted)
    _add(page, filler)
    _pad(page, filler)
    return page.text()


def _add(page: _Page, filler: str) -> None:
    """Put in what the constraints want to have in the text."""
    wanted, first = page.wanted, page.pieces[0]
    if "begins_with" in wanted:
        page.before.append(wanted["begins_with"]["phrase"])
    if "heading" in wanted:
        page.before.append(f"<<{filler}>>")
    if "ends_with" in wanted:
        page.after.append(wanted["ends_with"]["end_phrase"])
    first += wanted.get("keywords", {}).get("words", [])
    if "keyword_count" in wanted:
        first += [wanted["keyword_count"]["word"]] * wanted["keyword_count"]["count"]
    if "placeholders" in wanted:
        first += [f"[{filler}]"] * wanted["placeholders"]["num_placeholders"]
    if "highlights" in wanted:
        first += [f"*{filler}*"] * wanted["highlights"]["num_highlights"]
    if "exclamations" in wanted:
        first += [f"{filler}!"] * wanted["exclamations"]["count"]
    if "letter_at_least" in wanted:
        letter, due = (wanted["letter_at_least"][k] for k in ("letter", "let_frequency"))
        rich = _RICH[letter]
        first += [rich] * -(-due // rich.count(letter))


def _pad(page: _Page, filler: str) -> None:
    """Add words until the text is as long as it has to be."""
    for name, least in _LEAST.items():
        while name in page.wanted and len(page.text().split()) < page.wanted[name][least]:
            page.pieces[0].append(filler)
    if "characters" in page.wanted:
        while len(page.text()) < page.wanted["characters"]["low"]:
            page.pieces[0].append(filler)
