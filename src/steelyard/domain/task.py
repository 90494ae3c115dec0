"""Items, marks and tasks: what is judged by correctness.

An item is a small machine: it asks, it is answered, it asks again or it marks. One question with
one answer is its simplest case. Not aware of engines, sockets or stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias, final, runtime_checkable

from steelyard.domain.reading import Reading

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Split: TypeAlias = Literal["train", "held_out"]
_NO_PART_OF_A_NAME: Final = re.compile(r"[|,\[\]\s]")  # they part names from one another


@final
@dataclass(frozen=True, slots=True)
class Media:
    """A picture, sound or film within a message: its media type (`image/png`) and base64 bytes."""

    kind: Literal["image", "audio", "video"]
    type: str
    data: str


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model calls: `arguments` as it wrote them, which need not be JSON."""

    name: str
    arguments: str
    id: str = ""


@final
@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `media` stand before the text. `calls` are those of an assistant's turn; a turn of the role
    `tool` answers the one whose id is `answers`.
    """

    role: Role
    content: str
    media: tuple[Media, ...] = ()
    calls: tuple[Call, ...] = ()
    answers: str = ""


class Stretch(Protocol):
    """Writes a question as long as is wanted, in tokens that only who is asked can count."""

    @property
    def tokens(self) -> int:
        """How long prompt and answer are to be together."""

    def messages(self, size: int, /) -> tuple[Message, ...]:
        """Write it with so many pieces of filler: the more, the longer."""


@final
@dataclass(frozen=True, slots=True)
class Ask:
    """What an item wants to know next: a conversation and the room for the answer, in tokens.

    `tools` are those that may be called, each as the JSON text of the chat API. Where there is a
    `stretch`, the messages are its shortest form: whoever asks has it written to its length.
    `schema` is the JSON text of the schema that the answer is to be bound to, by an engine that
    can. `again` counts how often the same was asked before: each time has a seed of its own.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    tools: tuple[str, ...] = ()
    stretch: Stretch | None = None
    schema: str = ""
    again: int = 0


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: generated text (reasoning apart) and why it ended (`stop`, `length` …).

    `calls` are the tools called through the tools API; what was written as text is text.
    """

    text: str
    finish_reason: str | None
    reasoning: str = ""
    calls: tuple[Call, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Right:
    """The answer is the known one."""

    kind: Literal["right"] = "right"


@final
@dataclass(frozen=True, slots=True)
class Wrong:
    """An answer could be read, and it is another one."""

    kind: Literal["wrong"] = "wrong"


@final
@dataclass(frozen=True, slots=True)
class Invalid:
    """The model's doing: `truncated`, `unparsable`, `refused`, or a tool called in mere text."""

    why: Literal["truncated", "unparsable", "refused", "call_as_text"]
    kind: Literal["invalid"] = "invalid"


@final
@dataclass(frozen=True, slots=True)
class NotRun:
    """Ours or the engine's doing: the model is not to blame and nothing is known of it."""

    why: str
    kind: Literal["not_run"] = "not_run"


Outcome: TypeAlias = Right | Wrong | Invalid | NotRun


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of one item, what was read out of the answer, and the format constraints passed.

    `extracted` keeps every extraction by name (`strict`, `flexible`), so that a later reading
    needs no new request. `constraints` maps a constraint's name to whether it held; adherence
    is the pooled share of those on the form and is empty where an item states no format. `judge`
    is the score from 0 to 1 that a judge gave, or why there is none; None where no judge was to be
    asked.
    """

    outcome: Outcome
    extracted: dict[str, str | None] = field(default_factory=dict)
    constraints: dict[str, bool] = field(default_factory=dict)
    judge: Reading[float] | None = None

    @property
    def demands(self) -> dict[str, bool]:
        """The constraints that say something: what was cut might have come to keep each of them."""
        return {} if self.outcome == Invalid("truncated") else self.constraints


@final
@dataclass(frozen=True, slots=True)
class Trial:
    """An answer that has to be tried out before it can be marked: `mark` does so, and takes long.

    It is tried once nothing is timed any more, several at a time; `mark` is safe to call from any
    thread and raises nothing.
    """

    mark: Callable[[], Mark]


class Item(Protocol):
    """One small machine with a known answer."""

    @property
    def id(self) -> str:
        """Content hash of what determines the answer."""

    @property
    def cluster(self) -> str:
        """Items of one cluster share a passage or template: intervals resample clusters."""

    def start(self) -> Ask:
        """Return the first question."""

    def on(self, answer: Answer) -> Ask | Mark | Trial:
        """Take an answer: ask again, mark, or say how it is to be tried out."""


@runtime_checkable
class Renewed(Protocol):
    """An item that no generator makes again: it gives a fresh machine of itself."""

    def anew(self) -> Item:
        """Return the item as it was before anything was asked."""


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where items come from that no generator makes: a file of the user's, or a standard set.

    `sha256` is that of the items as they are asked, known answers and scorers included; `content`
    that of the bytes which they were read from. `settings` says how: columns, scorer, revision.
    The path is the place's, not the task's.
    """

    name: str
    sha256: str
    content: str = ""
    settings: tuple[tuple[str, str], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Task:
    """A reproducible set of items: the same fields give the same items on every machine.

    `revision` is the generator's version; `private_seed` draws a set of the user's own.
    `settings` say how the items are asked, by name and value; they change none of them. With a
    `source` nothing is generated: `seed` then says which of its items are drawn, where not all are.
    Each item is asked `samples` times, each time with another seed. `thinking` is the room to think
    in tokens, beside what each answer has. With `vary` each of the `items`
    is asked clean and in these forms besides; `guard` is what the model is told before all of them.
    """

    family: str
    level: int = 1
    items: int = 300
    seed: int = 0
    split: Split = "held_out"
    revision: int = 1
    private_seed: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    source: Source | None = None
    samples: int = 1
    thinking: int = 0
    vary: tuple[str, ...] = ()
    guard: str = ""

    @property
    def base(self) -> str:
        """Family and level, or a given set's name: the same items where the seeds are the same."""
        return f"{self.family}/l{self.level}" if self.source is None else self.family

    @property
    def section(self) -> str:
        """The name of its section: family and level, and the settings' values in brackets.

        That of a varied task says so: no band and no limit is agreed on for it.
        """
        values = ",".join(_NO_PART_OF_A_NAME.sub("_", value) for _, value in self.settings)
        name = f"{self.base}[{values}]" if values else self.base
        return f"varied:{name}" if self.vary else name


_AGAIN: Final = "#"


def sample_key(item_id: str, number: int) -> str:
    """Return the key of the n-th sample of an item, from 0: the first one's is the item's id."""
    return f"{item_id}{_AGAIN}{number}" if number else item_id


def item_of(sample: str) -> str:
    """Return the id of the item that a sample is of."""
    return sample.partition(_AGAIN)[0]
