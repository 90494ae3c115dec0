"""Conversations: items that ask again, with a known answer at every turn.

A family drafts the turns; `Conversation` sends them one by one, each with all that was said
before, the model's own words included. The item is right if every turn is; else the first turn
that is not decides the mark. A standing instruction holds if it was kept at every turn at which it
was in force. Not aware of engines or stores.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import final

from steelyard.domain.task import Answer, Ask, Mark, Message, Outcome, Right
from steelyard.tasks.items import Turn
from steelyard.tasks.scoring import without_thought


@final
@dataclass(slots=True)
class Conversation:
    """A conversation under way."""

    id: str
    cluster: str
    family: str
    level: int
    kind: str
    turns: tuple[Turn, ...]
    max_tokens: int
    system: str = ""
    _said: list[Message] = field(default_factory=list, repr=False, compare=False)
    _marks: list[Mark] = field(default_factory=list, repr=False, compare=False)

    def start(self) -> Ask:
        """Return the first turn; what was said before is forgotten."""
        told = [Message("system", self.system)] if self.system else []
        self._said = [*told, Message("user", self.turns[0].prompt)]
        self._marks = []
        return self._ask()

    def on(self, answer: Answer) -> Ask | Mark:
        """Mark a turn and go on, or mark the whole after the last one.

        After an answer without a word there is nothing to go on from: the conversation ends.
        """
        self._marks.append(self.turns[len(self._marks)].scorer.mark(answer))
        said = without_thought(answer)
        if len(self._marks) == len(self.turns) or not said:
            return joined(self._marks)
        following = self.turns[len(self._marks)].prompt
        self._said += [Message("assistant", said), Message("user", following)]
        return self._ask()

    def _ask(self) -> Ask:
        return Ask(tuple(self._said), self.max_tokens)


def joined(marks: list[Mark]) -> Mark:
    """Return one mark for all turns: extractions as lists, a constraint held if it always did.

    A turn that was cut says nothing of a constraint.
    """
    held: dict[str, bool] = {}
    for mark in marks:
        for name, kept in mark.demands.items():
            held[name] = held.get(name, True) and kept
    readings = ("strict", "flexible")
    return Mark(
        _outcome(marks),
        {name: json.dumps([mark.extracted.get(name) for mark in marks]) for name in readings},
        held,
    )


def _outcome(marks: list[Mark]) -> Outcome:
    unmet = (mark.outcome for mark in marks if not isinstance(mark.outcome, Right))
    return next(unmet, Right())
