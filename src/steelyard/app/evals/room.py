"""The context that the items of an evaluation need: bounded, asked for, and refused where it lacks.

An item that is stretched says its length; of others the longest question and answer is bounded.
Not aware of how a server is started.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.app.benches import benching
from steelyard.app.benches.asked import TOKENS_OF_A_PICTURE
from steelyard.app.benches.benching import Target
from steelyard.app.evals.texts import counted
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.task import Answer, Ask, Item, Stretch, Task
from steelyard.engines.api import AsksContext
from steelyard.engines.attached import AttachedEngine
from steelyard.tasks.errand import Errand

_AROUND: Final = 96  # what a template puts around each message, and more
CHARS_PER_TOKEN: Final = 2  # small vocabularies cut text this finely; larger ones less so
LEAST_CONTEXT: Final = 512
_TURNS_MOST: Final = 200
LEAST_ANSWER: Final = 1  # a bench is told the room as a prompt, and to answer with a token more
# A stretched item takes its length and no more: what is added to all others is taken off.
_ADDED: Final = _AROUND + LEAST_ANSWER + benching.AROUND


def context(items: Sequence[Item], thinking: int = 0) -> int:
    """Return the tokens of the longest request, as a bench is to be told.

    So many tokens of each answer are `thinking`, which no later turn repeats.
    """
    return max(LEAST_CONTEXT, max(_tokens(item, thinking) for item in items) + _AROUND)


def hint(tasks: Sequence[Task]) -> str:
    """Say how less context would do."""
    longest = max(tasks, key=lambda task: task.level)
    less = f"ask less, e.g. a lower level than {longest.family}:{longest.level}"
    return (
        f"{less}, or give less --thinking than {longest.thinking:,}" if longest.thinking else less
    )


def require(target: Target, items: Sequence[Item], tasks: Sequence[Task]) -> None:
    """Raise `BadInput` where a server says that it has less context than a length takes."""
    needed = max((stretch.tokens for stretch in _stretches(items)), default=0)
    if not needed or not isinstance(target.what, AttachedEngine):
        return
    has = _stated(target.what)
    if isinstance(has, Measured) and has.value < needed:
        raise BadInput(
            f"{target.name} gives {has.value:,} tokens of context; the longest questions take"
            f" {needed:,}, with their answers",
            hint=f"start it with a context of {needed} for each request, or {hint(tasks)}",
        )


def notices(items: Sequence[Item], streams: int) -> Iterator[str]:
    """Say what long questions cost to read, before anything is asked."""
    lengths = [stretch.tokens for stretch in _stretches(items)]
    if not lengths:
        return
    yield (
        f"{counted(len(lengths), 'question')} of up to {max(lengths):,} tokens: about"
        f" {sum(lengths):,} tokens are to be read, {counted(streams, 'question')} at a time; no two"
        " begin alike, so no prefix cache helps"
    )


def _stated(engine: AttachedEngine) -> Reading[int]:
    """Return what a request will have: of an engine that is asked for a length, that."""
    if isinstance(engine.dialect, AsksContext) and engine.dialect.context_tokens is not None:
        return Measured(engine.dialect.context_tokens, "engine")
    return engine.identity().context_tokens


def _stretches(items: Sequence[Item]) -> list[Stretch]:
    return [stretch for item in items if (stretch := item.start().stretch) is not None]


def _tokens(item: Item, thinking: int) -> int:
    """Bound the tokens of an item's longest question and answer, playing it with long answers."""
    ask, most = item.start(), 0
    if ask.stretch is not None:
        return ask.stretch.tokens - _ADDED
    rehearsed = iter(item.rehearsal() if isinstance(item, Errand) else ())
    for _ in range(_TURNS_MOST):
        said = sum(len(message.content) + _AROUND for message in ask.messages)
        said += sum(len(call.arguments) + _AROUND for m in ask.messages for call in m.calls)
        said += sum(map(len, ask.tools))
        shown = sum(len(message.media) * TOKENS_OF_A_PICTURE for message in ask.messages)
        most = max(most, said // CHARS_PER_TOKEN + shown + ask.max_tokens)
        said_aloud = Answer("x " * (ask.max_tokens - thinking), "stop")
        following = item.on(next(rehearsed, said_aloud))
        if not isinstance(following, Ask):
            break
        ask = following
    return most
