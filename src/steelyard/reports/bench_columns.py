"""The levels of a bench as columns: the one view model that its tables, charts and files share.

A column holds one cell for each level, in their order, and beside it the client's own share in that
number. Which figures stand in front is said here; the others are rows of `figure_rows`. Words come
from the metric's declaration where one is given. Not aware of formats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.domain.bench import Figure, Level, Statistic
from steelyard.domain.metric import Better
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.reports import story
from steelyard.reports.columns import Cell, Column, Found, cell_of, of_estimate
from steelyard.reports.declared import Metrics
from steelyard.reports.figures import Display, display, said, significant

STATISTICS: Final[tuple[Statistic, ...]] = ("mean", "p50", "p90", "p95", "p99")
WORDS: Final[Mapping[str, str]] = {
    "ttft_s": "TTFT",
    "ttfat_s": "TTFAT",
    "ttft_intended_s": "TTFT from intended time",
    "tpot_s": "TPOT",
    "itl_s": "Gap",
    "e2e_s": "E2E",
    "e2e_intended_s": "E2E from intended time",
    "output_tps": "Output speed",
    "system_tps": "System throughput",
    "requests_per_s": "Requests",
    "lateness_s": "Lateness of sending",
}
_SHARE_DIGITS: Final = 2
_DIGITS: Final = 3
_NOT_TAKEN: Final = Missing("not_measured", "this was not measured at this level")
_COUNTED: Final = Missing("counted", "a count has no error of the clock")


@final
@dataclass(frozen=True, slots=True)
class Shown:
    """A column, the client's share beside each cell, two short heads for a narrow screen."""

    column: Column
    shares: tuple[str, ...]
    heads: tuple[str, str]


@final
@dataclass(frozen=True, slots=True)
class FigureRow:
    """All statistics of one metric at one level, in the order of `STATISTICS`."""

    title: str
    unit: str
    definition: str
    n: int
    cells: tuple[Cell, ...]
    shares: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class _Measure:
    """A column before its numbers: how to read it from a level."""

    key: str
    title: str
    heads: tuple[str, str]
    unit: str
    better: Better
    definition: str
    read: Callable[[Level], Found]
    share: Callable[[Level], Reading[float]]
    shown: tuple[str, float] | None = None


def columns(levels: Sequence[Level], metrics: Metrics) -> tuple[Shown, ...]:
    """Return the columns that stand in front, those that these levels fill."""
    return tuple(_shown(measure, levels) for measure in _measures(levels, metrics))


def figure_rows(level: Level, metrics: Metrics) -> tuple[FigureRow, ...]:
    """Return every metric that a level has figures of."""
    names = dict.fromkeys(figure.metric for figure in level.figures)
    return tuple(_figure_row(name, level, metrics) for name in names)


def gaps(levels: Sequence[Level], found: Sequence[Shown]) -> tuple[story.Gap, ...]:
    """Gather the empty cells of all columns by measure and reason."""
    gathered: dict[tuple[str, str], list[str]] = {}
    for shown in found:
        for level, cell in zip(levels, shown.column.cells, strict=True):
            if cell.why is not None:
                key = (shown.column.title, str(cell.why))
                gathered.setdefault(key, []).append(level.load)
    return tuple(story.merged(gathered))


def title_of(metric: str, metrics: Metrics) -> str:
    """Return a metric's short name: the field's word, its declared title, or its key in words."""
    name, _, rest = metric.partition(" ")
    declared = metrics.get(name)
    word = WORDS.get(name) or (declared.title if declared else _plain(name))
    return f"{word} {rest}".strip()


def unit_of(metric: str, metrics: Metrics) -> str:
    """Return the unit of a metric's stored values, from its declaration or its name."""
    name = metric.partition(" ")[0]
    if (declared := metrics.get(name)) is not None:
        return declared.unit
    endings = {"_tps": "tok/s", "_per_s": "1/s", "_s": "s", "_share": "share"}
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "")


def bound(size: float) -> str:
    """Return a bound with two significant digits, rounded up: it may be said too large only."""
    if size <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(size)) - _SHARE_DIGITS + 1)
    return significant(math.ceil(size / step - 1e-9) * step, _SHARE_DIGITS)


def share_text(share: Reading[float], shown: Display) -> str:
    """Return the client's share in a column's unit, empty where none is known.

    Beside seconds it stands in milliseconds: in seconds it would be zeros.
    """
    match share:
        case Missing():
            return ""
        case Measured(value=size):
            if shown.unit == "s":
                return f"±{bound(size * 1e3)} ms"
            return f"±{bound(size * shown.scale)}"


def with_interval(estimate: Estimate, write: Callable[[float], str]) -> str:
    """Return value and interval, or a dash with the reason."""
    text = said(estimate.value, write)
    match estimate:
        case Estimate(value=Measured(), low=Measured(value=low), high=Measured(value=high)):
            return f"{text} [{write(low)}, {write(high)}]"
        case _:
            return text


def rounded(value: float) -> str:
    """Return a number with three significant digits."""
    return significant(value, _DIGITS)


