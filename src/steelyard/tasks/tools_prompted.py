"""Tool calling in prompt-only mode: the catalogue stands in the prompt, the call is JSON text.

This is not an engine's native tools API: what it measures is reading a catalogue and writing a
call by a stated schema. Catalogues are full of near-duplicates: other things to do to the same
object, the same thing done to another one. Kinds: one tool only, one out of several, several
calls at once, no tool that fits, a required argument that the request does not give. Levels 1 to
4 show up to 4, 8, 24 and 64 tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Final, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks import json_text
from steelyard.tasks.items import Cluster, Draft, alone
from steelyard.tasks.tool_catalogue import KINDS, Tool, wish
from steelyard.tasks.values import JsonObject, json_mark, same_in_any_order

_DEMAND: Final = (
    'Reply with one JSON object only: {"calls": [{"tool": TOOL, "arguments": {NAME: VALUE}}]}, '
    "with one call for each thing that is asked for and without arguments that the request does "
    'not give. If no tool does exactly what is asked, reply {"calls": []}. If a required argument '
    'is not given, reply {"calls": [], "missing": [NAME]}.'
)
_TOKENS_A_CALL: Final = 64


@final
@dataclass(frozen=True, slots=True)
class CallScorer:
    """Calls by the stated schema, compared without regard to their order."""

    tools: tuple[Tool, ...]
    expected: str

    def mark(self, answer: Answer) -> Mark:
        """Right if the calls are valid, of the right tools and with the right arguments."""
        wanted = json_text.whole_object(self.expected) or {}

        def held(found: JsonObject | None) -> dict[str, bool]:
            return {
                "schema_valid": found is not None and self._valid(found),
                "right_tool": found is not None and _tools(found) == _tools(wanted),
                "right_arguments": found is not None and _same(found, wanted),
            }

        return json_mark(answer, lambda found: all(held(found).values()), held)

    def _valid(self, found: JsonObject) -> bool:
        calls, missing = found.get("calls"), found.get("missing", [])
        if not found.keys() <= {"calls", "missing"} or not isinstance(calls, list):
            return False
        if not isinstance(missing, list) or not all(isinstance(name, str) for name in missing):
            return False
        known = {tool.name: tool for tool in self.tools}
        return all(
            isinstance(call, dict)
            and call.keys() == {"tool", "arguments"}
            and isinstance(call["tool"], str)
            and call["tool"] in known
            and known[call["tool"]].accepts(call["arguments"])
            for call in calls
        )


def _calls(found: JsonObject) -> list[dict[str, object]]:
    calls = found.get("calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _tools(found: JsonObject) -> list[str]:
    return sorted(str(call.get("tool")) for call in _calls(found))


def _same(found: JsonObject, wanted: JsonObject) -> bool:
    """Say whether each wanted call is there with its arguments, and what is missing is named."""
    return same_in_any_order(_calls(found), _calls(wanted)) and found.get(
        "missing", []
    ) == wanted.get("missing", [])


def _draft(rng: Random, kind: str, level: int) -> Draft:
    drawn = wish(rng, kind, level)
    calls: list[object] = [{"tool": tool.name, "arguments": given} for tool, given in drawn.calls]
    answer: dict[str, list[object]] = {"calls": calls}
    if drawn.missing:
        answer["missing"] = [drawn.missing]
    shown = "\n".join(tool.line for tool in drawn.tools)
    expected = json.dumps(answer)
    return Draft(
        kind,
        (shown, drawn.request),
        f"You can use these tools:\n{shown}\n\n{_DEMAND}\n\nRequest: {drawn.request}",
        expected,
        _TOKENS_A_CALL * (drawn.asked + 1),
        CallScorer(drawn.tools, expected),
    )


@final
class ToolsPrompted:
    """The family behind `tools_prompted`."""

    name: Final = "tools_prompted"
    revision: Final = 2
    levels: Final = (1, 2, 3, 4)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return what a request is like, the same at every level."""
        return KINDS

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one catalogue and one request."""
        return alone(_draft(rng, kind, level))
