"""Scorers of structure: JSON after a schema, fields of a JSON object, and lists.

JSON values are compared with exact types, save that `12` is `12.0`. Schemas are validated by
jsonschema; a reference out of the schema is refused, so nothing is ever fetched. Not aware of files
or rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, final

from steelyard.domain.task import Answer, Mark, NotRun
from steelyard.tasks import json_text
from steelyard.tasks.given.texts import plain, text_mark
from steelyard.tasks.scoring import final_line, outcome_of, says_something, without_thought
from steelyard.tasks.values import JsonObject, json_mark, last_value, same_json

_BULLET: Final = re.compile(r"(?:[-*•+]|\d{1,3}[.)])\s+")
_LEADS: Final = re.compile(r"\A\s*and\s", re.IGNORECASE)  # to the last of several
_BETWEEN: Final = {",": r"\s?,", ";": r"\s?;", " and ": r"\sand\s", " & ": r"\s&\s"}
_FENCES: Final = re.compile(json_text.FENCE, re.DOTALL)
_FENCE: Final = re.compile(rf"\A{json_text.FENCE}\Z", re.DOTALL)


def refuse_schema(schema: object) -> None:
    """Raise `ValueError` for what is no JSON schema, or refers to another one."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    if not isinstance(schema, dict):
        raise ValueError("the schema is no JSON object")  # noqa: TRY004 - one kind of complaint
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"the schema is not a JSON schema: {error.message}") from None
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"the schema refers to {reference!r}, which lies outside it")
    samples: tuple[object, ...] = ({}, [], "", 0)
    for value in samples:
        if _complaint(json.dumps(schema), value) is None:
            raise ValueError("the schema refers to what it does not hold, or to itself for ever")


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    mine = [v for k, v in value.items() if k in {"$ref", "$dynamicRef"} and isinstance(v, str)]
    return mine + [found for one in value.values() for found in _references(one)]


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema.validators import validator_for
    from referencing import Registry

    made = json.loads(schema)
    return validator_for(made)(made, registry=Registry())


def _complaint(schema: str, value: object) -> str | None:
    """Return the first complaint, "" where there is none, None where the schema is of no use."""
    from referencing.exceptions import Unresolvable

    try:
        found = next(iter(_validator(schema).iter_errors(value)), None)
    except (RecursionError, Unresolvable):
        return None
    return "" if found is None else f"{found.json_path}: {found.message}"[:500]


@final
@dataclass(frozen=True, slots=True)
class SchemaScorer:
    """JSON that a schema (its JSON text) holds of; a fence and words around it are let be.

    Strictly the answer is the JSON and nothing else.
    """

    schema: str

    def mark(self, answer: Answer) -> Mark:
        """Right if the answer is JSON and valid; the first complaint is kept."""
        text = without_thought(answer)
        read = _parsed(text)
        bare = read is not None
        if read is None:
            read = self._within(text)
        if read is None:
            none: dict[str, str | None] = {"strict": None, "flexible": None}
            return Mark(outcome_of(answer, None, right=False), none, {"json_only": False})
        said, value = read
        complaint = _complaint(self.schema, value)
        if complaint is None:  # nothing is known of the model
            return Mark(NotRun("schema_of_no_use"))
        whole = bare and not said[-1:].isdigit()  # half a number is another number
        mark = text_mark(answer, lambda _: not complaint, cut_may_be_right=whole)
        kept = {"strict": said if bare else None, "flexible": said, "complaint": complaint}
        return replace(mark, extracted=kept, constraints={"json_only": bare})

    def _within(self, text: str) -> tuple[str, object] | None:
        """Find JSON in the last fence that holds some, else the last one among the words."""
        for fenced in reversed(_FENCES.findall(text)):
            try:
                return fenced, json_text.read(fenced)
            except json_text.RefusedError:
                return None  # an earlier one does not stand for it
            except ValueError:
                continue
        opens = "[" if json.loads(self.schema).get("type") == "array" else "{"
        found = last_value(text, opens)
        return None if found is None else (json.dumps(found, ensure_ascii=False), found)


