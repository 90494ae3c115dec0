"""Charts of a bench: throughput and latencies against the load, and each level over time.

The load is what was offered where requests came by a schedule, and how many were in flight in the
mean where they came in a closed loop: both are measured. Style and drawing are the sweep's. A chart
that has nothing to show is a reason instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.bench import BenchSummary, Level, Statistic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.reports import bench_story
from steelyard.reports.charts import ACCENT, INK, PAPER, SECOND, Chart, Spec, frame
from steelyard.reports.columns import Found, of_estimate
from steelyard.reports.figures import Display, display

_HEIGHT: Final = 170
_LOG_FROM: Final = 8  # times from the least to the most load
_FEWEST: Final = 2
_NO_SAMPLES: Final = Missing("no_samples", "no request of this level has such a value")
_DASHES: Final[tuple[tuple[str, list[int]], ...]] = ((ACCENT, []), (SECOND, [5, 4]))


@final
@dataclass(frozen=True, slots=True)
class _Series:
    """One line: its name, and what each level has to say."""

    name: str
    levels: tuple[Level, ...]
    read: Callable[[Level], Found]


def against_load(summary: BenchSummary) -> tuple[Chart, ...]:
    """Return the charts over all levels, none where there is only one."""
    if max((len(one.levels) for one in summary.measurements), default=0) < _FEWEST:
        return ()
    return (
        _chart(summary, "throughput", "System throughput", "tok/s", ("Higher is better.", _system)),
        _chart(summary, "ttft", "TTFT", "s", ("Lower is better.", _figure("ttft_s"))),
        _chart(summary, "tpot", "TPOT", "s", ("Lower is better.", _figure("tpot_s"))),
        _chart(summary, "e2e", "E2E", "s", ("Lower is better.", _figure("e2e_s"))),
    )


def over_time(summary: BenchSummary) -> tuple[Chart, ...]:
    """Return two charts for each level: time to first token, and requests in flight."""
    return tuple(
        chart
        for place in range(len(summary.measurements))
        for number, level in enumerate(summary.measurements[place].levels)
        for chart in _of_level(level, f"{place}-{number}", _whose(summary, place))
    )


_Reader = Callable[[Level], Found]
_Read = Callable[[Statistic], _Reader]


def _system(statistic: Statistic) -> _Reader:
    del statistic  # a rate of the whole level has none
    return lambda level: Found(level.throughput.system_tps)


def _figure(metric: str) -> _Read:
    def of(statistic: Statistic) -> _Reader:
        def read(level: Level) -> Found:
            figure = level.figure(metric, statistic)
            return Found(_NO_SAMPLES) if figure is None else of_estimate(figure.estimate)

        return read

    return of


def _chart(
    summary: BenchSummary, key: str, title: str, unit: str, shown: tuple[str, _Read]
) -> Chart:
    caption, read = shown
    several = len(summary.measurements) > 1
    names: list[tuple[str, int, Statistic]]
    if several:
        names = [(bench_story.name_of(summary, place), place, "p50") for place in (0, 1)]
    elif unit == "s":
        names = [("p50", 0, "p50"), ("p95", 0, "p95")]
    else:
        names = [(summary.measurements[0].subject, 0, "p50")]
    series = [_Series(n, summary.measurements[place].levels, read(s)) for n, place, s in names]
    if len(series) > 1:
        caption += f" Solid: {_drawn(series[0])}; dashed: {_drawn(series[1])}."
    if several and unit == "s":
        caption += " Medians."
    about = f"{caption} Bars are intervals." if unit == "s" else caption
    return Chart(key, f"{title} against the load", about, _spec(series, title, unit))


def _drawn(one: _Series) -> str:
    """Name a line, and say so where no level has a point of it."""
    readings = [one.read(level).reading for level in one.levels]
    known = any(isinstance(reading, Measured) for reading in readings)
    return one.name if known else f"{one.name} (of no level)"


def _spec(series: Sequence[_Series], title: str, unit: str) -> Reading[Spec]:
    levels = [level for one in series for level in one.levels]
    axis = _load_axis(levels)
    if isinstance(axis, Missing):
        return axis
    readings = [one.read(level).reading for one in series for level in one.levels]
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    if not values:
        return next((r for r in readings if isinstance(r, Missing)), _NO_SAMPLES)
    shown = display(unit, values, declared=None)
    points = [list(_points(one, axis.value, shown)) for one in series]
    y = _axis(f"{title}, {shown.unit}", max(p["high"] for line in points for p in line))
    layers: list[Spec] = []
    for line, (colour, dash) in zip(points, _DASHES, strict=False):
        layers += _line(line, colour, dash, (_x(axis.value, levels), y))
    return Measured(frame(layers), "derived")


@final
@dataclass(frozen=True, slots=True)
class _Axis:
    """What stands for the load."""

    title: str
    read: Callable[[Level], Reading[float]]


def _offered(level: Level) -> Reading[float]:
    return level.throughput.offered_per_s


def _in_flight(level: Level) -> Reading[float]:
    return level.throughput.in_flight_mean


def _load_axis(levels: Sequence[Level]) -> Reading[_Axis]:
    for axis in (_Axis("offered, requests/s", _offered), _Axis("in flight, mean", _in_flight)):
        if all(isinstance(axis.read(level), Measured) for level in levels):
            return Measured(axis, "derived")
    reasons = (reading for level in levels if isinstance(reading := _in_flight(level), Missing))
    return next(reasons, _NO_SAMPLES)


def _points(one: _Series, axis: _Axis, shown: Display) -> Iterator[Spec]:
    for level in one.levels:
        found, load = one.read(level), axis.read(level)
        if isinstance(found.reading, Missing) or isinstance(load, Missing):
            continue
        value = found.reading.value
        low = found.low.value if isinstance(found.low, Measured) else value
        high = found.high.value if isinstance(found.high, Measured) else value
        text = f"{shown.text(value)} {shown.unit}"
        interval = f" {shown.interval(low, high)}" if isinstance(found.low, Measured) else ""
        yield {
            "load": round(load.value, 4),
            "value": value * shown.scale,
            "low": low * shown.scale,
            "high": high * shown.scale,
            "about": f"{level.load}, {one.name}: {text}{interval}",
        }


def _x(axis: _Axis, levels: Sequence[Level]) -> Spec:
    loads = [load.value for level in levels if isinstance(load := axis.read(level), Measured)]
    log = min(loads) > 0 and max(loads) / min(loads) >= _LOG_FROM
    scale: Spec = {"domain": [min(loads), max(loads)], "nice": False, "padding": 16}
    scale |= {"type": "log", "base": 2} if log else {"zero": False}
    return {
        "field": "load",
        "type": "quantitative",
        "title": f"{axis.title} (logarithmic)" if log else axis.title,
        "scale": scale,
        "axis": {"format": "~r" if log else ",~r", "tickCount": 6, "grid": False},
    }


def _axis(title: str, top: float) -> Spec:
    return {
        "field": "value",
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [0, top * 1.12 or 1], "nice": False},
        "axis": {"format": ",~r", "tickCount": 5},
    }


def _line(points: list[Spec], colour: str, dash: list[int], axes: tuple[Spec, Spec]) -> list[Spec]:
    x, y = axes
    data = {"values": points}
    low = {**y, "field": "low"}
    return [
        {
            "data": data,
            "mark": {"type": "line", "color": colour, "strokeDash": dash, "strokeWidth": 1.5,
                     "opacity": 0.55, "aria": False},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": data,
            "mark": {"type": "rule", "color": colour, "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "y": low, "y2": {"field": "high"}},
        },
        {
            "data": data,
            "mark": {"type": "point", "filled": True, "size": 60, "stroke": colour,
                     "strokeWidth": 2, "opacity": 1},
            "encoding": {"x": x, "y": y, "fill": {"value": PAPER if dash else colour},
                         "description": {"field": "about"}},
        },
    ]  # fmt: skip


def _whose(summary: BenchSummary, place: int) -> str:
    return f", {bench_story.LETTERS[place]}" if len(summary.measurements) > 1 else ""


def _of_level(level: Level, key: str, whose: str) -> Iterator[Chart]:
    shaded = "Shaded: the steady window. " if isinstance(level.steady, Measured) else ""
    where = f"{level.load}{whose}"
    yield Chart(
        f"ttft-time-{key}",
        f"TTFT over time: {where}",
        f"{shaded}Each point is one request, by the moment it was sent; long loads are thinned.",
        _time_spec(level, level.ttft_over_time, "TTFT", "s"),
    )
    yield Chart(
        f"flight-time-{key}",
        f"In flight over time: {where}",
        f"{shaded}Requests sent and not yet answered whole.",
        _time_spec(level, level.in_flight_over_time, "in flight", "count"),
    )


def _time_spec(
    level: Level, samples: Sequence[tuple[float, float]], title: str, unit: str
) -> Reading[Spec]:
    if not samples:
        return _NO_SAMPLES
    shown = display(unit, [value for _, value in samples], declared=None)
    top = max(value for _, value in samples) * shown.scale
    y = _axis(f"{title}, {shown.unit}" if shown.unit else title, top)
    y["axis"] |= {"tickCount": 4} | ({"tickMinStep": 1} if unit == "count" else {})
    x: Spec = {
        "field": "at_s", "type": "quantitative", "title": "seconds",
        "scale": {"nice": False, "zero": True}, "axis": {"grid": False, "tickCount": 8},
    }  # fmt: skip
    points = [{"at_s": round(at, 3), "value": value * shown.scale} for at, value in samples]
    mark: Spec = (
        {"type": "point", "filled": True, "size": 12, "color": ACCENT, "opacity": 0.75}
        if unit == "s"
        else {"type": "line", "interpolate": "step-after", "color": ACCENT, "strokeWidth": 1.3}
    )
    layers = [
        *_window(level, x),
        {
            "data": {"values": points},
            "mark": {**mark, "aria": False},
            "encoding": {"x": x, "y": y},
        },
    ]
    return Measured(frame(layers, height=_HEIGHT), "derived")


def _window(level: Level, x: Spec) -> list[Spec]:
    """Shade the window that the figures are taken from."""
    match level.steady:
        case Missing():
            return []
        case Measured(value=window):
            edges = {"start": window.start_s, "end": window.end_s}
            return [
                {
                    "data": {"values": [edges]},
                    "mark": {"type": "rect", "color": INK, "opacity": 0.08, "aria": False},
                    "encoding": {"x": {**x, "field": "start"}, "x2": {"field": "end"}},
                }
            ]
