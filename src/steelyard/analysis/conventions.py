"""Other tools' words for the same stream: each published TTFT, ITL and TPOT, by its tool's name.

A convention is a formula over the stored arrivals of one attempt: the value that the tool would
have printed had it seen these events at these moments. What its own client adds (scheduling,
parsing before stamping, wall clocks) is not imitated. Where a formula needs the tokens of each
event and there were fewer events than tokens, they are estimated by their share of the text, and
the reading says `estimated`. Not aware of percentiles, sections or reports. The formulas were
read in each tool's source; docs/explanation/conventions.md has them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias, final

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Missing, Reading, Source
from steelyard.domain.stream import Arrival, Attempt, Completed

Measure: TypeAlias = Literal["ttft", "itl", "icl", "tpot"]
Values: TypeAlias = Reading[tuple[float, ...]]
Formula: TypeAlias = Callable[[Attempt], Values]

_PAIR: Final = 2
# What stands in a chunk's `choices`; the rest stands beside them and extends no latency.
_IN_CHOICES: Final = frozenset({"role", "content", "reasoning", "tool_call", "finish"})
_NO_TOKENS: Final = Missing("no_tokens", "no token arrived")
_SINGLE: Final = Missing("single_token", "a time between tokens takes two of them")


@final
@dataclass(frozen=True, slots=True)
class Convention:
    """One tool's word. The formula gives seconds: one value for each gap, or one for the request.

    `approximates` says what the arrivals cannot tell exactly; empty where nothing is lost.
    """

    tool: str
    measure: Measure
    definition: str
    formula: Formula
    approximates: str = ""

    @property
    def name(self) -> str:
        """The convention's own name: tool, measure and unit."""
        return f"{self.tool}_{self.measure}_s"


def tokens_per_event(attempt: Attempt) -> Reading[tuple[int, ...]]:
    """Return how many tokens each token event brought; together they are the engine's count.

    Exact where every token was an event of its own (the end token has no text); else each event
    gets its share of the text, rounded so that none is without a token.
    """
    counted = _counted(attempt)
    if isinstance(counted, Missing):
        return counted
    events = timing.token_arrivals(attempt)
    if not events:
        return _NO_TOKENS
    if len(events) >= counted.value - 1:
        return Measured((1,) * len(events), "derived")
    ends, before = [], 0
    for number, event in enumerate(events):
        reached = round(counted.value * event.text_end / events[-1].text_end)
        most = counted.value - (len(events) - 1 - number)
        ends.append(min(most, max(before + 1, reached)))
        before = ends[-1]
    return Measured(tuple(end - start for start, end in pairwise([0, *ends])), "estimated")


def _chunks(attempt: Attempt) -> tuple[int, ...]:
    """Return the stamps of the chunks with `choices`. A finish of the same stamp is no new one."""
    stamps: list[int] = []
    for arrival in timing.events(attempt):
        joined = arrival.kind == "finish" and stamps and stamps[-1] == arrival.at_ns
        if arrival.kind in _IN_CHOICES and not joined:
            stamps.append(arrival.at_ns)
    return tuple(stamps)


def _contents(attempt: Attempt) -> tuple[Arrival, ...]:
    return tuple(a for a in timing.token_arrivals(attempt) if a.kind == "content")


# ── time to first token ─────────────────────────────────────────────────────────────────────


def _ttft_choices(attempt: Attempt) -> Values:
    return _waited(attempt, _chunks(attempt))


def _ttft_content(attempt: Attempt) -> Values:
    return _waited(attempt, [arrival.at_ns for arrival in _contents(attempt)])


def _ttft_token(attempt: Attempt) -> Values:
    return _waited(attempt, [arrival.at_ns for arrival in timing.token_arrivals(attempt)])


def _ttft_intended(attempt: Attempt) -> Values:
    found = timing.ttft_intended_s(attempt)
    return found if isinstance(found, Missing) else Measured((found.value,), "client")


def _waited(attempt: Attempt, stamps: Sequence[int]) -> Values:
    if (failed := _failure(attempt)) is not None:
        return failed
    if not stamps:
        return _NO_TOKENS
    return _seconds([stamps[0] - attempt.sent_ns], "client")


# ── gaps ────────────────────────────────────────────────────────────────────────────────────


def _gaps_of_chunks(attempt: Attempt) -> Values:
    return _gaps(attempt, _chunks(attempt))


