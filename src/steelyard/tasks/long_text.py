"""A long text with something buried in it, written to any length, and the reading of its answer.

Three check words (canaries) prove what was read: one is the first thing of the whole prompt, one
stands in the middle, one is the last thing of all. Whoever drops a part of the prompt drops one of
them. The answer's value decides the mark; which check words came back is kept beside it. The first
words of each prompt are its own, so no cached prefix helps. Not aware of tokens or engines.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.task import Answer, Mark, Message
from steelyard.tasks.noise import Noise
from steelyard.tasks.scoring import final_line, finished_part, mark_of, states, without_thought

# What of the check words came back, also in thought, as an extraction of the mark:
# `analysis.delivery` reads it.
CHECK_WORDS: Final = "check_words"
POSITIONS: Final = ("head", "middle", "tail")
SHOWN: Final = 12  # sentences of filler in the shortest form
_WHOLE: Final = 1000
_MIDDLE: Final = 500
_PARAGRAPH: Final = 6
_ORDINALS: Final = ("first", "second", "third")
_NUMBER: Final = re.compile(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)")
# The empty way out keeps blank lines from being looked at once for each of them.
_CHECK_LINE: Final = re.compile(r"^\W*(?:(check\b.*$)|)", re.IGNORECASE | re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class Buried:
    """What the text holds: each fact with its place (0 begins the text, 1000 ends it).

    `form` says how the value is to be written; `tokens` is the length of prompt and answer.
    """

    seed: str
    tokens: int
    canaries: tuple[str, str, str]
    facts: tuple[tuple[int, str], ...]
    question: str
    form: str

    def text(self, size: int) -> str:
        """Write the whole prompt with so many sentences of filler."""
        head, middle, tail = map(self._canary, range(3))
        placed = sorted([(_MIDDLE, middle), *self.facts], key=lambda fact: fact[0])
        sentences = _noise(self.seed).first(size)
        done: list[str] = []
        begun = 0
        for place, fact in placed:
            until = size * place // _WHOLE
            done += [*sentences[begun:until], fact]
            begun = until
        done += sentences[begun:]
        rows = [" ".join(done[at : at + _PARAGRAPH]) for at in range(0, len(done), _PARAGRAPH)]
        return "\n".join(
            [
                f"{head} Read these notes, a question follows.",
                "",
                *rows,
                "",
                f"Question: {self.question}",
                "Reply with two lines and nothing else. The first is Check: and the three check"
                " words, in their order. The second is"
                f" Answer: and {self.form}. {tail}",
            ]
        )

    def messages(self, size: int) -> tuple[Message, ...]:
        """Return the same as the one message of a user."""
        return (Message("user", self.text(size)),)

    def _canary(self, number: int) -> str:
        return f"The {_ORDINALS[number]} check word is {self.canaries[number]}."


@functools.lru_cache(maxsize=4)
def _noise(seed: str) -> Noise:
    return Noise(seed)


@final
@dataclass(frozen=True, slots=True)
class BuriedScorer:
    """Some values behind `Answer:`, in their order or in any; and which check words came back.

    `options` are the words that a value may be; without them it is a number.
    """

    values: tuple[str, ...]
    canaries: tuple[str, str, str]
    ordered: bool = False
    options: tuple[str, ...] = ()

    def mark(self, answer: Answer) -> Mark:
        """Compare the values; a check word that did not come back makes nothing wrong."""
        text = finished_part(answer)
        line = final_line(text)
        strict = None if line is None else self._bare(line)
        flexible = strict if strict is not None else self._found(text, line)
        aloud = without_thought(answer)
        held = {
            f"check_{position}": _has(aloud, word)
            for position, word in zip(POSITIONS, self.canaries, strict=True)
        }
        said = f"{answer.reasoning}\n{answer.text}"
        seen = [p for p, word in zip(POSITIONS, self.canaries, strict=True) if _has(said, word)]
        mark = mark_of(
            answer,
            strict,
            flexible,
            {"answer_form": strict is not None, **held},
            right=flexible == self._shown(list(self.values)),
            stated=states(text),
            worked=True,
        )
        return replace(mark, extracted={**mark.extracted, CHECK_WORDS: ", ".join(seen)})

    def _bare(self, line: str) -> str | None:
        parts = [part.strip("* .\"'`") for part in re.split(r",(?!\d{3}(?:\D|$))|;|\s", line)]
        parts = [part for part in parts if part]
        if not parts:
            return None
        if self.options:
            known = {option.lower(): option for option in self.options}
            words = [known.get(part.lower()) for part in parts]
            return None if None in words else self._shown([word for word in words if word])
        if not all(map(_NUMBER.fullmatch, parts)):
            return None
        return self._shown([part.replace(",", "") for part in parts])

    def _found(self, text: str, line: str | None) -> str | None:
        """Find the values in a sentence; of several where one is asked, the last."""
        rest = (
            line
            if line is not None
            else _CHECK_LINE.sub(lambda m: m[0] if m[1] is None else "", text)
        )
        if self.options:
            named = "|".join(map(re.escape, self.options))
            known = {option.lower(): option for option in self.options}
            words = re.findall(rf"\b({named})\b", rest, re.IGNORECASE)
            found = list(dict.fromkeys(known[word.lower()] for word in words))
            # Several names leave open which one is meant.
            return found[0] if len(found) == 1 else None
        numbers = [number.replace(",", "") for number in _NUMBER.findall(rest)]
        if len(self.values) == 1:
            numbers = numbers[-1:]
        return self._shown(list(dict.fromkeys(numbers))) if numbers else None

    def _shown(self, values: list[str]) -> str:
        return ", ".join(values if self.ordered else sorted(values))


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<![a-z]){word}(?![a-z])", text, re.IGNORECASE) is not None
