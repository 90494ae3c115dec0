"""What the scripted engine is told to answer to questions with tools: each turn by its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.tasks.tool_solver import solve

from steelyard.domain.task import Answer, Ask, Item, Mark, Trial
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.wires import openai
from steelyard.scripted import script
from steelyard.scripted.plan import PlannedCall


@dataclass
class Planted:
    """Answers and calls as a plan takes them."""

    answers: dict[str, str | tuple[str, str]] = field(default_factory=dict)
    calls: dict[str, tuple[PlannedCall, ...]] = field(default_factory=dict)

    def plant(self, item: Item, spoil: Callable[[Answer], Answer] = lambda answer: answer) -> None:
        """Answer an item as the solver does; `spoil` makes the first answer another one."""
        step: Ask | Mark | Trial = item.start()
        first = True
        while isinstance(step, Ask):
            answer = spoil(solve(step)) if first else solve(step)
            self._say(step, answer)
            step, first = item.on(answer), False

    def _say(self, ask: Ask, answer: Answer) -> None:
        key = key_of(ask)
        if answer.text or not answer.calls:
            self.answers[key] = answer.text
        if answer.calls:
            self.calls[key] = tuple(PlannedCall(c.name, c.arguments, c.id) for c in answer.calls)


def key_of(ask: Ask) -> str:
    """Return by what the script knows a question."""
    body = openai.chat_body(GenerationRequest(ask.messages, tools=ask.tools))
    return script.asked("/v1/chat/completions", json.loads(json.dumps(body))).key
