"""The server's side of a run: its own counters, the power it drew, its bare speed.

All three stand beside what the client measured and never take its place. Columns, not rows: one
tuple of stamps, one tuple of values for each series. Times are integer nanoseconds of the
monotonic clock. Not aware of how any of it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading

Meaning: TypeAlias = Literal[
    "requests_running",
    "requests_waiting",
    "kv_cache_usage",
    "prompt_tokens_total",
    "output_tokens_total",
    "preemptions_total",
    "other",
]
PowerKind: TypeAlias = Literal["joules", "watts"]
FieldState: TypeAlias = Literal[
    "OK", "OPTIONAL_FIELD_MISSING", "NOT_APPLICABLE", "REQUIRED_FIELD_MISSING", "PARSE_ERROR"
]
SpeedMetric: TypeAlias = Literal["prompt_tps", "output_tps"]
# States that leave a person without the number that was asked for.
NO_SPEED: Final[frozenset[FieldState]] = frozenset({"PARSE_ERROR", "REQUIRED_FIELD_MISSING"})


@final
@dataclass(frozen=True, slots=True)
class ServerColumn:
    """One series. `values[i]` was there at scrape `rows[i]`; a scrape without it has no row.

    `name` is the engine's own; `meaning` is what engines call by different names.
    """

    name: str
    meaning: Meaning
    rows: tuple[int, ...]
    values: tuple[float, ...]

    def growth(self) -> Reading[float]:
        """Return how much a counter grew; one that fell was started anew and counts from zero."""
        if len(self.values) < 2:  # noqa: PLR2004
            return Missing("too_few_scrapes", f"{self.name} was seen {len(self.values)} times")
        steps = (b - a if b >= a else b for a, b in pairwise(self.values))
        return Measured(sum(steps), "engine")

    def highest(self) -> Reading[float]:
        """Return the highest value seen; what came and went between two scrapes is not in it."""
        if not self.values:
            return Missing("too_few_scrapes", f"{self.name} was not there at any scrape")
        return Measured(max(self.values), "engine")


@final
@dataclass(frozen=True, slots=True)
class ServerSeries:
    """What the server said of itself. Scrape i was answered between `asked_ns` and `answered_ns`.

    `failed` counts scrapes without a usable answer and `last_failure` says why. `left_out` counts
    series beyond the cap. `thinned` is how often every second scrape was dropped to stay small.
    """

    asked_ns: tuple[int, ...]
    answered_ns: tuple[int, ...]
    columns: tuple[ServerColumn, ...]
    failed: int = 0
    last_failure: str = ""
    left_out: int = 0
    thinned: int = 0

    def at_ns(self) -> tuple[int, ...]:
        """Return the middle of each scrape: the moment that its values are taken for."""
        return tuple(
            (asked + answered) // 2
            for asked, answered in zip(self.asked_ns, self.answered_ns, strict=True)
        )

    def half_width_ns(self) -> tuple[int, ...]:
        """Return how far from that moment the server can have read its counters."""
        return tuple(
            -(-(answered - asked) // 2)
            for asked, answered in zip(self.asked_ns, self.answered_ns, strict=True)
        )

    def find(self, meaning: Meaning) -> Reading[ServerColumn]:
        """Return the series of a meaning; an engine that does not tell it gives a reason."""
        found = next((column for column in self.columns if column.meaning == meaning), None)
        if found is None:
            return Missing("not_exposed", f"the server's /metrics shows no {meaning}")
        return Measured(found, "engine")

    def within(self, start_ns: int, end_ns: int) -> ServerSeries:
        """Return the scrapes that lie wholly in a span."""
        kept = [
            row
            for row, (asked, answered) in enumerate(
                zip(self.asked_ns, self.answered_ns, strict=True)
            )
            if start_ns <= asked and answered <= end_ns
        ]
        return self.only(kept)

    def only(self, kept: list[int]) -> ServerSeries:
        """Return these scrapes alone, renumbered."""
        new = {row: index for index, row in enumerate(kept)}
        columns = []
        for column in self.columns:
            here = [
                (new[row], value)
                for row, value in zip(column.rows, column.values, strict=True)
                if row in new
            ]
            rows, values = tuple(row for row, _ in here), tuple(value for _, value in here)
            columns.append(replace(column, rows=rows, values=values))
        return replace(
            self,
            asked_ns=tuple(self.asked_ns[row] for row in kept),
            answered_ns=tuple(self.answered_ns[row] for row in kept),
            columns=tuple(columns),
        )


@final
@dataclass(frozen=True, slots=True)
class PowerSeries:
    """Stamped looks at one power source.

    `joules` are readings of a counter that only grows, except where it was started anew; `watts`
    are power at that moment. `half_width_ns` bounds how far a stamp is from the reading.
    """

    source: str
    kind: PowerKind
    at_ns: tuple[int, ...]
    values: tuple[float, ...]
    half_width_ns: int = 0

    def shifted(self, by_ns: int) -> PowerSeries:
        """Return the series on a clock that is `by_ns` ahead of this one."""
        return replace(self, at_ns=tuple(at + by_ns for at in self.at_ns))


@final
@dataclass(frozen=True, slots=True)
class RawSpeed:
    """One llama-bench test: tokens a second of the bare engine, one sample for each repetition.

    `name` is llama-bench's (`pp512`, `tg128`, `pp512@d2048`); `ours` is our metric that measures
    the same work through the server.
    """

    name: str
    ours: SpeedMetric
    tokens: int
    depth: int
    state: FieldState
    mean_tps: Reading[float]
    sd_tps: Reading[float]
    samples_tps: tuple[float, ...] = ()
    detail: str = ""


@final
@dataclass(frozen=True, slots=True)
class SidecarField:
    """One fact beside the speeds and whether the source told it."""

    state: FieldState
    text: str = ""


@final
@dataclass(frozen=True, slots=True)
class Sidecar:
    """Bare speeds of one model file. Never a gate, and no part of a run's own numbers.

    `program` is `llama-bench` or `wheel`; `state` is the worst state of what is required.
    """

    model: str
    sha256: str
    program: Literal["llama-bench", "wheel"]
    build: str
    threads: int
    repeats: int
    state: FieldState
    speeds: tuple[RawSpeed, ...]
    fields: Mapping[str, SidecarField] = field(default_factory=dict)
    detail: str = ""

    def speed(self, name: str) -> Reading[float]:
        """Return the mean speed of a test by llama-bench's name for it."""
        found = next((speed for speed in self.speeds if speed.name == name), None)
        if found is None:
            return Missing("not_measured", f"the sidecar has no test {name}")
        return found.mean_tps
