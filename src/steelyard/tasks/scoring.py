"""Scorers: read an answer out of a text, strictly and flexibly, and mark it four ways.

`strict` takes only the form that the prompt demands; `flexible` also finds an answer inside a
sentence. The flexible reading decides the mark, the strict one is kept beside it. Only what was
said aloud is read. A text that ended because the room was used up counts only as far as its last
finished line: half a number is another number. What may be read out of such a text is decided here
alone, in `stands`, for every scorer. Not aware of families.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, final

from steelyard.domain import thought
from steelyard.domain.task import Answer, Invalid, Mark, Outcome, Right, Wrong
from steelyard.tasks import json_text
from steelyard.tasks.numbers import as_number, is_number, said_number, the_answer

_FINAL: Final = re.compile(r"\W*(?:final )?answer\b\W*(?:is\b)?\s*(.+)", re.IGNORECASE)
# Said again on the same line: who corrects themselves means the last. Words about the answer, such
# as "the answer: A is wrong", give none, and neither does what stands in quotes or brackets.
_AGAIN: Final = re.compile(
    r"([\"'`\u2018\u201c\u00ab(\[{]?)[*_]{0,3}(?<![^\W_])"
    r"(?:(?:[Ff]inal|FINAL) [Aa]nswer|FINAL ANSWER|Answer|ANSWER)[*_]{0,3}\s?:"
)
_HEADS: Final = 8  # the last ones of a line: each is read to its end
# One that gives the answer, as "Answer A is too small" does not.
_GIVES: Final = re.compile(r"\W*(?:final )?answer\b[\s*_`\"'()]*(?:[:=]|is\b)", re.IGNORECASE)
_REFUSAL: Final = re.compile(
    r"\b(?:I(?:'m| am) sorry|I (?:can(?:'|no)t|am unable|am not able|won't|will not|must decline)|"
    r"as an AI|unable to (?:help|answer|assist))",
    re.IGNORECASE,
)
# What stands right before a number: its sign, and the point that it begins with.
_SIGN: Final = re.compile(r"([-+\u2212]?)[$€£]?((?:(?<![\w.])\.)?)\Z")
_ANSWER: Final = re.compile(r"\banswer\b[^\n.=:]{0,40}?(?:\bis\b|[:=])([^\n.;,(]*)", re.IGNORECASE)


def without_thought(answer: Answer) -> str:
    """Return what was said aloud."""
    return thought.aloud(answer.text, bare=not answer.reasoning).strip()


def finished_part(answer: Answer) -> str:
    """Return the answer without thought, cut to its last whole line if the room ran out."""
    text = thought.aloud(answer.text, bare=not answer.reasoning).replace("\u2019", "'")
    if is_cut(answer):
        text = text[: text.rfind("\n") + 1]
    return text.strip()


def is_cut(answer: Answer) -> bool:
    """Say whether the text ended because the room was used up."""
    return answer.finish_reason == "length"


def stands(answer: Answer, *, right: bool, stated: bool = False, bare: bool = False) -> bool:
    """Say whether what was read is the answer: of a text that was cut it may be a thought only.

    Then it is where it is `stated`, behind a finished `Answer:`, and where it is right and `bare`,
    in the form that was demanded with nothing else before it: it is wrong about nothing, since
    another one may have been about to follow.
    """
    return not is_cut(answer) or stated or (bare and right)


def refuses(text: str) -> bool:
    """Say whether the text declines to answer."""
    return _REFUSAL.search(text.replace("\u2019", "'")) is not None


def outcome_of(
    answer: Answer,
    extracted: str | None,
    *,
    right: bool,
    stated: bool = False,
    bare: bool = False,
) -> Outcome:
    """Say why there is no answer, or whether it is the known one."""
    if extracted is not None and stands(answer, right=right, stated=stated, bare=bare):
        return Right() if right else Wrong()
    if is_cut(answer):
        return Invalid("truncated")
    return Invalid("refused" if refuses(without_thought(answer)) else "unparsable")


def mark_of(
    answer: Answer,
    strict: str | None,
    flexible: str | None,
    held: Mapping[str, bool],
    *,
    right: bool,
    stated: bool = False,
    worked: bool = False,
) -> Mark:
    """Mark what was read in two ways; what was read out of a cut text and does not stand is none.

    Where `worked` the strict reading is of an `Answer:` line, not of all that was said.
    """
    bare = strict is not None and not worked
    outcome = outcome_of(answer, flexible, right=right, stated=stated, bare=bare)
    if isinstance(outcome, Invalid):
        strict = flexible = None
    return Mark(outcome, {"strict": strict, "flexible": flexible}, dict(held))


def says_something(text: str) -> bool:
    """Say whether there is a letter or a digit in it."""
    return any(map(str.isalnum, text))


def states(text: str) -> bool:
    """Say whether the last line that starts with `Answer` gives one."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    last = next((line for line in lines if _FINAL.match(line)), "")
    return _GIVES.match(last) is not None


def final_line(text: str, reads: Callable[[str], bool] = says_something) -> str | None:
    """Return what follows the last `Answer:` of the last line that starts with one.

    A later one of a line counts only if `reads` says that an answer can be read behind it.
    """
    for line in reversed(text.splitlines()):
        bare = line.strip()
        if (found := _FINAL.match(bare)) is None:
            continue
        heads = [head for head in _AGAIN.finditer(bare, found.start(1)) if not head[1]]
        for again in reversed(heads[-_HEADS:]):
            last = _FINAL.match(bare, again.start())
            if last is not None and reads(last[1]):
                found = last
                break
        return _signed(bare[: found.start(1)], _to_last_word(found[1]))
    return None


