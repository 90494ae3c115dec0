"""What crosses the wire: raw stamped exchanges, and the events read out of them afterwards.

All times are integer nanoseconds of the system-wide monotonic clock. Not aware of sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, final

from steelyard.domain.arrivals import Arrival as Arrival  # noqa: PLC0414 - a word of this file too
from steelyard.domain.arrivals import ArrivalKind as ArrivalKind  # noqa: PLC0414
from steelyard.domain.arrivals import Arrivals, Columns
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.task import Answer, Call

# Whose clock stamps an arrival: the kernel's, when the last byte came off the network; or our own,
# when the read returned.
Stamps: TypeAlias = Literal["kernel", "user"]


@final
@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it happened: stamped on arrival, before any parsing.

    `body` is the response body with HTTP framing removed; the first `ends[i]` bytes of it had
    arrived at `arrivals_ns[i]`, by the clock that `stamps` names. A read took up what had come
    between `drained_ns[i]`, when the socket was last known to be empty, and its own stamp.
    `intended_ns` is when the load shape wanted it sent; its last byte was handed to the kernel
    between `sent_ns` and `handed_ns`. `segments` counts the pieces in which the network delivered
    the answer (0: not known): where there were no more of them than reads, no read took up two.
    `failure` says why it broke off. `reconnects` counts how often it was sent again since a
    connection kept alive turned out to have been closed before any byte of the answer; `sent_ns` is
    then that of the first try, where the wait began, and `handed_ns` that of the last. `late_ns`
    is the longest that anything had lain there before it was read. `encoding` and `location` are
    the headers of those names (Content-Encoding, Location).
    """

    id: str
    intended_ns: int
    sent_ns: int
    done_ns: int
    status: int
    arrivals_ns: Sequence[int]
    ends: Sequence[int]
    body: bytes
    failure: str | None = None
    reconnects: int = 0
    stamps: Stamps = "user"
    drained_ns: Sequence[int] = ()
    handed_ns: int = 0
    segments: int = 0
    late_ns: int = 0
    encoding: str = ""
    location: str = ""


@final
@dataclass(frozen=True, slots=True)
class RoleStarted:
    """The engine announced an answer; nothing is generated yet."""


@final
@dataclass(frozen=True, slots=True)
class Content:
    """Answer text; `tokens` where the engine says how many tokens it carries."""

    text: str
    tokens: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking text, apart from the answer."""

    text: str


@final
@dataclass(frozen=True, slots=True)
class ToolCall:
    """A piece of a tool call: those of one `index` are one call, and its `id` is in one of them."""

    index: int
    name: str
    arguments: str
    id: str = ""


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts by the engine's own word, and what it bills for them, in US dollars."""

    prompt_tokens: int
    output_tokens: int
    cached_tokens: Reading[int] = Missing("not_reported")
    reasoning_tokens: Reading[int] = Missing("not_reported")
    cost: Reading[float] = Missing("not_reported")


@final
@dataclass(frozen=True, slots=True)
class EngineTimings:
    """The engine's own clock, in seconds; kept beside the client's and never put in its place.

    With a draft model, `draft_tokens` were guessed for this answer, `accepted_tokens` of them kept.
    `load_ns` is how long the model was loaded for this request, by a server that loads on demand.
    """

    prefill_s: Reading[float]
    decode_s: Reading[float]
    prompt_tokens: Reading[int]
    cached_tokens: Reading[int]
    output_tokens: Reading[int] = Missing("not_reported")
    draft_tokens: Reading[int] = Missing("no_draft")
    accepted_tokens: Reading[int] = Missing("no_draft")
    load_ns: Reading[int] = Missing("not_reported")


@final
@dataclass(frozen=True, slots=True)
class Account:
    """What a hosted service says of one answer afterwards: who gave it, how long, for how much.

    Its own words, kept beside what the client saw and never put in its place. Token counts are the
    provider's native ones; `latency_s` and `generation_s` are what the service calls so; money in
    US dollars, `upstream_usd` is what the provider charged the service.
    """

    provider: Reading[str]
    prompt_tokens: Reading[int]
    output_tokens: Reading[int]
    reasoning_tokens: Reading[int]
    cached_tokens: Reading[int]
    latency_s: Reading[float]
    generation_s: Reading[float]
    cost_usd: Reading[float]
    upstream_usd: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """Why generation ended: `stop`, `length`, `tool_calls` …"""

    reason: str


@final
@dataclass(frozen=True, slots=True)
class StreamFailed:
    """The engine reported an error inside an otherwise good response."""

    message: str


StreamEvent: TypeAlias = (
    RoleStarted | Content | Reasoning | ToolCall | Usage | EngineTimings | Finished | StreamFailed
)


@final
@dataclass(frozen=True, slots=True)
class Completed:
    """The response came whole."""

    kind: Literal["completed"] = "completed"


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """Ours or the engine's doing; `why` is a stable code, `detail` the words that came with it."""

    why: str
    detail: str = ""
    kind: Literal["failed"] = "failed"


@final
@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one sample, read out of its exchange by the engine's dialect.

    `sample` is the item or request; `ask` counts the questions of a multi-turn item from 0;
    `tries` counts from 0. `model` is the name the server put into its answer. `late_ns` and
    `send_spread_ns` are the client's own share: how long an arrival lay unread at the longest, and
    how long the last write took, within which the sending lies. `reconnects` is its exchange's.
    `answer_id` is by what the service knows the answer, `account` what it says of it afterwards.
    `calls` are the tools called through the tools API. `streamed` is false where the answer was
    asked for in one piece: then no moment of its first token can be known.
    """

    sample: str
    intended_ns: int
    sent_ns: int
    done_ns: int
    arrivals: Annotated[Sequence[Arrival], Columns]
    text: str
    reasoning: str
    finish_reason: str | None
    usage: Reading[Usage]
    timings: Reading[EngineTimings]
    outcome: Completed | Failed
    ask: int = 0
    tries: int = 0
    model: str | None = None
    prompt_tokens_wanted: int | None = None
    cost: Reading[float] = Missing("not_priced", "a local engine bills nothing")
    stamps: Stamps = "user"
    late_ns: int = 0
    send_spread_ns: int = 0
    reconnects: int = 0
    answer_id: str | None = None
    account: Reading[Account] = Missing("no_account", "no service was asked for an account of it")
    calls: tuple[Call, ...] = ()
    streamed: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrivals", Arrivals.of(self.arrivals))

    @property
    def answer(self) -> Answer:
        """What it brought back, as items and judges take it: thinking in its own field is in it."""
        return Answer(self.text, self.finish_reason, self.reasoning, self.calls)
