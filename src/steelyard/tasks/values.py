"""More scorers: one value of any shape, and one JSON object, each read strictly and flexibly.

A value is an id, a date, a word or a number out of those that a prompt shows. A JSON answer is
compared field by field with exact types: `12` is no `"12"`, and `true` is no `1`. The strict
reading wants the bare form, the flexible one also finds it in a sentence or a fence, and decides.
Not aware of families.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks import json_text
from steelyard.tasks.numbers import as_number, is_number, said_number, the_answer
from steelyard.tasks.scoring import final_line, finished_part, mark_of, states, without_thought

JsonObject: TypeAlias = dict[str, object]
_BARE: Final = "* .\"'`"
_FENCE: Final = re.compile(json_text.FENCE, re.DOTALL)


def same_value(left: str, right: str) -> bool:
    """Say whether two texts are one number, or one word whatever its case."""
    numbers = as_number(left), as_number(right)
    return numbers[0] == numbers[1] if None not in numbers else left.lower() == right.lower()


@final
@dataclass(frozen=True, slots=True)
class ValueScorer:
    """One value: a number where `numeric`, and always one of the options.

    `aside` are words that an instruction adds around the value, such as a unit. Where `worked`,
    the value stands behind `Answer:`.
    """

    value: str
    options: tuple[str, ...]
    numeric: bool = False
    aside: tuple[str, ...] = ()
    worked: bool = False

    def mark(self, answer: Answer) -> Mark:
        """Compare numbers by value and words without regard to case."""
        text = finished_part(answer)
        strict = self._strict(text)
        flexible = strict if strict is not None else self._flexible(text)
        known = flexible in (self.value, *self.options) or is_number(flexible or "")
        return mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None},
            right=flexible is not None and same_value(flexible, self.value),
            # Any other word may be that of the demand, said over: `Answer: NAME`.
            stated=known and states(text),
            worked=self.worked,
        )

    def _strict(self, text: str) -> str | None:
        line = final_line(text, self._reads) if self.worked else text
        if line is None:
            return None
        bare = self._without_aside(line).strip(_BARE)
        if self.numeric and is_number(bare):
            return bare
        return next((option for option in self.options if option.lower() == bare.lower()), None)

    def _flexible(self, text: str) -> str | None:
        said = final_line(text, self._reads)
        return self._read(the_answer, text) if said is None else self._read(said_number, said)

    def _reads(self, said: str) -> bool:
        return self._read(said_number, said) is not None

    def _read(self, number_of: Callable[[str], str | None], said: str) -> str | None:
        rest = self._without_aside(said)
        named = {option.lower(): option for option in self.options if _names(rest, option)}
        if self.numeric and (number := number_of(rest)) is not None:
            return number
        if len(named) == 1:
            return next(iter(named.values()))
        # One word that is none of those on offer is an answer too, and another one.
        bare = rest.strip(_BARE)
        return bare if not named and re.fullmatch(r"[\w-]+", bare) and not self.numeric else None

    def _without_aside(self, text: str) -> str:
        for word in self.aside:
            text = re.sub(rf"(?<![a-z]){re.escape(word)}\b", " ", text, flags=re.IGNORECASE)
        return text.strip()


def _names(text: str, option: str) -> bool:
    found = re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text, re.IGNORECASE)
    return found is not None


def found_object(text: str) -> JsonObject | None:
    """Return the object that the text is, or its last fence, or the last one inside it.

    Where the last one cannot be read an earlier one does not stand for it.
    """
    whole = json_text.whole_object(text)
    if whole is not None:
        return whole
    for fenced in reversed(_FENCE.findall(text)):
        try:
            inner = json_text.read(fenced)
        except json_text.RefusedError:
            return None
        except ValueError:
            continue
        if isinstance(inner, dict):
            return inner
    found = last_value(text, "{")
    return found if isinstance(found, dict) else None


def last_value(text: str, opens: str) -> JsonObject | list[object] | None:
    """Return the last object ("{") or list ("[") that stands in a text, an outermost one."""
    last: JsonObject | list[object] | None = json_text.last(text, opens)
    return last


def same_json(left: object, right: object) -> bool:
    """Compare two JSON values with exact types, save that `12` is `12.0`."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def same_in_any_order(left: Sequence[object], right: Sequence[object]) -> bool:
    """Say whether two lists hold the same JSON values, each as often."""
    rest = [*left]
    for value in right:
        twin = next((n for n, other in enumerate(rest) if same_json(other, value)), None)
        if twin is None:
            return False
        del rest[twin]
    return not rest


def json_mark(
    answer: Answer,
    right: Callable[[JsonObject], bool],
    held: Callable[[JsonObject | None], dict[str, bool]],
) -> Mark:
    """Mark a JSON answer: `right` judges the object, `held` names what holds of it."""
    text = without_thought(answer)
    strict = json_text.whole_object(text)
    found = strict if strict is not None else found_object(text)
    shown = None if found is None else json.dumps(found)
    return mark_of(
        answer,
        shown if strict is not None else None,
        shown,
        {"json_only": strict is not None, **held(found)},
        right=found is not None and right(found),
    )


@final
@dataclass(frozen=True, slots=True)
class FieldsScorer:
    """One JSON object with these fields, in any order."""

    expected: str

    def mark(self, answer: Answer) -> Mark:
        """Right only if every field is there with its exact value, and no other field."""
        wanted = json_text.whole_object(self.expected) or {}

        def held(found: JsonObject | None) -> dict[str, bool]:
            return {"json_keys": found is not None and found.keys() == wanted.keys()}

        return json_mark(answer, lambda found: same_json(found, wanted), held)
