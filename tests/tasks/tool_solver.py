"""A second solver of `tools`: it reads requests, catalogues and results as a model does.

It knows nothing of how items are made: a request is matched by its words, a tool by its name, what
an errand needs is looked up by calling. A disagreement is a bug in one of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tests.tasks.second_solvers import TOOL_THINGS, TOOL_VAGUE, tool_call, tool_requests

from steelyard.domain.task import Answer, Ask, Call


def solve(ask: Ask) -> Answer:
    """Return what a model would answer that makes no mistake."""
    tools = {t["function"]["name"]: t["function"] for t in map(json.loads, ask.tools)}
    said = ask.messages[0].content.rpartition("Request: ")[2]
    if "reply with" in said:
        return _errand(ask, said)
    for sign, argument in TOOL_VAGUE.items():
        if re.search(sign, said):
            assert any(argument in tool["parameters"]["required"] for tool in tools.values())
            return Answer(f"missing: {argument}", "stop")
    calls = [tool_call(request) for request in tool_requests(said)]
    fitting = [call for call in calls if call["tool"] in tools]
    if not fitting:
        return Answer("no tool", "stop")
    return Answer("", "tool_calls", calls=tuple(map(_call, fitting)))


def _call(call: dict[str, object]) -> Call:
    return Call(str(call["tool"]), json.dumps(call["arguments"]))


_PART = re.compile(
    r"If the (?P<o>[a-z ]+) of (?P<who>\w+) comes to more than (?P<limit>\d+) EUR, "
    r"(?P<yes>.+?); if not, (?P<no>.+?)\.(?= |$)"
)


def _errand(ask: Ask, said: str) -> Answer:
    """Look up what is not known yet, then act once for each part, then name the ids."""
    body = re.split(r" When (?:it is|both are) done, reply with", said)[0]
    conditions = list(_PART.finditer(body))
    rest = tool_requests(_PART.sub("", f"{body} ").strip() + " ")
    parts = [_Step(text, None) for text in map(str.strip, rest) if text]
    parts += [_Step("", found) for found in conditions]
    results = [json.loads(m.content) for m in ask.messages if m.role == "tool"]
    made = [call for m in ask.messages for call in m.calls]
    ids = []
    done = iter(zip(made, results, strict=True))
    for step in parts:
        looked = next(done, None)
        if looked is None:
            return _calling(step.finder, {"customer": step.who})
        record = step.chosen(looked[1]["found"])
        ids.append(record["id"])
        if next(done, None) is None:
            return Answer("", "tool_calls", calls=(_call(step.act(record)),))
    return Answer(", ".join(map(str, ids)), "stop")


def _calling(name: str, arguments: dict[str, object]) -> Answer:
    return Answer("", "tool_calls", calls=(Call(name, json.dumps(arguments)),))


class _Step:
    """One part: whom to look up, which record is meant, what to do with it."""

    def __init__(self, text: str, found: re.Match[str] | None) -> None:
        self.found, self.text, self.which = found, text, ""
        if found is not None:
            self.thing, self.who = found["o"], found["who"]
        else:
            named = re.search(r"the (cheaper |dearer |earlier |later )?([a-z ]+?) of (\w+)", text)
            assert named, text
            self.which, self.thing, self.who = (named[1] or "").strip(), named[2], named[3]
            self.named = named[0]
        self.finder = f"find_{TOOL_THINGS[self.thing].replace(' ', '_')}"

    def chosen(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        assert len(records) == (2 if self.which else 1)
        key = "price" if self.which in {"cheaper", "dearer"} else "date"
        pick = max if self.which in {"dearer", "later"} else min
        return pick(records, key=lambda record: record[key])

    def act(self, record: dict[str, Any]) -> dict[str, object]:
        if self.found is None:
            return tool_call(self.text.replace(self.named, f"{self.thing} {record['id']}"))
        word = "yes" if record["price"] > int(self.found["limit"]) else "no"
        said = self.found[word]
        named = said[0].upper() + said[1:].replace(
            f"that {self.thing}", f"{self.thing} {record['id']}"
        )
        return tool_call(named)
