"""What an evaluation in several forms takes, said before the start: requests, tokens and time.

Tokens are guessed by letters, the time for a model of ours by its size. What a service charges for
them nobody tells beforehand. Not aware of how items are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.app.benches.asked import TOKENS_OF_A_PICTURE
from steelyard.app.benches.benching import Target
from steelyard.app.evals import rag_request
from steelyard.app.rates import rates_of
from steelyard.domain.task import Answer, Ask, Item, Task
from steelyard.reports.figures import duration
from steelyard.tasks.rewording import CLEAN
from steelyard.tasks.robustness import Robustness

_CHARS_PER_TOKEN: Final = 4
_TURNS_MOST: Final = 200


@final
@dataclass(frozen=True, slots=True)
class Load:
    """So many requests, tokens to be read and tokens that may be written."""

    requests: int = 0
    read: int = 0
    written: int = 0

    def __add__(self, other: Load) -> Load:
        return Load(
            self.requests + other.requests, self.read + other.read, self.written + other.written
        )

    def times(self, count: int) -> Load:
        """Return it so many times."""
        return Load(self.requests * count, self.read * count, self.written * count)


def notices(drawn: Mapping[Task, Sequence[Item]], target: Target) -> Iterator[str]:
    """Say of each task in several forms what it takes, and of all together if there are more."""
    several = {task: each for task, each in drawn.items() if task.vary or _in_forms(task)}
    counted = target.variant is not None
    loads = {task: load_of(task, each, counted=counted) for task, each in several.items()}
    for task, load in loads.items():
        yield f"{task.section}: {_counted(task, several[task])} = {_told(load, target)}"
    if len(loads) > 1:
        total = sum(loads.values(), Load())
        yield f"{len(loads)} tasks in several forms together: {_told(total, target)}"


def _in_forms(task: Task) -> bool:
    return task.family == Robustness.name


def _counted(task: Task, items: Sequence[Item]) -> str:
    """Say how many clean items there are in how many forms."""
    forms = [str(getattr(item, "kind", "")).rpartition("/")[2] for item in items]
    clean, names = forms.count(CLEAN), len(set(forms))
    text = f"{clean} {'item' if clean == 1 else 'items'} × {names} forms, the clean one among them"
    if (less := clean * names - len(items)) > 0:
        text += f", less {less} that an item has no room for"
    if len(items) > task.items and not task.vary:
        text += f", and so {len(items)} instead of {task.items}: the last one is asked whole"
    return text if task.samples == 1 else f"{text}, {task.samples} samples of each"


def _told(load: Load, target: Target) -> str:
    text = (
        f"{load.requests:,} requests: about {load.read:,} tokens to be read and up to "
        f"{load.written:,} to be written"
    )
    variant = target.variant
    if variant is None or variant.file is None:
        return f"{text}; how long takes the server's pace, which nobody knows yet"
    rates = rates_of(variant.file, target.spec.controls.threads or 1)
    seconds = load.read / rates.prompt_tps
    seconds += load.requests * rates.task_output_tokens / rates.output_tps
    return f"{text}; guessed for this machine, about {duration(seconds)} if answers are short"


def load_of(task: Task, items: Sequence[Item], *, counted: bool) -> Load:
    """Return what the items of a task take; `counted`: passages are cut by tokens, not by words."""
    load = sum(map(_asked, items), Load()).times(task.samples)
    passages = rag_request.room_tokens(task, counted=counted) * load.requests
    return load + Load(read=passages)


def _asked(item: Item) -> Load:
    """Play an item with short answers: a conversation is read again at each of its turns."""
    ask, load = item.start(), Load()
    for _ in range(_TURNS_MOST):
        load += Load(1, _read(ask), ask.max_tokens)
        following = item.on(Answer("x", "stop"))
        if not isinstance(following, Ask):
            break
        ask = following
    return load


def _read(ask: Ask) -> int:
    """Guess the tokens of a question; one that is stretched says its length, answer included."""
    if ask.stretch is not None:
        return ask.stretch.tokens - ask.max_tokens
    letters = sum(len(message.content) for message in ask.messages) + sum(map(len, ask.tools))
    shown = sum(len(message.media) for message in ask.messages) * TOKENS_OF_A_PICTURE
    return -(-letters // _CHARS_PER_TOKEN) + shown
