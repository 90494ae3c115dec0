"""A question written to its length in the tokens of who is asked: long contexts.

The engine counts: its tokenise route, and what its template adds by the usage of a few short
answers; without that route the usage alone teaches tokens a word (as `runs.prompting`). The prompt
has the most sentences of filler that fit, so it is short of its length by less than one of them.
Not aware of items or marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.ports import Tokenise
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Ask, Message, Stretch
from steelyard.runs import prompting
from steelyard.runs.bench import Bench
from steelyard.workloads.lengths import Calibrated, learned

# Sentences of the texts that teach: two lengths tell a template's own tokens from the words'.
_LESSONS: Final = (4, 32, 8, 40)
_SPARE: Final = 16  # what an end of turn and a rounding may take
_NEAR_ENOUGH: Final = 8  # tokens: no sentence of filler is shorter
_SENTENCE: Final = 14.0  # tokens of one, to begin with
_TRIES: Final = 40
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Ruler:
    """How the tokens of messages are counted: `count` gives those of the whole prompt.

    `prompt_tps` is at what pace the engine read the lessons, as it told or as we saw.
    """

    count: Callable[[Sequence[Message]], int]
    basis: str
    prompt_tps: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Fitted:
    """A question at its length, and the tokens that its prompt should come to."""

    messages: tuple[Message, ...]
    tokens: int


def ruler(bench: Bench, stretch: Stretch) -> Ruler:
    """Learn how this engine counts, from a few short forms of a question of this sort."""
    texts = [stretch.messages(size)[-1].content for size in _LESSONS]
    asked = prompting.taught(bench, texts)
    pace = _pace(asked)
    came = [a.usage.value.prompt_tokens if isinstance(a.usage, Measured) else None for a in asked]
    told = [(text, count) for text, count in zip(texts, came, strict=False) if count is not None]
    try:
        own = {text: len(bench.engine.tokenise(text)) for text in texts}
    except UnsupportedSubject:
        fitted = learned([(len(text.split()), count) for text, count in told])
        if isinstance(fitted, Measured):
            return Ruler(_by_words(fitted.value), "learned from its usage", pace)
        return Ruler(_by_words(Calibrated()), "assumed, 1.3 a word: it tells no usage", pace)
    # Where a template adds now more, now less, the most of it leaves room for all.
    added = max((count - own[text] for text, count in told), default=0)
    return Ruler(_by_tokens(bench.engine.tokenise, max(0, added)), "counted by its tokenizer", pace)


def fit(ask: Ask, stretch: Stretch, ruler: Ruler) -> Fitted:
    """Return the longest form that leaves room for the answer; raise `BadInput` if none does."""
    room = stretch.tokens - ask.max_tokens - _SPARE
    fits, least = 0, ruler.count(stretch.messages(0))
    if least > room:
        raise BadInput(
            f"without any filler the prompt has {least:,} tokens of this model; {room:,} were to be"
            f" all of a length of {stretch.tokens:,}",
            hint="ask at a greater length: its tokenizer cuts words into many pieces",
        )
    have, too_many, each = least, 0, _SENTENCE
    for _ in range(_TRIES):
        tried = fits + max(1, int((room - have) / each))
        if too_many:
            tried = min(tried, too_many - 1)
        if tried <= fits or room - have < _NEAR_ENOUGH:
            break
        came = ruler.count(stretch.messages(tried))
        each = max((came - have) / (tried - fits), 1.0)
        if came > room:
            too_many = tried
        else:
            fits, have = tried, came
    return Fitted(stretch.messages(fits), have)


def _by_tokens(tokenise: Tokenise, added: int) -> Callable[[Sequence[Message]], int]:
    return lambda messages: added + sum(len(tokenise(m.content)) for m in messages)


def _by_words(known: Calibrated) -> Callable[[Sequence[Message]], int]:
    def count(messages: Sequence[Message]) -> int:
        words = sum(len(m.content.split()) for m in messages)
        return round(known.overhead_tokens + known.tokens_per_word * words)

    return count


def _pace(asked: Sequence[Attempt]) -> Reading[float]:
    """Return the prompt tokens a second of the longest lesson: a hint, no measurement."""
    known = [
        (a.usage.value.prompt_tokens, a)
        for a in asked
        if isinstance(a.usage, Measured) and a.outcome.kind == "completed"
    ]
    if not known:
        return Missing("no_usage", "no answer said how many tokens its prompt had")
    tokens, longest = max(known, key=lambda pair: pair[0])
    match longest.timings:
        case Measured(value=timings) if (
            isinstance(timings.prefill_s, Measured)
            and isinstance(timings.prompt_tokens, Measured)
            and timings.prefill_s.value > 0
        ):
            return Measured(timings.prompt_tokens.value / timings.prefill_s.value, "engine")
        case _:
            seconds = (longest.done_ns - longest.sent_ns) / _NS_PER_S
            return Measured(tokens / seconds, "estimated")