def _gaps_of_events(attempt: Attempt) -> Values:
    return _gaps(attempt, [arrival.at_ns for arrival in timing.token_arrivals(attempt)])


def _gaps(attempt: Attempt, stamps: Sequence[int]) -> Values:
    if (failed := _failure(attempt)) is not None:
        return failed
    if len(stamps) < _PAIR:
        return _SINGLE
    return _seconds([after - before for before, after in pairwise(stamps)], "client")


def _gaps_shared_out(attempt: Attempt) -> Values:
    """Each gap over the tokens that ended it, once for each of them."""
    tokens = tokens_per_event(attempt)
    if isinstance(tokens, Missing):
        return tokens
    gaps = timing.gaps_s(attempt)
    if not gaps:
        return _SINGLE
    shared = (
        gap / count for gap, count in zip(gaps, tokens.value[1:], strict=True) for _ in range(count)
    )
    return Measured(tuple(shared), tokens.source)


def _gaps_of_tokens(attempt: Attempt) -> Values:
    """Every token of the content has its event's stamp: k - 1 zeros and a gap."""
    tokens = tokens_per_event(attempt)
    if isinstance(tokens, Missing):
        return tokens
    stamps = [
        event.at_ns
        for event, count in zip(timing.token_arrivals(attempt), tokens.value, strict=True)
        for _ in range(count if event.kind == "content" else 0)
    ]
    found = _gaps(attempt, stamps)
    return found if isinstance(found, Missing) else Measured(found.value, tokens.source)


def _from_sent_per_chunk(attempt: Attempt) -> Values:
    """From sending to the last content, over all messages: the first wait is in it."""
    if (failed := _failure(attempt)) is not None:
        return failed
    contents, chunks = _contents(attempt), _chunks(attempt)
    if not contents:
        return _NO_TOKENS
    beside = sum(1 for a in timing.events(attempt) if a.kind == "usage" and a.at_ns not in chunks)
    return _seconds([(contents[-1].at_ns - attempt.sent_ns) / (len(chunks) + beside)], "estimated")


# ── time per output token ───────────────────────────────────────────────────────────────────


def _mean_of_chunks(attempt: Attempt) -> Values:
    """(latency - TTFT) / (n - 1): from the first to the last chunk with choices."""
    stamps = _chunks(attempt)
    return _per_token(attempt, stamps[:1], stamps[-1:], less=1)


def _mean_of_events(attempt: Attempt) -> Values:
    """(last token - first token) / (n - 1)."""
    stamps = [arrival.at_ns for arrival in timing.token_arrivals(attempt)]
    return _per_token(attempt, stamps[:1], stamps[-1:], less=1)


def _mean_of_contents(attempt: Attempt) -> Values:
    """(last content - first content) / (n - 1)."""
    stamps = [arrival.at_ns for arrival in _contents(attempt)]
    return _per_token(attempt, stamps[:1], stamps[-1:], less=1)


def _mean_from_sent(attempt: Attempt) -> Values:
    """(last token - sending) / n: the first wait is in it."""
    stamps = [arrival.at_ns for arrival in timing.token_arrivals(attempt)]
    return _per_token(attempt, [attempt.sent_ns], stamps[-1:], less=0)


def _mean_to_the_end(attempt: Attempt) -> Values:
    """(end of the response - first token) / tokens after the first event."""
    tokens = tokens_per_event(attempt)
    if isinstance(tokens, Missing):
        return tokens
    counted = _counted(attempt)
    after = counted.value - tokens.value[0] if isinstance(counted, Measured) else 0
    if after < 1:
        return _SINGLE
    first_ns = timing.token_arrivals(attempt)[0].at_ns
    return _seconds([(attempt.done_ns - first_ns) / after], tokens.source)


def _per_token(attempt: Attempt, start: Sequence[int], end: Sequence[int], *, less: int) -> Values:
    counted = _counted(attempt)
    if isinstance(counted, Missing):
        return counted
    if not start or not end:
        return _NO_TOKENS
    if counted.value <= less:
        return _SINGLE
    return _seconds([(end[0] - start[0]) / (counted.value - less)], "derived")


def _seconds(times_ns: Sequence[float], source: Source) -> Values:
    return Measured(tuple(time_ns / timing.NS_PER_S for time_ns in times_ns), source)


