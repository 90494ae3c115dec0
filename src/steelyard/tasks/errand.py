"""Errands: items that call tools, are told what came of it, and go on until they have an answer.

The world behind the tools is simulated. An errand is right if the world is in the end exactly as it
was wanted, nothing else having been changed, and the answer names what was changed. Which way led
there is free, also over a call that was refused. Not aware of engines or stores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from steelyard.domain.task import (
    Answer,
    Ask,
    Call,
    Invalid,
    Mark,
    Message,
    Outcome,
    Wrong,
)
from steelyard.tasks.scoring import finished_part, is_cut, outcome_of, without_thought
from steelyard.tasks.tool_calls import (
    Called,
    broken,
    called_in_text,
    content_parts,
    form_parts,
    read_all,
)
from steelyard.tasks.tool_catalogue import FIND, Tool, Value
from steelyard.tasks.tool_world import World
from steelyard.tasks.values import JsonObject

_LONGEST_ID: Final = 18  # digits
_NUMBERS: Final = re.compile(r"(?<![\d.,-])\d+(?![\d-]|[.,]\d)")


@final
@dataclass(frozen=True, slots=True)
class ErrandDraft:
    """An errand before it has an identity. `key` holds what determines the answer.

    `wanted` are calls that do it, lookups included, in an order that works; `ids` what they change.
    """

    kind: str
    key: tuple[str, ...]
    prompt: str
    tools: tuple[Tool, ...]
    world: World
    wanted: tuple[tuple[Tool, Mapping[str, Value]], ...]
    ids: tuple[int, ...]
    max_tokens: int


@final
@dataclass(slots=True)
class Errand:
    """An errand under way."""

    id: str
    cluster: str
    family: str
    level: int
    draft: ErrandDraft
    system: str = ""
    _said: list[Message] = field(default_factory=list, repr=False, compare=False)
    _called: list[Called] = field(default_factory=list, repr=False, compare=False)
    _world: World = field(default_factory=lambda: World("", ()), repr=False, compare=False)
    _in_text: bool = field(default=False, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """What kind of item it is."""
        return self.draft.kind

    @property
    def prompt(self) -> str:
        """What is asked for."""
        return self.draft.prompt

    @property
    def max_tokens(self) -> int:
        """The room for each answer."""
        return self.draft.max_tokens

    @property
    def tools(self) -> tuple[str, ...]:
        """The catalogue, as the chat API has it."""
        return tuple(tool.api for tool in self.draft.tools)

    @property
    def answer(self) -> str:
        """The calls of one way to do it, and what is to be said at the end."""
        calls = [{"tool": tool.name, "arguments": given} for tool, given in self.draft.wanted]
        return json.dumps({"calls": calls, "said": _listed(self.draft.ids)})

    def start(self) -> Ask:
        """Return the request; what was done before is undone."""
        told = [Message("system", self.system)] if self.system else []
        self._said = [*told, Message("user", self.prompt)]
        self._called, self._world, self._in_text = [], self.draft.world.copy(), False
        return self._ask()

    def on(self, answer: Answer) -> Ask | Mark:
        """Do what is called and tell what came of it; or mark, once nothing is called."""
        called = read_all(answer)
        self._called += called
        self._in_text |= called_in_text(answer, {tool.name for tool in self.draft.tools})
        if not called:
            return self._finished(answer)
        if (unread := broken(answer, called)) is not None:
            return self._mark(unread, None, None)
        if len(self._called) > self._most:
            return self._mark(Wrong(), None, None)
        calls = tuple(
            replace(call, id=call.id or f"call_{len(self._called) - len(called) + number}")
            for number, call in enumerate(answer.calls)
        )
        self._said.append(Message("assistant", without_thought(answer), calls=calls))
        self._said += [
            Message("tool", json.dumps(self._done(one)), answers=call.id)
            for call, one in zip(calls, called, strict=True)
        ]
        return self._ask()

    def rehearsal(self) -> list[Answer]:
        """Return the answers that make the conversation as long as it may become."""
        ways = self.draft.wanted
        calls = [
            Call(tool.name, json.dumps(given))
            for tool, given in (ways[number % len(ways)] for number in range(self._most))
        ]
        return [*(Answer("", "tool_calls", calls=(call,)) for call in calls), Answer("x", "stop")]

    @property
    def _most(self) -> int:
        """So many calls are as good as an endless number."""
        return 2 * len(self.draft.wanted) + 2

    def _ask(self) -> Ask:
        return Ask(tuple(self._said), self.max_tokens, self.tools)

    def _done(self, called: Called) -> JsonObject:
        tool = next((one for one in self.draft.tools if one.name == called.name), None)
        if tool is None or called.arguments is None:
            return {"error": f"there is no tool {called.name}"}
        if not tool.accepts(called.arguments):
            return {"error": f"the arguments do not obey the schema of {called.name}"}
        return self._world.call(tool, called.arguments)

    def _wanted_state(self) -> object:
        world = self.draft.world.copy()
        for tool, given in self.draft.wanted:
            world.call(tool, given)
        return world.state()

    def _finished(self, answer: Answer) -> Mark:
        text, records = finished_part(answer), self.draft.world.state()
        short = (number for number in _NUMBERS.findall(text) if len(number) <= _LONGEST_ID)
        named = dict.fromkeys(map(int, short))
        found = [number for number in named if number in records]
        flexible = _listed(found) if found else None
        strict = flexible if re.fullmatch(r"\d+(?:\s*,\s*\d+)*\.?", text) else None
        right = tuple(found) == self.draft.ids and self._world.state() == self._wanted_state()
        outcome = outcome_of(answer, flexible, right=right, bare=strict is not None)
        if self._in_text and not right and not is_cut(answer):
            outcome = Invalid("call_as_text")
        return self._mark(outcome, strict, flexible)

    def _mark(self, outcome: Outcome, strict: str | None, flexible: str | None) -> Mark:
        finders = {tool.name for tool in self.draft.tools if tool.action is FIND}
        changes = [call.plain() for call in self._called if call.name not in finders]
        wanted: list[JsonObject] = [
            {"tool": tool.name, "arguments": dict(given)}
            for tool, given in self.draft.wanted
            if tool.action is not FIND
        ]
        parts = {"through_api": not self._in_text}
        if self._called:
            parts |= form_parts(self._called, self.draft.tools)
        parts |= content_parts(changes, wanted)
        parts["right_state"] = self._world.state() == self._wanted_state()
        calls = [call.plain() for call in self._called]
        read = {
            name: None if said is None else json.dumps({"calls": calls, "said": said})
            for name, said in (("strict", strict), ("flexible", flexible))
        }
        if flexible is None and calls:
            read["flexible"] = json.dumps({"calls": calls})
        return Mark(outcome, read, parts)


def _listed(ids: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, ids))
