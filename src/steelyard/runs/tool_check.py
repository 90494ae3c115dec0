"""Whether tools reach the model: found out once, before any item that needs them is asked.

A server without a place for tools says so, or drops them in silence: then it counts just as many
prompt tokens with them as without, and whatever the model answered would be no answer to the item.
Neither is the model's doing. Not aware of items or marks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt, Failed
from steelyard.domain.task import Ask
from steelyard.domain.workload import GenerationRequest
from steelyard.runs.bench import Bench, Key

NO_TOOLS: Final = "no_tools"
IGNORED: Final = "tools_ignored"
_SECTION: Final = "tool_check"
_TOKENS: Final = 4


def barrier(bench: Bench, ask: Ask) -> str:
    """Return what keeps the tools of a question from the model, as a code; empty for nothing.

    Whether they came through cannot be told of a server that counts no tokens: it is believed.
    """
    if not bench.dialect.capabilities.tool_calls:
        return NO_TOOLS
    with_tools = GenerationRequest(
        messages=ask.messages,
        max_tokens=_TOKENS,
        tools=ask.tools,
        reuse_prefix=bench.spec.controls.reuse_prefix,
        sampling=bench.spec.controls.sampling,
    )
    shown = _asked(bench, with_tools, "with")
    if isinstance(shown.outcome, Failed):
        # Any other failure is for the items to meet: it may pass.
        return NO_TOOLS if shown.outcome.why == NO_TOOLS else ""
    bare = _asked(bench, replace(with_tools, tools=()), "without")
    if isinstance(bare.usage, Measured) and isinstance(shown.usage, Measured):
        counts = {a.value.prompt_tokens for a in (bare.usage, shown.usage)}
        # Some count what their cache did not have: of a prompt seen before that is next to nothing.
        words = sum(len(turn.content.split()) for turn in ask.messages)
        return IGNORED if len(counts) == 1 and min(counts) * 2 > words else ""
    return ""


def _asked(bench: Bench, request: GenerationRequest, name: str) -> Attempt:
    bench.client.set_streams(1)
    bench.submit(Key(_SECTION, 0, name), request)
    (exchange,) = list(bench.results())
    return bench.told(exchange)
