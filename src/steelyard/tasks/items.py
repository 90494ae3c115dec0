"""A question with a known answer: the item that every generated family yields.

A family drafts; `Question` adds identity. The id and the split are hashes of what determines the
answer, so two wordings of one problem can never stand on both sides of the split. Not aware of
engines or stores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final, Protocol, final, runtime_checkable

from steelyard.domain.task import Answer, Ask, Mark, Media, Message, Split, Stretch, Task, Trial
from steelyard.tasks.corpora import Sourced

if TYPE_CHECKING:
    from steelyard.tasks.errand import ErrandDraft

_EVEN: Final = 0.5
HELD_OUT_SHARE: Final = 5  # one key in five is held out
# Below the shipped level, in smaller sizes and fewer words: what the bundled model is trained on
# in families that it would else answer whole. No task asks it.
PRACTICE: Final = 0


class Scorer(Protocol):
    """Reads a known answer out of a text."""

    def mark(self, answer: Answer) -> Mark:
        """Return the four-way mark with everything that was extracted."""


class Examiner(Protocol):
    """A scorer, or what has to try an answer out first."""

    def mark(self, answer: Answer) -> Mark | Trial:
        """Return the mark, or how to come to it."""


@final
@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it has an identity. `key` holds what determines the answer.

    With a `stretch`, `prompt` is its shortest form. `show` makes the pictures or sounds that it is
    about, when it is put; `source` are the documents that it is asked of, where it is; `tools` are
    those that the answer may call, each as the JSON text of the chat API.
    """

    kind: str
    key: tuple[str, ...]
    prompt: str
    answer: str
    max_tokens: int
    scorer: Examiner
    stretch: Stretch | None = None
    show: Callable[[], tuple[Media, ...]] = tuple
    source: Sourced | None = None
    tools: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says, and the answer that is known."""

    prompt: str
    answer: str
    scorer: Scorer


@final
@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation before it has an identity. `key` holds what determines the answers."""

    kind: str
    key: tuple[str, ...]
    turns: tuple[Turn, ...]
    max_tokens: int


@final
@dataclass(frozen=True, slots=True)
class Cluster:
    """Drafts that share a passage, or one alone. All of them are on one side of the split.

    `family` names where the content comes from, if from another family: what one of them trains
    on, the other may not ask. `late` are drafts that take long to write, dialogues and errands:
    written once the cluster is known to be on the wanted side. One that is `whole` is asked whole
    where a set ends with it, though that makes the set longer. If `asked` is
    said, a set takes only so many of the drafts, in turns: items that share less tell more.
    """

    key: tuple[str, ...]
    drafts: tuple[Draft, ...] = ()
    family: str = ""
    late: Callable[[], Iterable[Draft | Dialogue | ErrandDraft]] = tuple
    whole: bool = False
    asked: int | None = None

    def written(self) -> tuple[Draft | Dialogue | ErrandDraft, ...]:
        """Return all of the drafts. Ask once: what is late is drawn anew each time."""
        return (*self.drafts, *self.late())


class Family(Protocol):
    """One generated family: a module-level object named by an entry point."""

    @property
    def name(self) -> str:
        """The family's name, as in `Task.family`."""

    @property
    def revision(self) -> int:
        """The generator's version: a change of any item is a new revision."""

    @property
    def levels(self) -> tuple[int, ...]:
        """The difficulty levels; the first is the shipped one."""

    def kinds(self, level: int, /) -> tuple[str, ...]:
        """Return the kinds of clusters that a set cycles through."""

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one cluster: the questions that share a passage, or one question alone."""


@runtime_checkable
class Settled(Protocol):
    """A family whose items can be asked in several ways."""

    def settle(self, task: Task) -> None:
        """Raise `BadInput` for settings that it does not know."""


@final
@dataclass(frozen=True, slots=True)
class Question:
    """One question, one answer: the simplest item.

    One with a `source` is asked behind passages out of it, which who asks finds and puts there.
    """

    id: str
    cluster: str
    family: str
    level: int
    kind: str
    prompt: str
    answer: str
    max_tokens: int
    scorer: Examiner
    stretch: Stretch | None = None
    show: Callable[[], tuple[Media, ...]] = field(default=tuple, compare=False)
    source: Sourced | None = field(default=None, repr=False, compare=False)
    tools: tuple[str, ...] = ()
    system: str = ""

    def start(self) -> Ask:
        """Return the question, after what the model is told beforehand."""
        told = (Message("system", self.system),) if self.system else ()
        messages = (*told, Message("user", self.prompt, self.show()))
        return Ask(messages, self.max_tokens, self.tools, stretch=self.stretch)

    def on(self, answer: Answer) -> Ask | Mark | Trial:
        """Mark the answer."""
        return self.scorer.mark(answer)


def coin(rng: Random) -> bool:
    """Toss a fair coin."""
    return rng.random() < _EVEN


def content_hash(*parts: str) -> str:
    """Return a hex hash of the parts, unambiguous about where one ends."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def alone(draft: Draft) -> Cluster:
    """Return a draft that shares nothing with others."""
    return Cluster(draft.key, (draft,))


def split_of(family: str, key: tuple[str, ...]) -> Split:
    """Return the side of the split that this content is on, for every level and seed."""
    return "held_out" if int(content_hash(family, *key)[:8], 16) % HELD_OUT_SHARE == 0 else "train"
