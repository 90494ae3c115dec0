"""Reads answers to requests with tools: what was called through the API, or said instead of it.

A call counts only if it came through the tools API. One that is written into the text is named as
such (`call_as_text`) and neither right nor wrong: a client would not have made it. What can fail is
told apart: a tool that is there (`known_tool`), arguments by its schema (`schema_valid`), the right
tools, whatever they were given (`right_tool`), the right arguments, whatever they were given to
(`right_arguments`). Not aware of families, engines or wires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.task import Answer, Call, Invalid, Mark
from steelyard.tasks import json_text
from steelyard.tasks.scoring import finished_part, is_cut, mark_of, outcome_of, without_thought
from steelyard.tasks.tool_catalogue import Tool
from steelyard.tasks.values import JsonObject, same_in_any_order

NO_TOOL: Final = "no tool"
_MARKS_OF_CALLS: Final = re.compile(
    r"<tool_call>|</?function[=_]|\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool_call|<｜tool▁call|"
    r"\bto=functions\.\w|\bfunctions\.\w+[:(]"
)
_NAME_KEYS: Final = ("name", "tool", "tool_name", "function")
_ARGUMENT_KEYS: Final = ("arguments", "parameters", "args", "input")
_SAID_NO_TOOL: Final = re.compile(
    r"\bno (?:\w+ ){0,2}(?:tool|function)s?\b|\bnone of (?:the|these|my)\b|"
    r"(?:\b(?:not|cannot|unable)|n't)\b[^.?!]{0,60}\b(?:tool|function)s?\b|"
    r"\b(?:tool|function)s?\b[^.?!]{0,60}(?:\b(?:not|cannot|unable)|n't)\b",
    re.IGNORECASE,
)
_SAID_MISSING: Final = re.compile(r"\bmissing\b[\s:*`\"']*([a-z]+)", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"\?|\b(?:please|need|provide|specify|missing|tell me|let me know|"
    r"not (?:given|stated|clear))\b",
    re.IGNORECASE,
)
# What an argument is called in plain words, where it is asked for without its name.
_PLAIN: Final = {
    "id": r"numbers?|which one",
    "until": r"when|how long|dates?|day",
    "date": r"when|dates|day",
    "days": r"how long|how many days",
    "person": r"who|whom|whose|name",
    "priority": r"priorities|how urgent",
    "colour": r"colou?rs?",
    "amount": r"how much|euros?|price",
    "copies": r"how many",
}


@final
@dataclass(frozen=True, slots=True)
class Called:
    """One call as it came: `arguments` is None where they are no JSON object."""

    name: str
    arguments: JsonObject | None

    @classmethod
    def read(cls, call: Call) -> Called:
        """Read a call; a function without arguments may be called with nothing."""
        return cls(
            call.name, json_text.whole_object(call.arguments) if call.arguments.strip() else {}
        )

    def plain(self) -> JsonObject:
        """Return it as known answers are written."""
        return {"tool": self.name, "arguments": self.arguments}


def read_all(answer: Answer) -> tuple[Called, ...]:
    """Return the calls of an answer."""
    return tuple(map(Called.read, answer.calls))


def form_parts(called: Sequence[Called], tools: Collection[Tool]) -> dict[str, bool]:
    """Say whether all tools are known, and whether the calls of those obey their schemas."""
    known = {tool.name: tool for tool in tools}
    return {
        "known_tool": all(call.name in known for call in called),
        "schema_valid": all(
            call.arguments is not None
            and (call.name not in known or known[call.name].accepts(call.arguments))
            for call in called
        ),
    }


def content_parts(found: Sequence[JsonObject], wanted: Sequence[JsonObject]) -> dict[str, bool]:
    """Say whether the right tools were called, and apart from it, with the right arguments."""
    return {
        "right_tool": sorted(str(call["tool"]) for call in found)
        == sorted(str(call["tool"]) for call in wanted),
        "right_arguments": same_in_any_order(
            [call["arguments"] for call in found], [call["arguments"] for call in wanted]
        ),
    }


def broken(answer: Answer, called: Sequence[Called]) -> Invalid | None:
    """Return why calls cannot be read, where one of them holds no JSON."""
    if all(call.arguments is not None for call in called):
        return None
    return Invalid("truncated" if is_cut(answer) else "unparsable")


def called_in_text(answer: Answer, names: Collection[str]) -> bool:
    """Say whether a call stands in the text: in a model's own marks, as JSON, or as code."""
    text = without_thought(answer)
    if _MARKS_OF_CALLS.search(text):
        return True
    if any(map(_is_call, json_text.outermost(text, "{", in_broken=True))):
        return True
    named = "|".join(map(re.escape, sorted(names)))
    as_code = rf"^(?:[^\S\n]|[\[`])*(?:{named})\((?=[^()\n]*\))[^()\n]*?[=:\d\"']"
    return bool(names) and re.search(as_code, text, re.MULTILINE) is not None


