"""From a stamped exchange to an attempt: what was said, when, and whether it came whole.

Done after the run. Each event gets the arrival of the read that completed it; several events of
one read share it. Thinking between `<think>` and `</think>` inside the content is told apart from
the answer. `text_end` counts the characters generated so far, thinking and tags included. Not
aware of sockets, clocks, or which engine it was.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never, final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import (
    Arrival,
    ArrivalKind,
    Attempt,
    Completed,
    Content,
    EngineTimings,
    Exchange,
    Failed,
    Finished,
    Reasoning,
    RoleStarted,
    StreamEvent,
    StreamFailed,
    ToolCall,
    Usage,
)
from steelyard.engines.api import Dialect
from steelyard.engines.wires import openai, sse

_OK: Final = 200
_DONE: Final = "[DONE]"
_OPEN, _CLOSE = "<think>", "</think>"
_DETAIL_MAX: Final = 500
_BY_STATUS: Final = {429: "overloaded", 503: "overloaded"}


def read(
    exchange: Exchange,
    dialect: Dialect,
    *,
    sample: str,
    ask: int = 0,
    tries: int = 0,
    prompt_tokens_wanted: int | None = None,
) -> Attempt:
    """Read one exchange by the engine's dialect."""
    story = _Story()
    if exchange.status == _OK:
        _follow(story, exchange, dialect)
    text, reasoning = story.told()
    return Attempt(
        sample=sample,
        intended_ns=exchange.intended_ns,
        sent_ns=exchange.sent_ns,
        done_ns=exchange.done_ns,
        arrivals=tuple(story.arrivals()),
        text=text,
        reasoning=reasoning,
        finish_reason=story.finish_reason,
        usage=story.usage,
        timings=story.timings,
        outcome=_outcome(exchange, story),
        ask=ask,
        tries=tries,
        model=story.model,
        prompt_tokens_wanted=prompt_tokens_wanted,
    )


@final
@dataclass(slots=True)
class _Story:
    """What has been heard so far; `heard` keeps what each event brought and when."""

    heard: list[tuple[int, ArrivalKind, str]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Reading[Usage] = Missing("not_reported", "the engine sent no token counts")
    timings: Reading[EngineTimings] = Missing("not_reported", "the engine sent no timings")
    model: str | None = None
    error: str | None = None
    nonsense: bool = False

    def take(self, at_ns: int, event: StreamEvent) -> None:
        match event:
            case RoleStarted():
                self.heard.append((at_ns, "role", ""))
            case Content(text=text):
                self.heard.append((at_ns, "content", text))
            case Reasoning(text=text):
                self.heard.append((at_ns, "reasoning", text))
            case ToolCall(name=name, arguments=arguments):
                self.heard.append((at_ns, "tool_call", name + arguments))
            case Usage():
                self.heard.append((at_ns, "usage", ""))
                self.usage = Measured(event, source="engine")
            case EngineTimings():
                self.heard.append((at_ns, "timings", ""))
                self.timings = Measured(event, source="engine")
            case Finished(reason=reason):
                self.heard.append((at_ns, "finish", ""))
                self.finish_reason = reason
            case StreamFailed(message=message):
                self.fail(at_ns, message)
            case _:
                assert_never(event)

    def fail(self, at_ns: int, words: str) -> None:
        self.heard.append((at_ns, "error", ""))
        self.error = self.error or words

    def told(self) -> tuple[str, str]:
        """Return the answer and the thinking."""
        content = "".join(text for _, kind, text in self.heard if kind == "content")
        apart = "".join(text for _, kind, text in self.heard if kind == "reasoning")
        start, end = _thinking(content)
        return content[end:], apart + content[start:end].rstrip().removesuffix(_CLOSE).strip()

    def arrivals(self) -> Iterator[Arrival]:
        """Yield one per event; content that lies within the thinking is reasoning."""
        content = "".join(text for _, kind, text in self.heard if kind == "content")
        _, thinking_end = _thinking(content)
        said = generated = 0
        for at_ns, kind, text in self.heard:
            generated += len(text)
            if kind == "content":
                said += len(text)
            thinking = kind == "content" and said <= thinking_end
            yield Arrival(at_ns, "reasoning" if thinking else kind, generated)


def _thinking(content: str) -> tuple[int, int]:
    """Return where thinking begins and ends within the content; it may never have been closed.

    A template may have opened it already in the prompt: then only the closing tag is seen. White
    space behind the closing tag belongs to it.
    """
    lead = len(content) - len(content.lstrip())
    opened = content.startswith(_OPEN, lead)
    close = content.find(_CLOSE)
    if close < 0:
        return (lead + len(_OPEN), len(content)) if opened else (0, 0)
    end = close + len(_CLOSE)
    end += len(content[end:]) - len(content[end:].lstrip())
    return (lead + len(_OPEN) if opened else 0), end


def _follow(story: _Story, exchange: Exchange, dialect: Dialect) -> None:
    for at_ns, data in _messages(exchange):
        try:
            for event in dialect.decode(data):
                story.take(at_ns, event)
            story.model = story.model or dialect.named_model(data)
        except DialectError as error:
            story.fail(at_ns, str(error))
            story.nonsense = not _is_json(data)
            return


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _messages(exchange: Exchange) -> Iterator[tuple[int, str]]:
    body = exchange.body
    if body.lstrip()[:1] == b"{":  # one object, not streamed
        if exchange.failure is None:
            yield exchange.arrivals_ns[-1], body.decode(errors="replace")
        return
    for message in sse.messages(body):
        if message.data != _DONE:
            read_number = bisect_left(exchange.ends, message.end)
            # An event of the type `error` carries the error itself, without an object around it.
            failed = message.event == "error"
            data = f'{{"error": {message.data}}}' if failed else message.data
            yield exchange.arrivals_ns[read_number], data


def _outcome(exchange: Exchange, story: _Story) -> Completed | Failed:
    if exchange.failure is not None and exchange.status in (0, _OK) and story.error is None:
        return Failed(exchange.failure, f"after {len(exchange.body)} bytes of the answer")
    if exchange.status != _OK:
        return _http_failure(exchange)
    if story.error is not None:
        otherwise = "malformed_stream" if story.nonsense else "error_in_stream"
        return Failed(
            openai.failure_code(story.error, otherwise=otherwise), story.error[:_DETAIL_MAX]
        )
    if story.finish_reason is None:
        return Failed("truncated_stream", "the answer ended without a reason to finish")
    if not _generated(story):
        return Failed("zero_tokens", "the engine finished without a single token")
    return Completed()


def _generated(story: _Story) -> bool:
    match story.usage:
        case Measured(value=Usage(output_tokens=count)):
            return count > 0
        case Missing():
            return any(text for _, _, text in story.heard)
        case _:
            assert_never(story.usage)


def _http_failure(exchange: Exchange) -> Failed:
    body = exchange.body.decode(errors="replace").strip()
    otherwise = _BY_STATUS.get(exchange.status, f"http_{exchange.status}")
    try:
        openai.parse(body)
    except DialectError as error:
        words = str(error) if body.startswith("{") else body
    else:
        words = body
    detail = f"HTTP {exchange.status}: {words[:_DETAIL_MAX]}"
    return Failed(openai.failure_code(words, otherwise=otherwise), detail)
