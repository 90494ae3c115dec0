"""What the pacer is told: times, tokens, a queue, a freeze; what a request wants of it. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, final

_MS: Final = 1_000_000
_TOKENS_MAX: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Queue:
    """How many servers there are, and how long one request keeps one of them on the average."""

    servers: int
    service_ns: int
    law: Literal["constant", "exponential"] = "constant"
    seed: int = 0

    def draw_ns(self, source: random.Random) -> int:
        """Return how long the next request takes."""
        match self.law:
            case "constant":
                return self.service_ns
            case "exponential":
                return int(source.expovariate(1 / self.service_ns))


@final
@dataclass(frozen=True, slots=True)
class Pace:
    """What holds for requests that do not say it, and what is done to all of them."""

    ttft_ns: int = 50 * _MS
    gap_ns: int = 10 * _MS
    tokens: int = 64
    queue: Queue | None = None
    freeze_at_ns: int | None = None
    freeze_for_ns: int = 0

    def wanted(self, asked: Mapping[str, object]) -> tuple[int, int, int]:
        """Return a request's tokens, TTFT and gap in ns; raise `ValueError` for what cannot be."""
        limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
        tokens = self.tokens if limit is None else limit
        ttft_ns = _time_ns(asked.get("steelyard_ttft_ms"), self.ttft_ns)
        gap_ns = _time_ns(asked.get("steelyard_gap_ms"), self.gap_ns)
        if not isinstance(tokens, int) or not 0 < tokens <= _TOKENS_MAX:
            raise ValueError(f"{tokens!r} is no number of tokens from 1 to {_TOKENS_MAX}")
        return tokens, ttft_ns, gap_ns


def _time_ns(said_ms: object, otherwise_ns: int) -> int:
    if said_ms is None:
        return otherwise_ns
    if not isinstance(said_ms, int | float) or not 0 <= said_ms < float("inf"):
        raise ValueError(f"{said_ms!r} is no time in milliseconds")
    return int(said_ms * _MS)