def _is_call(value: JsonObject) -> bool:
    inner = value.get("function", value.get("tool_calls", value.get("calls")))
    if isinstance(inner, list):
        return any(isinstance(each, dict) and _is_call(each) for each in inner)
    if isinstance(inner, dict):
        return _is_call(inner)
    named = any(isinstance(value.get(key), str) for key in _NAME_KEYS)
    return named and any(key in value for key in _ARGUMENT_KEYS)


@final
@dataclass(frozen=True, slots=True)
class ToolScorer:
    """The calls that are wanted, in any order; or none, and what is to be said instead.

    `said` is `no tool` or `missing: NAME`; empty where calls are wanted.
    """

    tools: tuple[Tool, ...]
    wanted: tuple[tuple[str, Mapping[str, object]], ...] = ()
    said: str = ""

    def mark(self, answer: Answer) -> Mark:
        """Right if exactly the wanted calls were made, or none and the right thing said."""
        called = read_all(answer)
        found = [call.plain() for call in called]
        wanted: list[JsonObject] = [
            {"tool": name, "arguments": dict(given)} for name, given in self.wanted
        ]
        in_text = called_in_text(answer, {tool.name for tool in self.tools})
        parts = {"through_api": not in_text}
        if called:
            parts |= form_parts(called, self.tools)
        if wanted:
            parts |= content_parts(found, wanted)
        else:
            parts["called_nothing"] = not called and not in_text
        if called:
            shown = json.dumps(found)
            right = same_in_any_order(found, wanted)
            # Of calls that were cut off the last ones may be missing.
            outcome = broken(answer, called) or outcome_of(answer, shown, right=right, bare=True)
            return Mark(outcome, {"strict": shown, "flexible": shown}, parts)
        strict, flexible = self._read(finished_part(answer))
        if self.said.startswith("missing"):
            parts["asked_for_it"] = flexible == self.said
        if in_text and not is_cut(answer):
            said = {"strict": strict, "flexible": without_thought(answer)}
            return Mark(Invalid("call_as_text"), said, parts)
        right = bool(self.said) and flexible == self.said and not in_text
        return mark_of(answer, strict, flexible, parts, right=right)

    def _read(self, text: str) -> tuple[str | None, str | None]:
        """Read what is said instead of a call: as the prompt demands it, and in a sentence."""
        bare = text.strip(" .*`\"'\n").lower()
        arguments = {name for tool in self.tools for name in tool.required}
        named = re.fullmatch(r"missing:?\s*[`\"']?([a-z]+)[`\"']?", bare)
        if bare == NO_TOOL:
            return NO_TOOL, NO_TOOL
        if named is not None and named[1] in arguments:
            return f"missing: {named[1]}", f"missing: {named[1]}"
        asked = self._asked(text, arguments)
        if asked is not None:
            return None, f"missing: {asked}"
        return None, NO_TOOL if _SAID_NO_TOOL.search(text) else None

    def _asked(self, text: str, arguments: Collection[str]) -> str | None:
        """Return the one argument that a text asks for; an id may be named beside another."""
        named: list[str] = [name.lower() for name in _SAID_MISSING.findall(text)]
        if named and named[-1] in arguments:
            return named[-1]
        if not _ASKS.search(text):
            return None
        found = {name for name in arguments if re.search(rf"\b{name}\b", text, re.IGNORECASE)}
        found -= {"id"} if len(found) > 1 else set()
        if len(found) == 1:
            return found.pop()
        expected = self.said.removeprefix("missing: ")
        if not found and re.search(rf"\b(?:{_PLAIN.get(expected, '(?!)')})\b", text, re.IGNORECASE):
            return expected
        return None
