"""Twenty thousand answers made to be misread: not one count, kind or moment may be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from tests.engines.adversarial import Case, Truth, case
from tests.engines.adversarial_plan import PROMPT_TOKENS, Call

from steelyard.analysis import timing
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt, Completed, Exchange, ToolCall
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.wires import sse
from steelyard.loadgen.framing import Framing
from steelyard.loadgen.response import ResponseReader

DIALECT = LlamaCpp()


def received(given: Case) -> Exchange:
    """Do with the bytes what the load client does."""
    reader, framing, raw, whole = ResponseReader(), Framing(), bytearray(), False
    for at_ns, data in given.reads:
        reader.feed(data, at_ns)
        raw += data
        whole = whole or framing.take(raw)
    whole = whole or (given.closes and framing.ends_with_connection())
    return Exchange(
        id=str(given.seed),
        intended_ns=0,
        sent_ns=0,
        done_ns=given.reads[-1][0],
        status=reader.status,
        arrivals_ns=reader.arrivals_ns,
        ends=reader.ends,
        body=bytes(reader.body),
        failure=None if whole else "disconnected",
        encoding=reader.content_encoding,
        location=reader.location,
    )


def called(exchange: Exchange) -> tuple[Call, ...]:
    """Put the tool calls together by their index."""
    calls: dict[int, Call] = {}
    for message in sse.messages(exchange.body):
        if message.data.startswith("{") and '"tool_calls"' in message.data:
            for event in DIALECT.decode(message.data):
                if isinstance(event, ToolCall):
                    known = calls.get(event.index, Call("", ""))
                    calls[event.index] = Call(
                        known.name + event.name, known.arguments + event.arguments
                    )
    return tuple(call for _, call in sorted(calls.items()))


def found(attempt: Attempt, exchange: Exchange, truth: Truth) -> Truth:
    """Return what was read, in the oracle's own form."""
    events = timing.token_arrivals(attempt)
    told = [tokens for _, _, tokens in truth.events]
    told += [0] * (len(events) - len(told))
    return Truth(
        why=None if isinstance(attempt.outcome, Completed) else attempt.outcome.why,
        tokens=attempt.usage.value.output_tokens if isinstance(attempt.usage, Measured) else None,
        events=tuple((a.at_ns, a.kind, k) for a, k in zip(events, told, strict=False)),
        text=attempt.text,
        reasoning=attempt.reasoning,
        # After an error nothing is read any more.
        calls=called(exchange) if truth.why != "error_in_stream" else truth.calls,
    )


def wrong(seeds: Iterable[int]) -> Counter[str]:
    """Return what was read wrongly, by the name of the field."""
    errors: Counter[str] = Counter()
    for seed in seeds:
        given = case(seed)
        exchange = received(given)
        attempt = transcript.read(exchange, DIALECT, sample=str(seed))
        truth, read = given.truth, found(attempt, exchange, given.truth)
        for name in ("why", "tokens", "events", "first", "first_answer_ns", "gaps_ns"):
            errors[name] += getattr(read, name) != getattr(truth, name)
        for name in ("text", "reasoning", "calls"):
            errors[name] += getattr(read, name) != getattr(truth, name)
        if isinstance(attempt.usage, Measured):
            errors["prompt"] += attempt.usage.value.prompt_tokens != PROMPT_TOKENS
    return +errors


@pytest.mark.parametrize("block", range(4))
def test_of_twenty_thousand_answers_not_one_is_misread(block: int) -> None:
    assert wrong(range(5_000 * block, 5_000 * (block + 1))) == Counter()


def test_the_corpus_holds_every_way_to_end() -> None:
    ends = Counter(case(seed).truth.why for seed in range(2_000))
    assert set(ends) == {
        None,
        *("error_in_stream", "zero_tokens", "disconnected", "truncated_stream"),
        *("malformed_stream", "redirected", "compressed_body", "proxy_wants_login"),
        *("bad_gateway", "gateway_timeout", "overloaded", "not_allowed"),
    }
    assert ends[None] > 1_000


def test_the_same_number_is_the_same_answer() -> None:
    assert case(7) == case(7)
    assert case(7).reads != case(8).reads


def test_a_reader_that_counts_the_role_as_a_token_would_be_found_out() -> None:
    """The corpus can tell: the moment of the first event is often not that of the first token."""
    early = 0
    for seed in range(200):
        given = case(seed)
        attempt = transcript.read(received(given), DIALECT, sample="s")
        if given.truth.first is not None and attempt.arrivals[0].at_ns < given.truth.first[0]:
            early += 1
    assert early > 50


def test_a_reader_that_counts_events_as_tokens_would_be_found_out() -> None:
    several = [case(seed).truth for seed in range(200)]
    assert sum(t.tokens is not None and t.tokens > len(t.events) + 1 for t in several) > 50
