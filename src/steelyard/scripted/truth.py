"""The truth log: what the scripted engine sent, and when; and how far a client was from it.

One JSON object a line, written when a request has ended. Stamps are monotonic nanoseconds taken
right before each `send()`; on one machine they are on the same clock as the client's.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.stream import Exchange

_NAME: Final = re.compile(rb'"id":"scripted-(\d+)"')


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """One request: when it was received and begun, and every send of its answer.

    `ends[i]` is the length of the body, HTTP framing removed, once send `i` was out; `tokens[i]`
    how many tokens that send carried. `faults` are those that were planted into it, `seed` is the
    one that the request named.
    """

    number: int
    received_ns: int
    started_ns: int
    prompt_tokens: int
    sends_ns: tuple[int, ...]
    ends: tuple[int, ...]
    tokens: tuple[int, ...]
    faults: tuple[str, ...]
    seed: int | None = None


@final
@dataclass(frozen=True, slots=True)
class ClientError:
    """How much later than sent the client says that things arrived.

    `ttft_ns` is the error of the first token's moment, `itl_ns` that of each gap that follows.
    """

    ttft_ns: int
    itl_ns: tuple[int, ...]


def line(truth: Truth) -> str:
    """Return the line that holds it."""
    return json.dumps(asdict(truth), separators=(",", ":")) + "\n"


def read(path: Path) -> dict[int, Truth]:
    """Return the truth by request number; a line cut off by a kill is left out."""
    found = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            raw = json.loads(text)
        except ValueError:
            break
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
        }
        found[raw["number"]] = Truth(**fields)
    return found


def number_of(exchange: Exchange) -> int | None:
    """Return the request number that the engine put into its answer."""
    found = _NAME.search(exchange.body)
    return None if found is None else int(found.group(1))


def error(exchange: Exchange, truth: Mapping[int, Truth]) -> ClientError | None:
    """Compare one exchange with the truth; None where it carries no token or is unknown.

    Each send counts with the read that brought its last byte. Only sends with tokens count.
    """
    number = number_of(exchange)
    if number is None or number not in truth:
        return None
    sent = truth[number]
    moments = [
        (at_ns, exchange.arrivals_ns[read_number])
        for at_ns, end, tokens in zip(sent.sends_ns, sent.ends, sent.tokens, strict=True)
        if tokens and (read_number := bisect_left(exchange.ends, end)) < len(exchange.ends)
    ]
    if not moments:
        return None
    gaps = (
        (arrived - arrived_before) - (at_ns - before_ns)
        for (before_ns, arrived_before), (at_ns, arrived) in pairwise(moments)
    )
    first_sent, first_arrived = moments[0]
    return ClientError(first_arrived - first_sent, tuple(gaps))
