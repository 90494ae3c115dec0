"""Conversations as a load: each turn carries all turns before it, answers included.

A small machine that sends nothing: it says what to ask next, once it has heard the answer. The
beginning of a conversation is shared by its turns on purpose, and the requests declare it. Not
aware of the time that a user thinks between turns: that is the load's. What a model thought stays
out, as chat templates leave it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice, tee
from operator import itemgetter
from typing import final

from steelyard.domain.errors import BadInput
from steelyard.domain.load import Conversations
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.workloads.prompts import Prompt


@final
class Conversation:
    """One user's conversation: `start`, then `on` with each answer, until there is None.

    A turn that was not answered ends it: there is nothing to carry on with, so drop it.
    `first_turn` is the number of its first turn among all of that user's.
    """

    __slots__ = ("_first_turn", "_history", "_said", "_turn", "_user")

    def __init__(self, user: int, said: tuple[Prompt, ...], *, first_turn: int = 0) -> None:
        if not said or not all(prompt.request.messages for prompt in said):
            raise BadInput(
                "a conversation is made of messages, and these prompts are token ids or none",
                hint="make its prompts as messages",
            )
        self._user = user
        self._said = said
        self._first_turn = first_turn
        self._turn = 0
        self._history: tuple[Message, ...] = ()

    @property
    def sample(self) -> str:
        """The name of the turn that was asked last: `user/turn`, turns counted through."""
        return f"{self._user}/{self._first_turn + self._turn}"

    @property
    def turn(self) -> int:
        """The place of that turn in this conversation, from 0."""
        return self._turn

    def start(self) -> GenerationRequest:
        """Return the request of the first turn."""
        self._turn = 0
        self._history = self._said[0].request.messages
        return self._request()

    def on(self, answer: str) -> GenerationRequest | None:
        """Take the answer to the last request; return the next one, or None after the last turn."""
        if self._turn + 1 == len(self._said):
            return None
        self._turn += 1
        self._history += (Message("assistant", answer), _last_words(self._said[self._turn]))
        return self._request()

    def _request(self) -> GenerationRequest:
        own = self._said[self._turn].request
        return replace(own, messages=self._history, reuse_prefix=True)


def conversations(
    load: Conversations, prompts: Iterator[Prompt]
) -> tuple[Iterator[Conversation], ...]:
    """Return each user's conversations, without end; each turn takes a fresh prompt.

    Prompts are dealt out round by round, so that who says what does not hang on who is answered
    first. Their lengths are those of a turn's new text.
    """
    hands = tee(_rounds(load, prompts), load.users)
    return tuple(map(itemgetter(user), hand) for user, hand in enumerate(hands))


def _rounds(load: Conversations, prompts: Iterator[Prompt]) -> Iterator[tuple[Conversation, ...]]:
    for first_turn in count(0, load.turns):
        yield tuple(
            Conversation(user, tuple(islice(prompts, load.turns)), first_turn=first_turn)
            for user in range(load.users)
        )


def _last_words(prompt: Prompt) -> Message:
    """Return what the user says: a row of a file may bring a system message and examples too."""
    return next(m for m in reversed(prompt.request.messages) if m.role == "user")
