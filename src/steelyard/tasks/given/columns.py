"""Which column of a file is what: a small YAML beside the data, read strictly.

Where it is silent, a column counts that is called as the key is. A text with `{column}` in it is a
template. Not aware of rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final, get_args

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.platform import yaml_keys
from steelyard.tasks.given import scorers

AnswerAs: TypeAlias = Literal["letter_or_text", "index", "number"]

CHOICES: Final = "choices"
_SLOT: Final = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
_NAME: Final = re.compile(r"[\w.-]{1,64}")
_MOST_TOKENS: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Columns:
    """What was chosen: names of columns, or templates; "" where nothing was.

    `limit` is a number of tokens for every row, or the column that holds it. `choices` are columns
    with one choice each, or one column with a list.
    """

    prompt: str = ""
    answer: str = ""
    system: str = ""
    id: str = ""
    cluster: str = ""
    kind: str = ""
    limit: str | int = ""
    choices: tuple[str, ...] = ()
    answer_as: AnswerAs = "letter_or_text"
    separator: str = ""
    name: str = ""
    scorer: Mapping[str, Any] | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = None

    def at(self, key: str) -> str:
        """Say where a key stands, for messages."""
        return f"{self.path}, line {self.lines[key]}" if key in self.lines else str(self.path)

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return what was chosen, as pairs of words."""
        told = {
            "prompt": self.prompt,
            "answer": self.answer,
            "system": self.system,
            "cluster": self.cluster,
            "kind": self.kind,
            "max_tokens": str(self.limit),
            "choices": ", ".join(self.choices),
            "scorer": json.dumps(self.scorer, sort_keys=True) if self.scorer else "",
        }
        return tuple((key, value) for key, value in told.items() if value)


def beside(data: Path) -> Path | None:
    """Return the file that lies beside the data for it: `NAME.yaml`, in a folder `columns.yaml`."""
    places = [data.with_suffix(end) for end in (".yaml", ".yml")]
    if data.is_dir():
        places = [data / "columns.yaml", data / "columns.yml", *places]
    return next((path for path in places if path.is_file()), None)


def read(path: Path) -> Columns:
    """Read the file; raise an error of ours that names the line and what is wrong with it."""
    raw, lines = yaml_keys.read(path, _KEYS)
    found: dict[str, Any] = {}
    for key, value in raw.items():
        what, fits = _KEYS[key]
        where = f"{path}, line {lines[key]}"
        if not fits(value):
            raise BadInput(f"{where}: {key} is {json.dumps(value, default=str)}, not {what}")
        found[key] = value
    if "scorer" in found:
        place = f"{path}, line {lines['scorer']}"
        found["scorer"] = _plain(scorers.checked(_scorer_of(found["scorer"], path), place))
    if "choices" in found:
        named = found["choices"]
        found["choices"] = (named,) if isinstance(named, str) else tuple(map(str, named))
    if "max_tokens" in found:
        found["limit"] = found.pop("max_tokens")
    return Columns(**found, lines=lines, path=path)


def resolved(asked: Columns, there: Iterable[str]) -> Columns:
    """Fill in the columns that are called as their key is; refuse those that are not there."""
    known = tuple(there)
    plain = ("prompt", "answer", "system", "id", "cluster", "kind")
    usual: dict[str, Any] = {k: k for k in plain if k in known and not getattr(asked, k)}
    chosen = replace(asked, **usual)
    if not chosen.limit and "max_tokens" in known:
        chosen = replace(chosen, limit="max_tokens")
    if not chosen.choices and CHOICES in known:
        chosen = replace(chosen, choices=(CHOICES,))
    if not chosen.prompt:
        raise BadInput(
            f"no column is called prompt; there are {', '.join(known)}",
            hint="name it in a file beside the data (NAME.yaml): `prompt: COLUMN`",
        )
    for key in ("prompt", "answer", "system", "id", "cluster", "kind", "limit", *chosen.choices):
        named = key if key in chosen.choices else getattr(chosen, key)
        for column in _wanted(key, named, known):
            if column not in known and column != CHOICES:
                raise UnknownName.among("column", column, known)
    return chosen


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the column of this name, or the template with each `{column}` put in."""
    if text in values:
        return values[text]
    braces = {"{{": "{", "}}": "}"}
    return _SLOT.sub(lambda found: braces.get(found[0]) or values.get(found[1] or "", ""), text)


def is_template(text: str) -> bool:
    """Say whether a text has a place for a column."""
    return any(slot[1] for slot in _SLOT.finditer(text))


def slots(text: str) -> list[str]:
    """Return the columns that a template names."""
    return [slot[1] for slot in _SLOT.finditer(text) if slot[1]]


def _wanted(key: str, named: str | int, known: tuple[str, ...]) -> list[str]:
    """Return the columns that a setting needs; a system prompt of several words is its own."""
    if isinstance(named, int) or not named or named in known:
        return []
    if key in {"prompt", "system"} and is_template(named):
        return slots(named)
    return [] if key == "system" and " " in named.strip() else [named]


def _scorer_of(raw: Any, path: Path) -> Any:
    """Read the schema that a scorer names as a file beside the YAML."""
    judge = raw.get(scorers.JUDGE) if isinstance(raw, dict) else None
    if isinstance(judge, dict) and scorers.FIRST in judge:
        return {scorers.JUDGE: {**judge, scorers.FIRST: _scorer_of(judge[scorers.FIRST], path)}}
    settings = raw.get("json_schema") if isinstance(raw, dict) else None
    if not isinstance(settings, dict) or not isinstance(named := settings.get("schema"), str):
        return raw
    place = path.parent / named
    try:
        return {"json_schema": {**settings, "schema": json.loads(place.read_text("utf-8-sig"))}}
    except OSError as error:
        raise BadInput(f"the schema {place} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the schema {place} is no JSON: {error}", hint="write it again") from None


def _plain(value: Any) -> Any:
    """Return YAML's own kinds of numbers and mappings as plain ones."""
    return json.loads(json.dumps(value))


def _word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _tokens(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return _word(value) or (whole and 1 <= value <= _MOST_TOKENS)


def _choices(value: Any) -> bool:
    return _word(value) or (isinstance(value, list) and len(value) > 1 and all(map(_word, value)))


_KEYS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "name": (
        "letters, digits, dots and dashes",
        lambda v: _word(v) and _NAME.fullmatch(v) is not None,
    ),
    "prompt": ("a column, or a text with {column}", _word),
    "answer": ("a column", _word),
    "system": ("a column, or a text", _word),
    "id": ("a column", _word),
    "cluster": ("a column", _word),
    "kind": ("a column", _word),
    "max_tokens": ("a whole number from 1 on, or a column", _tokens),
    "choices": ("a column with a list, or a list of columns", _choices),
    "answer_as": (f"one of {', '.join(get_args(AnswerAs))}", lambda v: v in get_args(AnswerAs)),
    "scorer": ("the name of a scorer", bool),
    "separator": ("one character", lambda v: isinstance(v, str) and len(v) == 1),
}
