"""Multiple choice, answered with a letter or with the words of the choice.

The strict reading wants the letter alone; the flexible one also takes `Answer: B`, `the answer is
(B)`, a letter at the beginning, and the text of exactly one choice, in this order. Letters are
capitals, since `a` is a word. Not aware of files or sets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.given.texts import plain
from steelyard.tasks.scoring import (
    final_line,
    finished_part,
    is_cut,
    mark_of,
    states,
    without_thought,
)

MOST_CHOICES: Final = len(ascii_uppercase)
_ALONE: Final = re.compile(r"[\s(\[*_`\"']*([A-Z])[\s)\]*_`\"'.:]*")
_FIRST: Final = re.compile(r"\W*([A-Z])(?!\w)")
_LEADING: Final = re.compile(r"[\s(\[*_`\"']*([A-Z])(?:[)\].:*]|\s*\n|\s*\Z)")
_SAID: Final = re.compile(
    r"\b(?i:answer|option|choice)(?i:\s+(?:is|would be|must be))?(?i:\s+option|\s+choice)?"
    r"[\s:*_`\"'(\[]*([A-Z])(?![\w'’])"
)
_IN_BRACKETS: Final = re.compile(r"\(([A-Z])\)")


def lettered(choices: Sequence[str]) -> str:
    """Return the choices one a line, each behind its letter."""
    return "\n".join(
        f"{letter}. {text}" for letter, text in zip(ascii_uppercase, choices, strict=False)
    )


@final
@dataclass(frozen=True, slots=True)
class LetterScorer:
    """One letter out of those of the choices: alone, or where `worked` behind `Answer:`."""

    letter: str
    choices: tuple[str, ...]
    worked: bool = False

    def mark(self, answer: Answer) -> Mark:
        """Read a letter, strictly and flexibly."""
        # Where no line was finished a letter that stands alone may still be all that there is.
        text = finished_part(answer) or without_thought(answer).replace("\u2019", "'")
        line = final_line(text, self._reads)
        bare = line if self.worked else text
        strict = None if bare is None else self._known(_ALONE.fullmatch(bare))
        flexible = strict or self._flexible(text, line, cut=is_cut(answer))
        return mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None},
            right=flexible == self.letter,
            stated=states(finished_part(answer)),
            worked=self.worked,
        )

    def _flexible(self, text: str, line: str | None, *, cut: bool) -> str | None:
        if line is not None and (found := self._known(_FIRST.match(line))):
            return found
        if cut:  # no letter of another line counts
            return None if line is None else self._by_words(line)
        for said in reversed(list(_SAID.finditer(text))):
            if found := self._known(said):
                return found
        if found := self._known(_LEADING.match(text)):
            return found
        named = {found for one in _IN_BRACKETS.finditer(text) if (found := self._known(one))}
        return named.pop() if len(named) == 1 else self._by_words(line or text)

    def _reads(self, said: str) -> bool:
        return self._known(_FIRST.match(said)) is not None or self._by_words(said) is not None

    def _by_words(self, text: str) -> str | None:
        said = f" {plain(text)} "
        held = [
            (plain(choice), letter)
            for choice, letter in zip(self.choices, ascii_uppercase, strict=False)
        ]
        found = [(words, letter) for words, letter in held if words and f" {words} " in said]
        # A choice that is a part of another one does not count beside it.
        alone = {
            letter
            for words, letter in found
            if not any(words != other and f" {words} " in f" {other} " for other, _ in found)
        }
        return alone.pop() if len(alone) == 1 else None

    def _known(self, found: re.Match[str] | None) -> str | None:
        if found is None or found[1] not in ascii_uppercase[: len(self.choices)]:
            return None
        return found[1]
