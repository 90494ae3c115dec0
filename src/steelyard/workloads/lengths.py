"""Text of an exact length in the served model's tokens, as far as the server lets it be known.

Three ways, best first: the engine takes token ids; it takes messages and answers how many tokens a
text has; it does neither, and its own usage of the first answers teaches how many tokens a word of
our prose makes (least squares). What a chat template puts around a message is not ours: it is
known only by what the usage of the first answers was above the message's own tokens. Not aware of
sources, engines or clocks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, final

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.ports import Tokenise
from steelyard.domain.reading import Measured, Missing, Reading

Text = Callable[[random.Random], str]

_TRIES: Final = 60
_ENOUGH_TEXT_TRIES: Final = 400
_TOKENS_PER_WORD: Final = 1.3
# What is put at the end to make up a token or two that a whole word would overshoot.
_FILLERS: Final = (" a", ".", " I", "!", ",", " the", "?", "1", "a", "z")


@final
@dataclass(frozen=True, slots=True)
class RawTokens:
    """The engine takes token ids: the prompt is exact, no template is rendered."""

    tokenise: Tokenise


@final
@dataclass(frozen=True, slots=True)
class MessageTokens:
    """The engine takes messages and has a tokenize route.

    With `overhead_tokens`, those that the template adds, the whole prompt is exact; without, the
    message is, and the template's tokens come on top.
    """

    tokenise: Tokenise
    overhead_tokens: int = 0


@final
@dataclass(frozen=True, slots=True)
class Calibrated:
    """Nothing tells tokens but the usage of answers: tokens = overhead + tokens_per_word x words.

    The defaults are what English prose comes to with large vocabularies, until `learned`.
    """

    tokens_per_word: float = _TOKENS_PER_WORD
    overhead_tokens: float = 0.0


Lengths: TypeAlias = RawTokens | MessageTokens | Calibrated


def learned(pairs: Sequence[tuple[int, int]]) -> Reading[Calibrated]:
    """Fit (words sent, prompt tokens of the usage). Lengths apart tell template from words.

    With one length only, or a line that does not rise, all tokens are put down to the words: right
    at that length.
    """
    usable = [(words, tokens) for words, tokens in pairs if words > 0 and tokens > 0]
    if not usable:
        return Missing("no_usage", "no answer said how many tokens its prompt had")
    mean_words = sum(words for words, _ in usable) / len(usable)
    mean_tokens = sum(tokens for _, tokens in usable) / len(usable)
    spread = sum((words - mean_words) ** 2 for words, _ in usable)
    rise = sum((words - mean_words) * (tokens - mean_tokens) for words, tokens in usable)
    slope = rise / spread if spread else 0.0
    overhead = mean_tokens - slope * mean_words
    if slope <= 0 or overhead < 0:
        return Measured(Calibrated(mean_tokens / mean_words), "estimated")
    return Measured(Calibrated(slope, overhead), "estimated")


def learned_overhead(pairs: Sequence[tuple[int, int]]) -> Reading[int]:
    """Return what a template adds, from (tokens of the message, prompt tokens of the usage)."""
    found = {came - own for own, came in pairs}
    if not found:
        return Missing("no_usage", "no answer said how many tokens its prompt had")
    if len(found) > 1 or min(found) < 0:
        return Missing("template_varies", f"it added {min(found)} to {max(found)} tokens")
    return Measured(found.pop(), "derived")


def count(text: str, lengths: Lengths) -> int:
    """Return the tokens of a text itself, whatever a template adds; an estimate when calibrated."""
    match lengths:
        case RawTokens(tokenise=tokenise) | MessageTokens(tokenise=tokenise):
            return len(tokenise(text))
        case Calibrated(tokens_per_word=each):
            return round(len(text.split()) * each)
        case _:
            assert_never(lengths)


def token_ids(
    start: str, tokens: int, *, draw: random.Random, tokenise: Tokenise, text: Text
) -> Sequence[int]:
    """Return the first `tokens` ids of `start` and prose after it."""
    written = start
    for _ in range(_ENOUGH_TEXT_TRIES):
        while len(written) < tokens * 4:
            written += text(draw) + " "
        ids = tokenise(written, special=True)
        if len(ids) >= tokens:
            return ids[:tokens]
        written += text(draw) + " " + text(draw) + " "
    raise SteelyardError(
        f"the served tokenizer turned {len(written)} characters into fewer than {tokens} tokens",
        hint="the tokenize route does not answer with the model's tokens",
    )


def written(
    start: str, tokens: int, *, draw: random.Random, lengths: MessageTokens | Calibrated, text: Text
) -> str:
    """Return `start` and prose after it, so that the whole prompt has `tokens`."""
    room = tokens - round(lengths.overhead_tokens)
    if room < 1:
        raise BadInput(
            f"a prompt of {tokens} tokens: the chat template alone takes"
            f" {round(lengths.overhead_tokens)}",
            hint="ask for longer prompts",
        )
    words = _words(draw, text)
    match lengths:
        case MessageTokens(tokenise=tokenise):
            return _Cut(tokenise, room, start, words).text()
        case Calibrated(tokens_per_word=each, overhead_tokens=overhead):
            wanted = max(1, round((tokens - overhead) / each))
            said = start.split()[:wanted]
            return " ".join([*said, *(next(words) for _ in range(wanted - len(said)))])
        case _:
            assert_never(lengths)


def _words(draw: random.Random, text: Text) -> Iterator[str]:
    for _ in range(_ENOUGH_TEXT_TRIES * 1000):
        yield from text(draw).split()
    raise SteelyardError("the source of prose gives no words", hint="pass one that does")


@final
class _Cut:
    """Searches the number of words that makes so many tokens, then fills up the last one or two.

    Tokens grow with the words, though not evenly, so the secant finds the place in a few steps.
    """

    def __init__(self, tokenise: Tokenise, wanted: int, start: str, words: Iterator[str]) -> None:
        self._tokenise = tokenise
        self._wanted = wanted
        self._start = start
        self._source = words
        self._words: list[str] = []

    def text(self) -> str:
        have = self._count(self._of(0))
        if have > self._wanted:
            return self._filled(*self._shortened())
        return self._filled(*self._longest(have))

    def _longest(self, have: int) -> tuple[str, int]:
        """Return the most words that fit, and their tokens."""
        fits, too_many, rate = 0, 0, _TOKENS_PER_WORD
        for _ in range(_TRIES):
            tried = fits + max(1, int((self._wanted - have) / rate))
            if too_many:
                tried = min(tried, too_many - 1)
            if have == self._wanted or tried == fits:
                return self._of(fits), have
            came = self._count(self._of(tried))
            rate = max((came - have) / (tried - fits), 0.2)
            if came > self._wanted:
                too_many = tried
            else:
                fits, have = tried, came
        return self._of(fits), have

    def _shortened(self) -> tuple[str, int]:
        """Return as much of the start as fits: it alone is longer than the whole may be."""
        for end in range(len(self._start.rstrip()), 0, -1):
            came = self._count(self._start[:end])
            if came <= self._wanted:
                return self._start[:end].rstrip(), came
        return "", 0

    def _filled(self, text: str, have: int) -> str:
        while have < self._wanted:
            word = next(self._source)
            pieces = (*_FILLERS, *(f" {word[:end]}" for end in range(1, len(word) + 1)))
            for piece in pieces:
                came = self._count(text + piece)
                if have < came <= self._wanted:
                    text, have = text + piece, came
                    break
            else:
                raise SteelyardError(
                    f"no text of exactly {self._wanted} tokens was found: {have} was the nearest",
                    hint="the tokenize route does not answer with the model's tokens",
                )
        return text

    def _of(self, words: int) -> str:
        while len(self._words) < words:
            self._words.append(next(self._source))
        # Templates strip the ends of a message: a blank there would be a token that never arrives.
        return (self._start + " ".join(self._words[:words])).rstrip()

    def _count(self, text: str) -> int:
        return len(self._tokenise(text))