@final
@dataclass(frozen=True, slots=True)
class MatchScorer:
    """A JSON object whose fields have the values of `expected`; others may stand beside them.

    With `fields` only those count.
    """

    expected: str
    fields: tuple[str, ...] = ()

    def mark(self, answer: Answer) -> Mark:
        """Right if every field is there with its exact value; those that differ are kept."""
        wanted = json_text.whole_object(self.expected) or {}
        counted = {name: wanted[name] for name in self.fields or wanted}
        differing: list[str] = []

        def right(found: JsonObject) -> bool:
            differing.extend(n for n, v in counted.items() if not _holds(found, n, v))
            return not differing

        def held(found: JsonObject | None) -> dict[str, bool]:
            return {"json_keys": found is not None and counted.keys() <= found.keys()}

        mark = json_mark(answer, right, held)
        return replace(mark, extracted={**mark.extracted, "differing": ", ".join(differing)})


def _holds(found: Mapping[str, object], name: str, value: object) -> bool:
    return name in found and same_json(found[name], value)


@final
@dataclass(frozen=True, slots=True)
class ListScorer:
    """A list in any order: so much of what is named is wanted, so much of what is wanted is named.

    An answer is a JSON list, lines with or without bullets, or words between commas, semicolons
    and "and". What stands within a wanted item parts none, and prose around a list is no item.
    """

    expected: tuple[str, ...]
    precision: float = 1.0
    recall: float = 1.0

    def mark(self, answer: Answer) -> Mark:
        """Compare without regard to case, articles and punctuation; both shares are kept."""
        text = without_thought(answer)
        strict = _json_list(text)
        named = strict if strict is not None else _written(text, self.expected)
        said, wanted = Counter(map(plain, named)), Counter(map(plain, self.expected))
        hits = (said & wanted).total()
        precision = hits / said.total() if said else float(not wanted)
        recall = hits / wanted.total() if wanted else 1.0
        enough = precision >= self.precision and recall >= self.recall
        mark = text_mark(answer, lambda _: enough, cut_may_be_right=strict is not None)
        read = mark.extracted["flexible"] is not None
        shown = json.dumps(named, ensure_ascii=False) if read else None
        shares = {"precision": f"{precision:.4f}", "recall": f"{recall:.4f}"}
        both = {"strict": shown if strict is not None else None, "flexible": shown}
        held = {"json_list": strict is not None}
        return replace(mark, extracted={**both, **shares}, constraints=held)


def _parsed(text: str) -> tuple[str, object] | None:
    """Return a text with the JSON value that it is; the value may be null."""
    try:
        return text, json_text.read(text)
    except ValueError:
        return None


def _json_list(text: str) -> list[str] | None:
    fenced = _FENCE.match(text)
    try:
        value = json_text.read(fenced[1] if fenced else text)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    return [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value]


def _written(text: str, wanted: Sequence[str]) -> list[str]:
    """Return the items of a list as people write it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known = set(map(plain, wanted))
    if (said := _behind_answer(lines, known)) is not None:
        return _parts(said, wanted)
    # What is wanted may look like a bullet: `1. FC Köln`.
    held = tuple(plain(one) for one in wanted if _BULLET.match(one))
    bulleted = [line for line in lines if _BULLET.match(line)]
    if any(not plain(line).startswith(held) for line in bulleted):
        lines = bulleted
    elif len(lines) > 1 and lines[0].endswith(":") and plain(lines[0]) not in known:
        del lines[0]
    items = [
        line if plain(line).startswith(held) else _BULLET.sub("", line, count=1) for line in lines
    ]
    return items if len(items) > 1 else _parts("".join(items), wanted)


def _behind_answer(lines: Sequence[str], known: Collection[str]) -> str | None:
    """Return what stands behind the last `Answer:`, where nothing follows that line."""
    if not lines or _BULLET.match(lines[-1]) or any("answer" in one for one in known):
        return None
    said = final_line(lines[-1])
    return said if said is not None and says_something(said) else None


def _parts(line: str, wanted: Sequence[str]) -> list[str]:
    """Return the items of one line, without what leads to them: `The items are: …`."""
    known = set(map(plain, wanted))
    before, colon, behind = line.partition(":")
    leads = not any(":" in one for one in wanted) and not re.search("[,;]", before)
    if colon and leads and plain(before) not in known:
        line = behind
    held = " \n ".join(("", *wanted, "")).casefold()
    marks = [pattern for mark, pattern in _BETWEEN.items() if mark not in held]
    parts = re.split("|".join(marks), line, flags=re.IGNORECASE) if marks else [line]
    parts = [part if plain(part) in known else _LEADS.sub("", part) for part in parts]
    return [bare for part in parts if (bare := part.strip())]