def _to_last_word(text: str) -> str:
    """Return the text without what is no word at its end, its first sign at least."""
    end = len(text)
    while end > 1 and not (text[end - 1].isalnum() or text[end - 1] == "_"):
        end -= 1
    return text[:end]


def _signed(before: str, said: str) -> str:
    """Give a number its sign back, and the point that it begins with."""
    sign = _SIGN.search(before)
    return said if sign is None or not said[0].isdigit() else f"{sign[1]}{sign[2]}{said}"


def _gives_number(text: str) -> bool:
    return said_number(text) is not None


@final
@dataclass(frozen=True, slots=True)
class NumberScorer:
    """A number: bare on shipped level, behind `Answer:` where working out is asked for."""

    value: Fraction
    worked: bool = False
    absolute: Fraction = Fraction(0)
    relative: Fraction = Fraction(0)

    def mark(self, answer: Answer) -> Mark:
        """Compare as rational numbers, so that `4.0` and `4` are equal; the wider bound holds."""
        text = finished_part(answer)
        strict = self._strict(text)
        flexible = strict if strict is not None else self._flexible(text)
        value = None if flexible is None else as_number(flexible)
        if value is None:  # a number too long to be read is not read in part
            strict = flexible = None
        return mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None},
            right=value is not None and self._near(value),
            stated=states(text),
            worked=self.worked,
        )

    def _near(self, value: Fraction) -> bool:
        bound = max(self.absolute, self.relative * abs(self.value))
        return abs(value - self.value) <= bound

    def _strict(self, text: str) -> str | None:
        line = final_line(text, _gives_number) if self.worked else text
        bare = "" if line is None else line.strip("* $").removesuffix(".")
        return bare if is_number(bare) else None

    @staticmethod
    def _flexible(text: str) -> str | None:
        said = final_line(text, _gives_number)
        return the_answer(text) if said is None else said_number(said)


@final
@dataclass(frozen=True, slots=True)
class ChoiceScorer:
    """One word out of those the prompt offers, such as the names of a passage."""

    value: str
    options: tuple[str, ...]
    worked: bool = False

    def mark(self, answer: Answer) -> Mark:
        """Compare without regard to case, articles and a closing full stop."""
        text = finished_part(answer)
        strict = self._strict(text)
        flexible = strict if strict is not None else self._flexible(text)
        known = flexible in {option.lower() for option in (self.value, *self.options)}
        return mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None},
            right=flexible == self.value.lower(),
            # Any other word may be that of the demand, said over: `Answer: NAME`.
            stated=known and states(text),
            worked=self.worked,
        )

    def _strict(self, text: str) -> str | None:
        line = final_line(text, self._reads) if self.worked else text
        return None if line is None else self._word(line)

    def _reads(self, text: str) -> bool:
        return self._word(text) is not None or self._only(text) is not None

    @staticmethod
    def _word(line: str) -> str | None:
        bare = line.strip("* .\"'").lower()
        bare = re.sub(r"^(?:in |at )?(?:the |an? )", "", bare)
        return bare if re.fullmatch(r"[a-z]+", bare) else None

    def _flexible(self, text: str) -> str | None:
        said = final_line(text, self._reads)
        if (only := self._only(said if said is not None else text)) is not None or said is not None:
            return only
        told = (self._only(part) for part in reversed(_ANSWER.findall(text)))
        return next(filter(None, told), None)

    def _only(self, text: str) -> str | None:
        """Return the one option that a text names."""
        named = "|".join(sorted((re.escape(option) for option in self.options), key=len)[::-1])
        found = re.findall(rf"\b({named})\b", text, re.IGNORECASE)
        distinct = {word.lower() for word in found}
        return distinct.pop() if len(distinct) == 1 else None


@final
@dataclass(frozen=True, slots=True)
class Constraint:
    """One demand on the form: the whole text matches, or it is JSON of the given shape."""

    name: str
    rule: Literal["matches", "json_object", "json_keys"]
    argument: str = ""

    def holds(self, text: str) -> bool:
        """Say whether the text obeys."""
        if self.rule == "matches":
            return re.fullmatch(self.argument, text) is not None
        value = json_text.whole_object(text)
        if value is None or self.rule == "json_object":
            return value is not None
        return list(value) == self.argument.split()


@final
@dataclass(frozen=True, slots=True)
class FormScorer:
    """Named constraints on the form, and the content that a text of this form must carry."""

    constraints: tuple[Constraint, ...]
    expected: str

    def mark(self, answer: Answer) -> Mark:
        """Right only if every constraint holds and the content is right too."""
        text = without_thought(answer)
        held = {constraint.name: constraint.holds(text) for constraint in self.constraints}
        strict = text if all(held.values()) else None
        right = strict is not None and self._same(text)
        refused = strict is None and _REFUSAL.search(text) is not None
        readable = None if refused or not text else text
        return mark_of(answer, strict, readable, held, right=right)

    def _same(self, text: str) -> bool:
        value = json_text.whole_object(self.expected)
        return text == self.expected if value is None else json_text.whole_object(text) == value
