"""What a proxy has spent of its budget, by the server's own counts, and when it refuses.

Charged when an answer has ended, before the next request is looked at; what was under way when the
last of it was spent is not cut off. An answer that was generated and came without counts is charged
with what it can be at most: a token is at least a byte. Money can only be counted where the server
bills it in its answers; where one does not, a budget in money ends there. Not aware of sockets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

from steelyard.domain.budget import Budget
from steelyard.domain.counts import counted
from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Usage
from steelyard.engines.wires import openai, sse
from steelyard.loadgen import spool

_OK: Final = 200
_NS_PER_S: Final = 1e9
_TAIL_BYTES: Final = 16_384
_MOST: Final = 10**12  # no answer has more tokens than this
# What costs nothing: to ask what is served and how it is, and what no model is asked for.
_FREE: Final = ("GET", "OPTIONS", "DELETE")
_UNPRICED: Final = frozenset(
    f"{root}/{name}"
    for root in ("", "/v1")
    for name in ("tokenize", "detokenize", "apply-template")
)


@final
@dataclass(slots=True)
class Allowance:
    """A budget and what is spent of it since `began_ns`. `at_most` says that some was not counted.

    `unbilled` counts the answers that came without a price.
    """

    budget: Budget
    began_ns: int
    tokens: int = 0
    usd: float = 0.0
    at_most: bool = False
    unbilled: int = 0
    refused: int = 0
    _words: str = field(default="", repr=False)

    def charge(self, method: str, path: str, request_bytes: int, raw: spool.Raw) -> None:
        """Take what one exchange cost; nothing that a server says gives any of it back."""
        if free(method, path) or (self.budget.usd is None and self.budget.tokens is None):
            return
        exchange = spool.taken_apart(raw)
        if exchange.status != _OK or not exchange.body:
            return  # an error is not billed
        try:
            usage = usage_of(exchange.body)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            usage = None  # words that our reader gave up on must not end the proxy
        if usage is None or max(usage.prompt_tokens, usage.output_tokens) > _MOST:
            self.tokens += request_bytes + len(exchange.body)
            self.at_most = True
            self.unbilled += 1
            return
        self.tokens += max(0, usage.prompt_tokens) + max(0, usage.output_tokens)
        if isinstance(usage.cost, Measured):
            self.usd += usage.cost.value
        else:
            self.unbilled += 1

    def spent(self, now_ns: int) -> str:
        """Return which limit has been reached, in words; empty while none has."""
        budget = self.budget
        most = "at most " if self.at_most else ""
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return f"{most}{self.tokens:,} of {budget.tokens:,} tokens are spent"
        if budget.usd is not None and self.unbilled:
            came = counted(self.unbilled, "answer")
            return (
                f"a budget of {budget.usd:g} USD cannot be kept: {came} came"
                " without a price (use tok, or a time)"
            )
        if budget.usd is not None and self.usd >= budget.usd:
            return f"{self.usd:.4g} of {budget.usd:g} USD are spent"
        if budget.seconds is not None and now_ns - self.began_ns >= budget.seconds * _NS_PER_S:
            return f"the {budget.seconds:g} s are over"
        return ""

    def refusal(self, now_ns: int) -> str:
        """Return why a request is refused, and count it; empty where it may pass."""
        if words := self.spent(now_ns):
            self.refused += 1
            return f"the budget ({self.budget}) is spent: {words}"
        return ""


def free(method: str, path: str) -> bool:
    """Say whether a request costs nothing, whatever comes back."""
    return method in _FREE or (method == "POST" and path in _UNPRICED)


def usage_of(body: bytes) -> Usage | None:
    """Return the counts of an answer, streamed or whole; None where none stand in it."""
    if body.lstrip()[:1] == b"{":
        return _usage(body.decode(errors="replace"))
    cut = body.find(b"\n", max(0, len(body) - _TAIL_BYTES)) if len(body) > _TAIL_BYTES else 0
    found = None
    for message in sse.messages(body[max(0, cut) :]):
        if '"usage"' in message.data:
            found = _usage(message.data) or found
    return found


def _usage(data: str) -> Usage | None:
    try:
        events = openai.parse(data).events
    except DialectError:
        return None
    return next((event for event in events if isinstance(event, Usage)), None)
