"""What the stamps of one attempt say: every published latency, derived afterwards and named.

Token counts come from the engine's usage, never from counting events; times are the client's
stamps, and the engine's own clock stands beside them without ever taking their place. An arrival
came at its stamp or up to its spread earlier, a request left at its stamp or up to its spread
later: what is derived is never too small by more than the clock's error, and the spreads say by
how much it may be too large. Not aware of sections, percentiles or thresholds. Definitions:
docs/reference/metrics.md; other tools' conventions: `analysis.conventions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading, Source
from steelyard.domain.run import TelemetryStatus
from steelyard.domain.stream import Arrival, Attempt, Completed, Usage

Basis: TypeAlias = Literal["engine", "client"]

NS_PER_S: Final = 1e9
_GENERATED: Final = frozenset({"content", "reasoning", "tool_call"})
_PAIR: Final = 2
_WHOLE: Final = Missing("not_streamed", "the answer was asked for in one piece")
# Twice the client's own error of about half a millisecond: within it, a rate is the client's.
BURST_S: Final = 0.001


@final
@dataclass(frozen=True, slots=True)
class Window:
    """The span from the first to the last token event, and the tokens delivered within it.

    Those of the first event were there when it began and do not count.
    """

    span_s: float
    tokens: float
    source: Source


@final
@dataclass(slots=True)
class _Latest:
    """The events of the attempt that was asked about last, all of them and those of tokens.

    Unpacking columns into events is most of what analysing an attempt costs, and a dozen formulas
    ask about one attempt before they turn to the next. One attempt is kept, never more.
    """

    held: tuple[Sequence[Arrival], tuple[Arrival, ...], tuple[Arrival, ...]] = ((), (), ())

    def of(self, attempt: Attempt) -> tuple[tuple[Arrival, ...], tuple[Arrival, ...]]:
        held = self.held
        if held[0] is not attempt.arrivals:
            events = tuple(attempt.arrivals)
            held = self.held = attempt.arrivals, events, tuple(_tokens(events))
        return held[1], held[2]


_LATEST: Final = _Latest()


def events(attempt: Attempt) -> tuple[Arrival, ...]:
    """Return every event, unpacked; cheap for the attempt that was asked about last."""
    return _LATEST.of(attempt)[0]


def token_arrivals(attempt: Attempt) -> tuple[Arrival, ...]:
    """Return the events that brought generated text: an announced role or an empty piece does not.

    Thinking and tool calls are generated text as well. Cheap for the attempt asked about last.
    """
    return _LATEST.of(attempt)[1]


def _tokens(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    said = 0
    for arrival in arrivals:
        if arrival.kind in _GENERATED and arrival.text_end > said:
            said = arrival.text_end
            yield arrival


def _first_token(attempt: Attempt) -> Arrival | None:
    """Return the first token event; no more events are unpacked than come before it."""
    return next(_tokens(attempt.arrivals), None)


def telemetry_status(attempt: Attempt) -> TelemetryStatus:
    """Say what is known of one attempt: were its tokens counted, and were they timed?

    Timed means that at least one token event was stamped, and that an answer of three tokens or
    more did not come in one piece. (Two can be one piece and the end token, which has no text.)
    """
    arrivals = token_arrivals(attempt)
    counted = isinstance(attempt.usage, Measured)
    pieces = bool(arrivals) and arrivals[-1].at_ns > arrivals[0].at_ns
    tokens = attempt.usage.value.output_tokens if isinstance(attempt.usage, Measured) else 0
    timed = pieces or (bool(arrivals) and tokens <= _PAIR)
    if counted:
        return "OK" if timed else "TIMING_UNAVAILABLE"
    return "TOKEN_COUNT_UNAVAILABLE" if timed else "TOKEN_AND_TIMING_UNAVAILABLE"


def ttft_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds from sending to the first generated token of any kind."""
    if (failed := _failure(attempt)) is not None:
        return failed
    if not attempt.streamed:
        return _WHOLE
    first = _first_token(attempt)
    if first is None:
        return Missing("no_tokens", "no token arrived")
    return Measured((first.at_ns - attempt.sent_ns) / NS_PER_S, "client")


