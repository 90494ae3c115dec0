"""Items with room to think: the same questions, each answer with so many tokens more.

A question of a certain length keeps it: what it is filled up to grows by as much. Not aware of
families.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

from steelyard.domain.task import Message, Stretch
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.errand import Errand
from steelyard.tasks.items import Question


@final
@dataclass(frozen=True, slots=True)
class Roomier:
    """A question at a length, with so many `more` tokens for its answer."""

    inner: Stretch
    more: int

    @property
    def tokens(self) -> int:
        """Prompt and answer together, thinking included."""
        return self.inner.tokens + self.more

    def messages(self, size: int, /) -> tuple[Message, ...]:
        """Write it as it is written without."""
        return self.inner.messages(size)


def roomier(
    item: Question | Conversation | Errand, tokens: int
) -> Question | Conversation | Errand:
    """Return an item whose answers have so many tokens more."""
    if isinstance(item, Errand):
        return replace(item, draft=replace(item.draft, max_tokens=item.draft.max_tokens + tokens))
    if isinstance(item, Conversation):
        return replace(item, max_tokens=item.max_tokens + tokens)
    stretch = None if item.stretch is None else Roomier(item.stretch, tokens)
    return replace(item, max_tokens=item.max_tokens + tokens, stretch=stretch)
