"""What a cold start costs: times, reads and ratios. Not aware of how they were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.reading import Missing, Reading
from steelyard.domain.summary import Estimate

Cache: TypeAlias = Literal["cold", "warm", "theirs"]


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of a few values, all of them, and the median's 95 % interval (6 values or more).

    `low` and `high` are Missing below that; `lowest` and `highest` are what was seen.
    """

    median: Reading[float]
    lowest: Reading[float]
    highest: Reading[float]
    low: Reading[float]
    high: Reading[float]
    n: int


@final
@dataclass(frozen=True, slots=True)
class OneStart:
    """One start, or one loading of a model into a server that was up.

    `cache`: the file's pages were dropped before (`cold`), read before (`warm`), or not ours to
    touch (`theirs`); `cached` is the share of the file that lay in the page cache then. `first_s`
    is the first request's time to first token, `warm_s` the median of the requests after it, all of
    one length. `fetched_bytes` counts reads until the first request had been answered.
    `engine_load_s` is the engine's own word on how long loading took.
    """

    cache: Cache
    run_id: str
    cached: Reading[float]
    port_s: Reading[float]
    ready_s: Reading[float]
    blind_s: Reading[float]
    read_bytes: Reading[int]
    fetched_bytes: Reading[int]
    first_s: Reading[float]
    warm_s: Reading[float]
    engine_load_s: Reading[float] = Missing("not_reported")
    failed: str = ""


@final
@dataclass(frozen=True, slots=True)
class Side:
    """All starts of one kind. `whole_s` is from nothing to the first token: ready and first.

    `first_over_warm` is the first request's time to first token over that of later ones, start by
    start; `extra_s` the difference in seconds.
    """

    cache: Cache
    starts: int
    cached: Spread
    port_s: Spread
    ready_s: Spread
    read_bytes: Spread
    read_mb_per_s: Spread
    fetched_bytes: Spread
    first_s: Spread
    warm_s: Spread
    whole_s: Spread
    engine_load_s: Spread
    first_over_warm: Estimate
    extra_s: Estimate


@final
@dataclass(frozen=True, slots=True)
class ColdStart:
    """What `engines cold` found. `cold_over_warm` compares the time until ready, pair by pair."""

    model: str
    engine: str
    size_bytes: Reading[int]
    cold: Reading[Side]
    warm: Reading[Side]
    theirs: Reading[Side]
    cold_over_warm: Estimate
    starts: tuple[OneStart, ...]
    simulated: bool = False