def ttfat_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds from sending to the first token of the answer or of a tool call."""
    if (failed := _failure(attempt)) is not None:
        return failed
    if not attempt.streamed:
        return _WHOLE
    answer = next((a for a in _tokens(attempt.arrivals) if a.kind != "reasoning"), None)
    if answer is None:
        return Missing("no_answer_token", "nothing but thinking arrived, or nothing at all")
    return Measured((answer.at_ns - attempt.sent_ns) / NS_PER_S, "client")


def e2e_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds from sending to the end of the response."""
    if (failed := _failure(attempt)) is not None:
        return failed
    return Measured((attempt.done_ns - attempt.sent_ns) / NS_PER_S, "client")


def ttft_intended_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds from when the load wanted it sent to the first generated token."""
    return _from_intended(attempt, ttft_s(attempt))


def e2e_intended_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds from when the load wanted it sent to the end of the response."""
    return _from_intended(attempt, e2e_s(attempt))


def lateness_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds by which the request was sent later than the load wanted it."""
    return Measured((attempt.sent_ns - attempt.intended_ns) / NS_PER_S, "client")


def ttft_spread_s(attempt: Attempt) -> Reading[float]:
    """Return by how many seconds the TTFT may be too large: the write's and the token's spread."""
    if (failed := _failure(attempt)) is not None:
        return failed
    first = _first_token(attempt)
    if first is None:
        return Missing("no_tokens", "no token arrived")
    return Measured((attempt.send_spread_ns + first.spread_ns) / NS_PER_S, "client")


def gap_bounds_s(attempt: Attempt) -> tuple[tuple[float, float, float], ...]:
    """Return each gap as (least, value, most) in seconds: what the spreads of both ends allow."""
    if _failure(attempt) is not None:
        return ()
    return tuple(
        (
            max(0, after.at_ns - after.spread_ns - before.at_ns) / NS_PER_S,
            (after.at_ns - before.at_ns) / NS_PER_S,
            (after.at_ns - before.at_ns + before.spread_ns) / NS_PER_S,
        )
        for before, after in pairwise(token_arrivals(attempt))
    )


def gaps_s(attempt: Attempt) -> tuple[float, ...]:
    """Return the gaps between neighbouring token events, in seconds; none for a failed attempt.

    Events that one read brought share a stamp: the gap between them is a true zero.
    """
    if _failure(attempt) is not None:
        return ()
    arrivals = token_arrivals(attempt)
    return tuple((after.at_ns - before.at_ns) / NS_PER_S for before, after in pairwise(arrivals))


def window(attempt: Attempt) -> Reading[Window]:
    """Return span and tokens between the first and the last token event.

    Where every token was an event of its own, the tokens are exact. Where events carried several,
    those of the first one are estimated by its share of the text.
    """
    usage = _counted(attempt)
    if isinstance(usage, Missing):
        return usage
    arrivals = token_arrivals(attempt)
    if _hidden(usage, arrivals):
        return Missing("reasoning_hidden", "thinking tokens were counted and never sent")
    tokens = usage.output_tokens
    span_s = (arrivals[-1].at_ns - arrivals[0].at_ns) / NS_PER_S
    if tokens < _PAIR or span_s <= 0:
        return Missing("single_token", "a rate takes tokens at two moments")
    if span_s < BURST_S:
        return Missing("burst", f"all {tokens} tokens came within {span_s * 1e3:.2f} ms")
    if len(arrivals) >= tokens - 1:  # the end token is counted and has no text
        return Measured(Window(span_s, min(tokens, len(arrivals)) - 1, "derived"), "derived")
    late = tokens * (1 - arrivals[0].text_end / arrivals[-1].text_end)
    return Measured(Window(span_s, late, "estimated"), "estimated")


def tpot_s(attempt: Attempt) -> Reading[float]:
    """Return the seconds per output token after the first event."""
    found = window(attempt)
    if isinstance(found, Missing):
        return found
    return Measured(found.value.span_s / found.value.tokens, found.source)


def output_tps(attempt: Attempt) -> Reading[float]:
    """Return the output tokens per second after the first event."""
    found = window(attempt)
    if isinstance(found, Missing):
        return found
    return Measured(found.value.tokens / found.value.span_s, found.source)


def prompt_tps(attempt: Attempt) -> Reading[float]:
    """Return the prompt tokens not taken from a cache per second of the engine's own prefill."""
    usage = _counted(attempt)
    if isinstance(usage, Missing):
        return usage
    if isinstance(attempt.timings, Missing):
        return attempt.timings
    seconds, tokens = attempt.timings.value.prefill_s, attempt.timings.value.prompt_tokens
    if isinstance(seconds, Missing):
        return seconds
    if isinstance(tokens, Missing):
        return tokens
    if seconds.value <= 0 or tokens.value <= 0:
        return Missing("no_prefill", "the engine took the whole prompt from its cache")
    return Measured(tokens.value / seconds.value, "engine")


