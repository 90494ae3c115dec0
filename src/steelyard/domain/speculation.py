"""What a draft model gains and costs, by the kind of text. Not aware of how it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate

Domain: TypeAlias = Literal["code", "prose", "json", "maths"]
DOMAINS: Final[tuple[Domain, ...]] = ("code", "prose", "json", "maths")


@final
@dataclass(frozen=True, slots=True)
class DomainSpeculation:
    """Of one kind of text, over those of the `asked` prompts that both servers answered (`pairs`).

    `acceptance`: accepted / drafted tokens, by the engine's count. `speedup`: time per output token
    without / with the draft. `prefill`: time to first token with / without. `identical`: the share
    of answers that are the same text. `timed` counts the pairs whose answers were long enough.
    """

    domain: Domain
    asked: int
    pairs: int
    timed: int
    acceptance: Estimate
    speedup: Estimate
    prefill: Estimate
    identical: Estimate


@final
@dataclass(frozen=True, slots=True)
class LevelSpeculation:
    """At so many requests at a time: system throughput with / without the draft."""

    streams: int
    turns: int
    speedup: Estimate


@final
@dataclass(frozen=True, slots=True)
class Speculation:
    """One model with one draft. `break_even` is the first level at which the draft costs time."""

    model: str
    draft: str
    domains: tuple[DomainSpeculation, ...]
    levels: tuple[LevelSpeculation, ...]
    break_even: Reading[int]
