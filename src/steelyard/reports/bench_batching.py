"""Continuous against static batching as text: one line a level, for every format.

A dash stands where there is no number, and its reason beside it. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.bench import Batching, Measurement
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.reports.bench_columns import rounded
from steelyard.reports.figures import NOTHING, percent, said

HEADS: Final = (
    "load", "refilled, tok/s", "in waves, tok/s", "refilled / in waves", "idle in waves",
)  # fmt: skip
LEGEND: Final = (
    "Refilled: each answer makes room for the next request (continuous batching); the system"
    " throughput of places that never run out of requests. In waves: so many begin together, the"
    " next so many when all of them have ended (static batching). Idle: place-seconds without work."
    " Taken in turns; in brackets the 95 % interval."
)


@final
@dataclass(frozen=True, slots=True)
class Ways:
    """One level both ways as text: each number and its interval; `reasons` say why a dash is."""

    load: str
    numbers: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """One text for each of `HEADS`, intervals beside their numbers."""
        return self.load, *(" ".join(filter(None, number)) for number in self.numbers)


def ways(one: Measurement) -> tuple[Ways, ...]:
    """Return the lines of a measurement; none where nothing was measured both ways."""
    return tuple(_ways(found) for found in one.batching)


def gaps(one: Measurement) -> Iterator[str]:
    """Yield why numbers are absent, one text for each level and reason."""
    for found in ways(one):
        yield from (f"{found.load}, both ways: {why}" for why in found.reasons)


def _ways(found: Batching) -> Ways:
    estimates = found.continuous_tps, found.static_tps, found.ratio, found.idle_share
    readings = [reading for e in estimates for reading in (e.value, e.low, e.high)]
    return Ways(
        load=found.level,
        numbers=(
            _texts(found.continuous_tps, rounded),
            _texts(found.static_tps, rounded),
            _texts(found.ratio, "{:.3f}".format),
            _texts(found.idle_share, percent),
        ),
        reasons=tuple(dict.fromkeys(str(r) for r in readings if isinstance(r, Missing))),
    )


def _texts(estimate: Estimate, write: Callable[[float], str]) -> tuple[str, str]:
    if isinstance(estimate.value, Missing):
        return NOTHING, ""
    low, high = estimate.low, estimate.high
    known = isinstance(low, Measured) and isinstance(high, Measured)
    return write(estimate.value.value), f"[{said(low, write)}, {said(high, write)}]" * known
