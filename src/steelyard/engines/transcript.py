"""From a stamped exchange to an attempt: what was said, when, and whether it came whole.

Done after the run. Each event gets the arrival of the read that completed it; several events of
one read share it, and those that it may have waited for say how much earlier they may have come.
Thinking between marks inside the content (`domain.thought`) is told apart from the answer.
`text_end` counts the characters generated so far, thinking and tags included. A server's words
about an error may repeat the key that it was sent: they are covered before they are cut and kept,
what the model said is not. Not aware of sockets, clocks, keys, or which engine it was.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never, final

from steelyard.domain import thought
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
from steelyard.domain.task import Call
from steelyard.engines.api import Dialect, KeepsAccounts
from steelyard.engines.wires import openai, sse

_OK: Final = 200
_DONE: Final = "[DONE]"
_DETAIL_MAX: Final = 500
_FILTERED: Final = "content_filter"
_BOM: Final = b"\xef\xbb\xbf"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CUT_SHARE: Final = 0.2
_CUT_TOKENS: Final = 32
_BY_STATUS: Final = {
    401: "not_allowed",
    402: "quota",
    403: "not_allowed",
    407: "proxy_wants_login",
    429: "overloaded",
    502: "bad_gateway",
    503: "overloaded",
    504: "gateway_timeout",
}


def read(
    exchange: Exchange,
    dialect: Dialect,
    *,
    sample: str,
    ask: int = 0,
    tries: int = 0,
    prompt_tokens_wanted: int | None = None,
    cover: Callable[[str], str] = str,
) -> Attempt:
    """Read one exchange by the engine's dialect; `cover` hides secrets in a server's words."""
    story = _Story(cover)
    if exchange.status == _OK and not exchange.encoding:
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
        outcome=_outcome(exchange, story, cover, prompt_tokens_wanted),
        cost=_cost(story.usage),
        ask=ask,
        tries=tries,
        model=story.model,
        prompt_tokens_wanted=prompt_tokens_wanted,
        stamps=exchange.stamps,
        late_ns=exchange.late_ns,
        send_spread_ns=max(0, exchange.handed_ns - exchange.sent_ns) if exchange.handed_ns else 0,
        reconnects=exchange.reconnects,
        answer_id=story.answer_id,
        calls=story.calls(),
    )


@final
@dataclass(frozen=True, slots=True)
class _When:
    """The stamp of an event, and how much earlier it may have come."""

    at_ns: int
    spread_ns: int = 0


@final
@dataclass(slots=True)
class _Story:
    """What has been heard so far; `heard` keeps what each event brought and when."""

    cover: Callable[[str], str]
    heard: list[tuple[_When, ArrivalKind, str]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Reading[Usage] = Missing("not_reported", "the engine sent no token counts")
    timings: Reading[EngineTimings] = Missing("not_reported", "the engine sent no timings")
    model: str | None = None
    answer_id: str | None = None
    pieces: dict[int, list[ToolCall]] = field(default_factory=dict)
    error: str | None = None
    nonsense: bool = False

    def take(self, when: _When, event: StreamEvent) -> None:
        match event:
            case RoleStarted():
                self.heard.append((when, "role", ""))
            case Content(text=text):
                self.heard.append((when, "content", text))
            case Reasoning(text=text):
                self.heard.append((when, "reasoning", text))
            case ToolCall(name=name, arguments=arguments):
                self.heard.append((when, "tool_call", name + arguments))
                self.pieces.setdefault(event.index, []).append(event)
            case Usage():
                self.heard.append((when, "usage", ""))
                self.usage = Measured(event, source="engine")
            case EngineTimings():
                self.heard.append((when, "timings", ""))
                self.timings = Measured(event, source="engine")
            case Finished(reason=reason):
                self.heard.append((when, "finish", ""))
                self.finish_reason = reason
            case StreamFailed(message=message):
                self.fail(when, message)
            case _:
                assert_never(event)

    def fail(self, when: _When, words: str) -> None:
        self.heard.append((when, "error", ""))
        self.error = self.error or self.cover(words)

    def told(self) -> tuple[str, str]:
        """Return the answer and the thinking."""
        content, apart = self._all("content"), self._all("reasoning")
        within = thought.leading(content, bare=not apart)
        return _whole(content[within.end :]), _whole(apart + within.text)

    def calls(self) -> tuple[Call, ...]:
        """Put the pieces of each tool call together, in the order of their numbers."""
        every = (call for _, pieces in sorted(self.pieces.items()) for call in _apart(pieces))
        return tuple(map(_call, every))

    def arrivals(self) -> Iterator[Arrival]:
        """Yield one per event; content that lies within the thinking is reasoning."""
        within = thought.leading(self._all("content"), bare=not self._all("reasoning"))
        said = generated = 0
        for when, kind, text in self.heard:
            generated += len(text)
            if kind == "content":
                said += len(text)
            thinking = kind == "content" and said <= within.end
            yield Arrival(when.at_ns, "reasoning" if thinking else kind, generated, when.spread_ns)

    def _all(self, wanted: ArrivalKind) -> str:
        return "".join(text for _, kind, text in self.heard if kind == wanted)


def _apart(pieces: Sequence[ToolCall]) -> list[list[ToolCall]]:
    """Tell calls apart that a server sent under one number: each has another id, or is whole."""
    found: list[list[ToolCall]] = []
    for piece in pieces:
        so_far = _call(found[-1]) if found else None
        other = so_far is not None and piece.id and so_far.id and piece.id != so_far.id
        anew = (
            so_far is not None
            and piece.name
            and piece.arguments.startswith("{")
            and isinstance(_parsed(so_far.arguments), dict)
        )
        if so_far is None or other or anew:
            found.append([])
        found[-1].append(piece)
    return found


def _call(pieces: Sequence[ToolCall]) -> Call:
    """Join one call; a server that repeats name or id with every piece says them once."""
    return Call(
        next((piece.name for piece in pieces if piece.name), ""),
        "".join(piece.arguments for piece in pieces),
        next((piece.id for piece in pieces if piece.id), ""),
    )


def _whole(text: str) -> str:
    """Join the halves of characters that an engine cut between two events."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _follow(story: _Story, exchange: Exchange, dialect: Dialect) -> None:
    messages = _lines(exchange) if dialect.framing == "ndjson" else _messages(exchange)
    keeps = dialect if isinstance(dialect, KeepsAccounts) else None
    for when, data in messages:
        try:
            for event in dialect.decode(data):
                story.take(when, event)
            story.model = story.model or dialect.named_model(data)
            if keeps is not None and story.answer_id is None:
                story.answer_id = keeps.answer_id(data)
        except DialectError as error:
            story.fail(when, _refusal(dialect, story.cover(data)) or str(error))
            story.nonsense = _parsed(data) is None
            return