def ttft_prompt_tps(attempt: Attempt) -> Reading[float]:
    """Return all prompt tokens over the TTFT: a lower bound of prefill, with queue and wire in."""
    usage = _counted(attempt)
    if isinstance(usage, Missing):
        return usage
    waited_ns = token_arrivals(attempt)[0].at_ns - attempt.sent_ns
    return Measured(usage.prompt_tokens / waited_ns * NS_PER_S, "derived")


def engine_s(attempt: Attempt) -> Reading[float]:
    """Return the engine's own word on prefill and decoding together, in seconds."""
    if isinstance(attempt.timings, Missing):
        return attempt.timings
    prefill, decode = attempt.timings.value.prefill_s, attempt.timings.value.decode_s
    if isinstance(prefill, Missing):
        return prefill
    if isinstance(decode, Missing):
        return decode
    return Measured(prefill.value + decode.value, "engine")


def busy_interval(attempt: Attempt) -> tuple[int, int, Basis]:
    """Return when the engine worked on this request, in ns of the client's clock, and who says so.

    The engine tells how long, not when: its time is laid so that it ends with the last token and
    never reaches out of the request. Without its word the whole request counts.
    """
    took = engine_s(attempt)
    if isinstance(took, Missing):
        return attempt.sent_ns, attempt.done_ns, "client"
    arrivals = token_arrivals(attempt)
    end = arrivals[-1].at_ns if arrivals else attempt.done_ns
    return max(attempt.sent_ns, end - round(took.value * NS_PER_S)), end, "engine"


def union_ns(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the total length of a union of intervals."""
    total, reached = 0, None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        total += max(0, end - begin)
        reached = end if reached is None else max(reached, end)
    return total


def _from_intended(attempt: Attempt, from_sent: Reading[float]) -> Reading[float]:
    if isinstance(from_sent, Missing):
        return from_sent
    late_s = (attempt.sent_ns - attempt.intended_ns) / NS_PER_S
    return Measured(from_sent.value + late_s, "client")


def _failure(attempt: Attempt) -> Missing | None:
    if isinstance(attempt.outcome, Completed):
        return None
    return Missing(
        "request_failed", f"{attempt.outcome.why}: {attempt.outcome.detail}".removesuffix(": ")
    )


def _counted(attempt: Attempt) -> Usage | Missing:
    """Return the token counts, or refuse where telemetry is not whole (row A4)."""
    if (failed := _failure(attempt)) is not None:
        return failed
    status = telemetry_status(attempt)
    if isinstance(attempt.usage, Missing) or status != "OK":
        return Missing(status.lower(), "tokens were not both counted and timed")
    return attempt.usage.value


def _hidden(usage: Usage, arrivals: Iterable[Arrival]) -> bool:
    """Say whether the engine counted thinking that it did not send."""
    thought = usage.reasoning_tokens
    counted = isinstance(thought, Measured) and thought.value > 0
    return counted and all(arrival.kind != "reasoning" for arrival in arrivals)
