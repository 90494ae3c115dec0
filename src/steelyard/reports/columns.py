"""The variants as columns: the one view model that tables, CSV, heat map and charts share.

A column holds one cell for each row of the summary, in its order; its words, unit and bands come
from the metric's declaration where it has one. Which columns there are: `reports.overall` and
`reports.by_family`. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.metric import Better
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import Estimate, VariantRow, Verdict
from steelyard.reports.declared import Declared, Metrics
from steelyard.reports.figures import NOTHING, Display, display

NOT_TAKEN: Final = Missing("not_measured", "this was not measured on this variant")


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What one row has to say in one column, in base units."""

    reading: Reading[float]
    low: Reading[float] = NOT_TAKEN
    high: Reading[float] = NOT_TAKEN
    band: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One number of one variant: raw in the base unit, and as text in the column's display."""

    raw: float | None
    low: float | None
    high: float | None
    text: str
    interval: str
    why: Missing | None
    band: str | None


@final
@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a speed was measured under."""

    metric: str
    prompt_tokens: int
    depth_tokens: int
    streams: int

    @property
    def text(self) -> str:
        """The circumstances in a few words."""
        where = f"depth {self.depth_tokens:,}" if self.depth_tokens else "depth 0"
        many = f", {self.streams} streams" if self.streams > 1 else ""
        return f"{self.prompt_tokens:,} prompt tokens, {where}{many}"

    @property
    def brief(self) -> str:
        """The same for a narrow heading."""
        many = f", {self.streams} streams" if self.streams > 1 else ""
        return f"{self.prompt_tokens} in, depth {self.depth_tokens}{many}"


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One measure over all variants. `unit` is that of `raw`, `shown.unit` that of `text`."""

    key: str
    title: str
    unit: str
    better: Better
    definition: str
    shown: Display
    cells: tuple[Cell, ...]
    at: Circumstances | None = None

    @property
    def heading(self) -> str:
        """Title and display unit."""
        return f"{self.title}, {self.shown.unit}" if self.shown.unit else self.title

    @property
    def rated(self) -> bool:
        """Whether any cell has a rating."""
        return any(cell.band for cell in self.cells)


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A column before its numbers: how to read it from a row."""

    key: str
    title: str
    unit: str
    better: Better
    definition: str
    read: Callable[[VariantRow], Found]
    at: Circumstances | None = None


def by_key(found: Sequence[Column], key: str) -> Column | None:
    """Return the column of this key, if the summary has it."""
    return next((column for column in found if column.key == key), None)


def column(measure: Measure, rows: Sequence[VariantRow], metrics: Metrics) -> Column:
    """Read a measure from every row; words and bands are the declaration's, where there is one."""
    declared = metrics.get(measure.at.metric if measure.at else measure.key)
    found = [measure.read(row) for row in rows]
    values = [one.reading.value for one in found if isinstance(one.reading, Measured)]
    shown = display(measure.unit, values, declared=_own_display(declared))
    return Column(
        key=measure.key,
        title=measure.title,
        unit=measure.unit,
        better=measure.better,
        definition=declared.definition if declared else measure.definition,
        shown=shown,
        cells=tuple(cell_of(one, shown, declared) for one in found),
        at=measure.at,
    )


def cell_of(found: Found, shown: Display, declared: Declared | None) -> Cell:
    """Return what was found as text in a column's display."""
    low, high = value_of(found.low), value_of(found.high)
    match found.reading:
        case Missing():
            return Cell(None, None, None, NOTHING, "", found.reading, None)
        case Measured(value=value):
            return Cell(
                raw=value,
                low=low,
                high=high,
                text=shown.text(value),
                interval="" if low is None or high is None else shown.interval(low, high),
                why=None,
                band=found.band or (declared.band(value) if declared else None),
            )


def _own_display(declared: Declared | None) -> tuple[str, float] | None:
    if declared is None or declared.display_unit is None:
        return None
    return declared.display_unit, declared.scale


def of_estimate(estimate: Estimate, band: str | None = None) -> Found:
    """Take value and interval of an estimate."""
    return Found(estimate.value, estimate.low, estimate.high, band)


def of_reading(reading: Reading[int] | Reading[float]) -> Found:
    """Take a reading without an interval."""
    match reading:
        case Measured(value=value, source=source):
            return Found(Measured(float(value), source))
        case Missing():
            return Found(reading)


def of_count(number: int) -> Found:
    """Take a number of things."""
    return Found(Measured(float(number), "derived"))


def of_loss(found: Reading[Verdict]) -> Found:
    """Take the loss of a verdict with its interval, in points."""
    match found:
        case Missing():
            return Found(found)
        case Measured(value=verdict, source=source):
            return Found(
                Measured(verdict.loss, source),
                Measured(verdict.low, source),
                Measured(verdict.high, source),
            )