def _refusal(dialect: Dialect, covered: str) -> str:
    """Return what is wrong with a message; its words may be cut, so it is covered before."""
    try:
        for _ in dialect.decode(covered):
            pass
        dialect.named_model(covered)
    except DialectError as error:
        return str(error)
    return ""


def _parsed(data: str) -> object:
    """Return the value of some JSON; None where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _messages(exchange: Exchange) -> Iterator[tuple[_When, str]]:
    body = exchange.body.removeprefix(_BOM)
    if body.lstrip()[:1] == b"{":  # one object, not streamed
        if exchange.failure is None:
            yield _When(exchange.arrivals_ns[-1]), body.decode(errors="replace")
        return
    for message in sse.messages(exchange.body):
        data = message.data.strip()
        if data and data != _DONE:
            yield _when(exchange, message.end), _error(data) if message.event == "error" else data


def _lines(exchange: Exchange) -> Iterator[tuple[_When, str]]:
    """Yield one object a line; a last line without an end counts only where the body is whole."""
    start, body = 0, exchange.body
    while start < len(body):
        found = body.find(b"\n", start)
        if found < 0 and exchange.failure is not None:
            return
        end = len(body) if found < 0 else found + 1
        line = body[start:end].strip()
        if line:
            yield _when(exchange, end), line.removeprefix(_BOM).decode(errors="replace")
        start = end


def _when(exchange: Exchange, end: int) -> _When:
    """Return when the event that ends with the body's byte `end` had come.

    The last event of a read made the kernel's stamp. One before it may have waited there for the
    last, unless every piece that the network delivered had a read of its own. Where the read itself
    made the stamp, even the last may have come at any moment since the socket was empty; and so it
    may where the sender had to hold back what came after the read before.
    """
    number = bisect_left(exchange.ends, end)
    at_ns = exchange.arrivals_ns[number]
    if not exchange.drained_ns:
        return _When(at_ns)
    spread_ns = max(0, at_ns - exchange.drained_ns[number])
    held = number > 0 and exchange.drained_ns[number] <= exchange.arrivals_ns[number - 1]
    if exchange.stamps == "user" or held:
        return _When(at_ns, spread_ns)
    if 0 < exchange.segments <= len(exchange.arrivals_ns):
        return _When(at_ns)
    # The event is complete with the CR of its last line end; the LF comes with it all the same.
    end += exchange.body[end - 1 : end + 1] == b"\r\n"
    if end >= exchange.ends[number]:
        return _When(at_ns)
    return _When(at_ns, spread_ns)


def _error(data: str) -> str:
    """Return an event of the type `error` as an object; some engines put none around it."""
    value = _parsed(data)
    if isinstance(value, dict) and value.get("error"):
        return data
    try:
        return json.dumps({"error": value or data})
    except RecursionError:  # what could just be read may nest too deeply to be written
        return json.dumps({"error": data})


def _cost(usage: Reading[Usage]) -> Reading[float]:
    """Return what the engine billed for this request; most bill nothing."""
    if isinstance(usage, Measured) and isinstance(usage.value.cost, Measured):
        return usage.value.cost
    return Missing("not_priced", "a local engine bills nothing")


def _cut(usage: Reading[Usage], wanted: int | None) -> Failed | None:
    """Return the failure of an answer to less of a prompt than was sent.

    Some servers drop what does not fit and say nothing of it; their count is of what was left. A
    length that is met by words may be off by a little, never by so much.
    """
    if wanted is None or isinstance(usage, Missing):
        return None
    came = usage.value.prompt_tokens
    if came >= wanted * (1 - _CUT_SHARE) - _CUT_TOKENS:
        return None
    return Failed("prompt_cut", f"of about {wanted} prompt tokens the server counted {came}")


def _outcome(
    exchange: Exchange, story: _Story, cover: Callable[[str], str], wanted: int | None
) -> Completed | Failed:
    if exchange.failure is not None and exchange.status in (0, _OK) and story.error is None:
        return Failed(exchange.failure, f"after {len(exchange.body)} bytes of the answer")
    if exchange.status in _REDIRECTS:
        return Failed("redirected", f"HTTP {exchange.status} to {cover(_host(exchange.location))}")
    if exchange.status != _OK:
        return _http_failure(exchange, cover)
    if exchange.encoding:
        packed = cover(exchange.encoding)
        return Failed("compressed_body", f"the server compressed its answer: {packed}")
    if story.error is not None:
        otherwise = "malformed_stream" if story.nonsense else "error_in_stream"
        return Failed(
            openai.failure_code(story.error, otherwise=otherwise), story.error[:_DETAIL_MAX]
        )
    if story.finish_reason == _FILTERED:
        return Failed(_FILTERED, "a filter ended the answer")
    if story.finish_reason is None:
        return _unfinished(exchange.body, cover)
    if not _generated(story):
        return Failed("zero_tokens", "the engine finished without a single token")
    return _cut(story.usage, wanted) or Completed()


def _unfinished(body: bytes, cover: Callable[[str], str]) -> Failed:
    begun = body.removeprefix(_BOM).lstrip()
    if begun[:1] in (b"<", b"["):  # a page of some proxy, or a list
        start = cover(begun.decode(errors="replace"))[:60]
        return Failed("malformed_stream", f"neither events nor an object: {start!r}")
    return Failed("truncated_stream", "the answer ended without a reason to finish")


def _host(location: str) -> str:
    """Return the host that a `Location` names; a path alone is the same host's."""
    _, found, rest = location.partition("//")
    named = rest.partition("/")[0].rpartition("@")[2] if found else location
    return named or "nowhere"


def _generated(story: _Story) -> bool:
    match story.usage:
        case Measured(value=Usage(output_tokens=count)):
            return count > 0
        case Missing():
            return any(text for _, _, text in story.heard)
        case _:
            assert_never(story.usage)


def _http_failure(exchange: Exchange, cover: Callable[[str], str]) -> Failed:
    body = cover(exchange.body.decode(errors="replace").strip())
    otherwise = _BY_STATUS.get(exchange.status, f"http_{exchange.status}")
    if exchange.encoding:
        return Failed(otherwise, f"HTTP {exchange.status}: its words are compressed")
    try:
        openai.parse(body)
    except DialectError as error:
        words = str(error) if body.startswith("{") else body
    else:
        words = body
    detail = f"HTTP {exchange.status}: {cover(words)[:_DETAIL_MAX]}"
    return Failed(openai.failure_code(words, otherwise=otherwise), detail)