def _plain(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_tps").replace("_", " ")


def _shown(measure: _Measure, levels: Sequence[Level]) -> Shown:
    found = [measure.read(level) for level in levels]
    values = [one.reading.value for one in found if isinstance(one.reading, Measured)]
    shown = display(measure.unit, values, declared=measure.shown)
    column = Column(
        key=measure.key,
        title=measure.title,
        unit=measure.unit,
        better=measure.better,
        definition=measure.definition,
        shown=shown,
        cells=tuple(cell_of(one, shown, None) for one in found),
    )
    top, bottom = measure.heads
    return Shown(
        column,
        tuple(
            "" if cell.why else share_text(measure.share(level), shown)
            for level, cell in zip(levels, column.cells, strict=True)
        ),
        (top, bottom.replace("{unit}", shown.unit)),
    )


def _figure_row(metric: str, level: Level, metrics: Metrics) -> FigureRow:
    figures = [level.figure(metric, statistic) for statistic in STATISTICS]
    taken = [figure for figure in figures if figure is not None]
    values = [f.estimate.value.value for f in taken if isinstance(f.estimate.value, Measured)]
    shown = display(taken[0].unit, values, declared=None)
    declared = metrics.get(metric)
    cells = tuple(cell_of(_found(figure), shown, None) for figure in figures)
    return FigureRow(
        title=title_of(metric, metrics),
        unit=shown.unit,
        definition=declared.definition if declared else "",
        n=max(figure.estimate.n for figure in taken),
        cells=cells,
        shares=tuple(
            share_text(figure.client_share, shown) if figure and not cell.why else ""
            for figure, cell in zip(figures, cells, strict=True)
        ),
    )


def _found(figure: Figure | None) -> Found:
    return Found(_NOT_TAKEN) if figure is None else of_estimate(figure.estimate)


def _measures(levels: Sequence[Level], metrics: Metrics) -> Iterator[_Measure]:
    yield from _COUNTS
    if any(level.counts.dropped for level in levels):
        yield _DROPPED
    yield from _RATES
    for metric, statistic, word in _FRONT:
        if any(level.figure(metric, statistic) for level in levels):
            heads = (word, f"{statistic} {{unit}}")
            measure = _figure_measure(metric, statistic, heads, metrics)
            yield replace(measure, shown=_one_unit(metric, levels, measure.unit))
    if any(isinstance(level.goodput, Measured) for level in levels):
        yield _GOODPUT


def _one_unit(metric: str, levels: Sequence[Level], unit: str) -> tuple[str, float]:
    """Return the display unit and scale that all statistics of a metric share."""
    found = [f.estimate.value for level in levels for f in level.figures if f.metric == metric]
    shown = display(unit, [one.value for one in found if isinstance(one, Measured)], declared=None)
    return shown.unit, shown.scale


def _figure_measure(
    metric: str, statistic: Statistic, heads: tuple[str, str], metrics: Metrics
) -> _Measure:
    declared = metrics.get(metric)

    def share(level: Level) -> Reading[float]:
        figure = level.figure(metric, statistic)
        return _NOT_TAKEN if figure is None else figure.client_share

    return _Measure(
        key=f"{metric}.{statistic}",
        title=f"{title_of(metric, metrics)} {statistic}",
        heads=heads,
        unit=unit_of(metric, metrics),
        better=declared.better if declared else "lower",
        definition=declared.definition if declared else "",
        read=lambda level: _found(level.figure(metric, statistic)),
        share=share,
    )


def _count(read: Callable[[Level], int]) -> Callable[[Level], Found]:
    return lambda level: Found(Measured(float(read(level)), "client"))


def _of(reading: Reading[float]) -> Found:
    return Found(reading)


def _no_share(_: Level) -> Reading[float]:
    return _COUNTED


def _goodput(level: Level) -> Found:
    match level.goodput:
        case Measured(value=goodput):
            return of_estimate(goodput.share)
        case Missing():
            return Found(level.goodput)


_COUNTS: Final = (
    _Measure(
        "completed", "Completed", ("requests", "ok"), "count", "higher",
        "Requests that were answered whole.", _count(lambda level: level.counts.completed),
        _no_share,
    ),
    _Measure(
        "failed", "Failed", ("", "failed"), "count", "lower",
        "Requests that were refused, broke off or came damaged.",
        _count(lambda level: level.counts.failed), _no_share,
    ),
)  # fmt: skip
_DROPPED: Final = _Measure(
    "dropped", "Never sent", ("never", "sent"), "count", "lower",
    "Requests whose turn had not come when the load ended.",
    _count(lambda level: level.counts.dropped), _no_share,
)  # fmt: skip
_RATES: Final = (
    _Measure(
        "requests_per_s", "Requests completed", ("", "req/s"), "1/s", "higher",
        "Requests answered whole, over the elapsed time of the load.",
        lambda level: of_estimate(level.throughput.requests_per_s), _no_share,
    ),
    _Measure(
        "system_tps", "System throughput", ("", "tok/s"), "tok/s", "higher",
        "All output tokens over the elapsed time of the load.",
        lambda level: _of(level.throughput.system_tps), _no_share,
    ),
)  # fmt: skip
_FRONT: Final[tuple[tuple[str, Statistic, str], ...]] = (
    ("ttft_s", "p50", "TTFT"),
    ("ttft_s", "p95", "TTFT"),
    ("ttft_s", "p99", "TTFT"),
    ("ttft_intended_s", "p95", "intended"),
    ("tpot_s", "p50", "TPOT"),
    ("itl_s", "p95", "gap"),
    ("itl_s", "p99", "gap"),
    ("e2e_s", "p50", "E2E"),
)
_GOODPUT: Final = _Measure(
    "goodput_share", "Goodput", ("goodput", "{unit}"), "share", "higher",
    "Requests that met every objective of a single request, by all requests; failed ones never do.",
    _goodput, _no_share,
)  # fmt: skip
