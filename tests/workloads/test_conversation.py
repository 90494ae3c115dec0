"""A conversation carries what was said, both ways, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

import pytest

from steelyard.domain.errors import BadInput
from steelyard.domain.load import Conversations
from steelyard.domain.prompts import Synthetic
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.workloads.conversation import Conversation, conversations
from steelyard.workloads.lengths import MessageTokens
from steelyard.workloads.prompts import Prompt, make
from steelyard.workloads.sources import Prompts


def words(text: str, *, special: bool = False) -> list[int]:
    del special
    return [len(word) for word in text.split()]


def prose(draw: random.Random) -> str:
    return " ".join(draw.choice(["a", "river", "of", "stones"]) for _ in range(9))


def prompts() -> Iterator[Prompt]:
    return make(Prompts(Synthetic(20, 8)), MessageTokens(words), text=prose, seed=1)


def prompt(*messages: Message) -> Prompt:
    return Prompt(GenerationRequest(messages=messages))


def test_each_turn_carries_all_before_it_with_the_answers() -> None:
    said = tuple(islice(prompts(), 3))
    talk = Conversation(0, said)
    mine = [one.request.messages[0] for one in said]
    first = talk.start()
    second = talk.on("Yes.")
    third = talk.on("No.")
    assert first.messages == (mine[0],)
    assert second is not None
    assert second.messages == (mine[0], Message("assistant", "Yes."), mine[1])
    assert third is not None
    assert third.messages == (*second.messages, Message("assistant", "No."), mine[2])
    assert talk.on("Done.") is None


def test_every_turn_says_that_its_beginning_is_shared_on_purpose() -> None:
    talk = Conversation(0, tuple(islice(prompts(), 2)))
    second = talk.on("Yes.") if talk.start().reuse_prefix else None
    assert second is not None
    assert second.reuse_prefix


def test_each_turn_adds_fresh_text_of_the_length_asked_for() -> None:
    talk = Conversation(0, tuple(islice(prompts(), 4)))
    request: GenerationRequest | None = talk.start()
    heard = set()
    while request is not None:
        newest = request.messages[-1].content
        assert len(newest.split()) == 20
        heard.add(newest)
        request = talk.on("Yes.")
    assert len(heard) == 4


def test_a_turn_is_named_by_its_user_and_counted_through() -> None:
    first, second = islice(conversations(Conversations(users=2, turns=3), prompts())[1], 2)
    first.start()
    first.on("Yes.")
    second.start()
    assert (first.sample, first.turn) == ("1/1", 1)
    assert (second.sample, second.turn) == ("1/3", 0)


def test_who_says_what_does_not_hang_on_who_is_answered_first() -> None:
    load = Conversations(users=3, turns=2)
    calm = [
        [talk.start().messages for talk in islice(user, 3)]
        for user in conversations(load, prompts())
    ]
    hasty = [
        [talk.start().messages for talk in islice(user, 3)]
        for user in reversed(conversations(load, prompts()))
    ]
    assert calm == hasty[::-1]
    assert len({messages for user in calm for messages in user}) == 9


def test_later_turns_take_only_what_the_user_says() -> None:
    brief, why = Message("system", "Be brief."), Message("user", "Why?")
    talk = Conversation(0, (prompt(brief, why), prompt(brief, Message("user", "And now?"))))
    assert talk.start().messages == (brief, why)
    second = talk.on("So.")
    assert second is not None
    assert second.messages[2:] == (Message("assistant", "So."), Message("user", "And now?"))
    assert [m.role for m in second.messages].count("system") == 1


def test_token_ids_make_no_conversation() -> None:
    with pytest.raises(BadInput, match="made of messages"):
        Conversation(0, (Prompt(GenerationRequest(prompt_tokens=(1, 2))),))
    with pytest.raises(BadInput, match="made of messages"):
        Conversation(0, ())
