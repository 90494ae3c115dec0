"""Guards against invented answers: a sentence that the model is told before a question is asked.

It is put into the system message, behind what stands there already. The items stay the same, so a
run with a guard pairs with one without. Not aware of how a model takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from steelyard.domain.task import Message, Stretch
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.errand import Errand
from steelyard.tasks.items import Question

GUARDS: Final[Mapping[str, str]] = {
    "unknown": (
        "If what you are given does not state the answer and you do not know it for certain, say"
        " that it is unknown. Do not guess. Keep to the form of answer that is asked for."
    ),
    "sources": (
        "Use only what the text in front of you says. Say nothing that it does not support. Keep"
        " to the form of answer that is asked for."
    ),
    "check": (
        "Before you answer, check each part of the answer against the question, and correct what"
        " does not hold. Keep to the form of answer that is asked for."
    ),
}
_Item: TypeAlias = Question | Conversation | Errand


def text_of(named: str) -> str:
    """Return the text of a guard of this name; another text is a guard of the user's own."""
    return GUARDS.get(named, named)


def shown(text: str) -> str:
    """Return a guard as it is named to people: with its name, where it has one."""
    if not text:
        return "none"
    name = next((name for name, said in GUARDS.items() if said == text), "")
    return f"{name}: {text!r}" if name else repr(text)


def told(items: Sequence[_Item], guard: str) -> list[_Item]:
    """Return the items, each with the guard in its system message."""
    return [_told(item, guard) for item in items]


def _told(item: _Item, guard: str) -> _Item:
    system = f"{item.system}\n\n{guard}" if item.system else guard
    if isinstance(item, Question) and item.stretch is not None:
        return replace(item, system=system, stretch=_Behind(item.stretch, system))
    return replace(item, system=system)


@final
@dataclass(frozen=True, slots=True)
class _Behind:
    """A stretched question behind a system message; both together have its length."""

    stretch: Stretch
    system: str

    @property
    def tokens(self) -> int:
        """How long prompt and answer are to be together."""
        return self.stretch.tokens

    def messages(self, size: int, /) -> tuple[Message, ...]:
        """Write it with so many pieces of filler."""
        return (Message("system", self.system), *self.stretch.messages(size))