def _failure(attempt: Attempt) -> Missing | None:
    if isinstance(attempt.outcome, Completed):
        return None
    return Missing("request_failed", attempt.outcome.why)


def _counted(attempt: Attempt) -> Reading[int]:
    if (failed := _failure(attempt)) is not None:
        return failed
    if isinstance(attempt.usage, Missing):
        return attempt.usage
    return Measured(attempt.usage.value.output_tokens, "engine")


_EMPTY: Final = "a chunk that says nothing leaves no arrival, one that says two things leaves two"
_SHARES: Final = "tokens per event by their share of the text, where events carry several"
_TAGS: Final = "thinking between tags counts as thinking, which the tool takes for content"

CONVENTIONS: Final[tuple[Convention, ...]] = (
    Convention(
        "vllm", "ttft", "Sending to the first chunk with choices: a role counts.",
        _ttft_choices, _EMPTY,
    ),
    Convention(
        "vllm", "itl", "One gap for each chunk with choices after the first.",
        _gaps_of_chunks, _EMPTY,
    ),
    Convention(
        "vllm", "tpot", "(latency - TTFT) / (n - 1), up to the last chunk with choices.",
        _mean_of_chunks, _EMPTY,
    ),
    Convention("sglang", "ttft", "Sending to the first text of any kind.", _ttft_token),
    Convention(
        "sglang", "itl", "Each gap over the k tokens that ended it, k times.",
        _gaps_shared_out, _SHARES,
    ),
    Convention(
        "sglang", "tpot", "(latency - TTFT) / (n - 1), up to the last text.", _mean_of_events
    ),
    Convention(
        "inference_perf", "ttft", "Sending to the first content; thinking is passed over.",
        _ttft_content, _TAGS,
    ),
    Convention(
        "inference_perf", "itl", "Tokens of an event share its stamp: k - 1 zeros and a gap.",
        _gaps_of_tokens, f"{_SHARES}; {_TAGS}",
    ),
    Convention(
        "inference_perf", "tpot", "(last content - first content) / (n - 1).",
        _mean_of_contents, _TAGS,
    ),
    Convention("aiperf", "ttft", "Sending to the first content or thinking.", _ttft_token),
    Convention("aiperf", "itl", "(latency - TTFT) / (n - 1): a mean, one value.", _mean_of_events),
    Convention("aiperf", "icl", "One gap for each event with text.", _gaps_of_events),
    Convention("genai_perf", "ttft", "Sending to the first response with text.", _ttft_token),
    Convention(
        "genai_perf", "itl", "(latency - TTFT) / (n - 1): a mean, one value.", _mean_of_events
    ),
    Convention("guidellm", "ttft", "Sending to the first token of any kind.", _ttft_token),
    Convention("guidellm", "itl", "(last - first) / (n - 1): a mean, one value.", _mean_of_events),
    Convention(
        "guidellm", "tpot", "(last - sending) / n: the first wait is in it.", _mean_from_sent
    ),
    Convention("endpoints", "ttft", "Sending to the first content or thinking.", _ttft_token),
    Convention("endpoints", "itl", "One gap for each event with text.", _gaps_of_events),
    Convention(
        "endpoints", "tpot", "(end of the response - first) / tokens after the first event.",
        _mean_to_the_end, _SHARES,
    ),
    Convention(
        "evalscope", "ttft", "Sending to the first chunk with choices: a role counts.",
        _ttft_choices, _EMPTY,
    ),
    Convention("evalscope", "itl", "One gap for each chunk with choices.", _gaps_of_chunks, _EMPTY),
    Convention(
        "evalscope", "tpot", "(latency - TTFT) / (n - 1), up to the last chunk with choices.",
        _mean_of_chunks, _EMPTY,
    ),
    Convention(
        "hf", "ttft", "Sending to the first content; thinking is passed over.",
        _ttft_content, _TAGS,
    ),
    Convention("hf", "itl", "Sum of gaps after the first / (n - 1).", _mean_of_contents, _TAGS),
    Convention(
        "llmperf", "ttft", "Sending to the first content; thinking is passed over.",
        _ttft_content, _TAGS,
    ),
    Convention(
        "llmperf", "itl", "(last content - sending) / messages: TTFT is in it, a message a token.",
        _from_sent_per_chunk, _EMPTY,
    ),
    Convention(
        "loadgen", "ttft", "From the scheduled time to the first token.", _ttft_intended
    ),
)  # fmt: skip
