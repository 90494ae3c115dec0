"""Charts as Vega-Lite specs: speed, memory, right answers and KL divergence against bpw.

Colours are names of the page's own style variables, so that one drawing serves light, dark and
paper. A chart that has nothing to show is a reason instead. Not aware of how a spec is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.reports.by_family import of_family
from steelyard.reports.columns import Column, by_key
from steelyard.reports.declared import Metrics
from steelyard.reports.headlines import DEEP, SHALLOW, headline
from steelyard.reports.overall import columns

Spec = dict[str, Any]

ACCENT: Final = "var(--accent)"
SECOND: Final = "var(--second)"
INK: Final = "var(--ink)"
MUTED: Final = "var(--muted)"
RULE: Final = "var(--rule)"
PAPER: Final = "var(--paper)"
WIDTH: Final = 400
HEIGHT: Final = 230
_LONGEST: Final = 10
_LETTER: Final = 6.4  # pixels, at the labels' size
_BPW_TICKS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 12, 16, 32)


@final
@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: what it is called, what it shows in words, and its spec or why there is none."""

    key: str
    title: str
    caption: str
    spec: Reading[Spec]


def against_bpw(summary: SweepSummary, metrics: Metrics) -> tuple[Chart, ...]:
    """Return the charts of variants against bits per weight."""
    found = columns(summary, metrics)
    rows = summary.per_quant
    speed = _speed_chart(found, rows)
    charts = [speed] if speed else []
    for key, caption, extra in _FIXED:
        if (column := by_key(found, key)) is not None:
            spec = _spec([(column, ACCENT)], rows, **extra)
            charts.append(Chart(key, f"{column.title} against bits per weight", caption, spec))
    return tuple(charts)


def families_against_bpw(summary: SweepSummary) -> tuple[Chart, ...]:
    """Return two charts for each family of tasks: its right answers, and the items that flipped."""
    rows, charts = summary.per_quant, []
    for family in sorted({name for row in rows for name in row.family_marks}):
        right, flips = of_family(summary, family)
        caption = "Bars are intervals; the line is the reference."
        spec = _spec([(right, ACCENT)], rows, level=True)
        charts.append(Chart(right.key, right.title, f"Higher is better. {caption}", spec))
        caption = "Right with the variant or with the reference, not with both. Bars are intervals."
        charts.append(Chart(flips.key, flips.title, caption, _spec([(flips, SECOND)], rows)))
    return tuple(charts)


def frame(layers: Sequence[Spec], *, height: int = HEIGHT) -> Spec:
    """Wrap layers in the house style."""
    axis = {
        "labelColor": MUTED, "titleColor": INK, "gridColor": RULE, "domainColor": MUTED,
        "tickColor": MUTED, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500,
        "titlePadding": 8, "gridOpacity": 0.7, "tickSize": 4,
    }  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "background": None,
        "padding": 4,
        "layer": list(layers),
        "config": {
            "font": "system-ui, sans-serif",
            "view": {"stroke": None},
            "axis": axis,
            "legend": {"labelColor": INK, "labelFontSize": 12},
        },
    }


def _speed_chart(found: Sequence[Column], rows: Sequence[VariantRow]) -> Chart | None:
    """Chart the output speed, near the start of the context and deep in it."""
    taken = [column for wanted in (SHALLOW, DEEP) if (column := headline(found, wanted))]
    if not taken:
        return None
    lines = ("Solid", "dashed")
    where = "; ".join(f"{n}: {c.at.text}" for n, c in zip(lines, taken, strict=False) if c.at)
    return Chart(
        SHALLOW.metric,
        f"{taken[0].title} against bits per weight",
        f"Higher is better. {where}. Bars are intervals.",
        _spec(list(zip(taken, (ACCENT, SECOND), strict=False)), rows),
    )


_FIXED: Final[tuple[tuple[str, str, Mapping[str, bool]], ...]] = (
    (
        "memory_bytes",
        "Lower is better. The most that the engine's processes held: weights, cache and buffers.",
        {},
    ),
    ("right_share", "Higher is better. Bars are intervals; the line is the reference.",
     {"level": True}),
    (
        "kl_divergence",
        "Lower is closer to the reference. Logarithmic scale. Bars with ends are intervals; short"
        " ones lie under their point. It screens and never decides.",
        {"log": True},
    ),
)  # fmt: skip


def _spec(
    shown: Sequence[tuple[Column, str]],
    rows: Sequence[VariantRow],
    *,
    log: bool = False,
    level: bool = False,
) -> Reading[Spec]:
    series = [(column, colour, plotted(column, rows, log=log)) for column, colour in shown]
    if not any(points for _, _, points in series):
        reasons = [cell.why for column, _ in shown for cell in column.cells if cell.why]
        unsized = [row.variant.file_bpw for row in rows]
        reasons += [bpw for bpw in unsized if isinstance(bpw, Missing)]
        return reasons[0] if reasons else Missing("nothing_to_chart", "no variant has a value")
    layers: list[Spec] = []
    scale = _y_scale([p for _, _, points in series for p in points], log=log, level=level)
    if level and (line := _level(*series[0][::2], scale)) is not None:
        layers.append(line)
    dashes: tuple[list[int], ...] = ([], [5, 4])
    for (column, colour, points), dash in zip(series, dashes, strict=False):
        layers += _series(column, colour, dash, points, scale)
    named = [p for p in series[0][2] if len(series) == 1 or p["role"] != "aa"]
    layers += _labels(series[0][0], named, scale)
    return Measured(frame(layers), "derived")


def plotted(column: Column, rows: Sequence[VariantRow], *, log: bool) -> list[Spec]:
    """Return a data point for each measured variant, by bpw, with the side its label goes to."""
    points = []
    for row, cell in zip(rows, column.cells, strict=True):
        bpw = value_of(row.variant.file_bpw)
        if bpw is None or cell.raw is None or (log and cell.raw <= 0):
            continue
        unit = column.shown.unit
        low = cell.raw if cell.low is None else cell.low
        high = cell.raw if cell.high is None else cell.high
        if log:
            low = max(low, cell.raw / 10)
        points.append(
            {
                "label": short(row.variant.label),
                "bpw": bpw,
                "value": cell.raw * column.shown.scale,
                "low": low * column.shown.scale,
                "high": high * column.shown.scale,
                "role": row.role,
                "hollow": row.role == "aa" or row.quality == "POLLUTED",
                "about": f"{row.variant.label}: {cell.text} {unit} {cell.interval}".strip()
                + (", polluted" if row.quality == "POLLUTED" else ""),
            }
        )
    points.sort(key=lambda point: (point["bpw"], point["role"] == "aa"))
    _place_labels(points)
    return points


def _place_labels(points: Sequence[Spec]) -> None:
    """Put each label above its point, below where it would cover a neighbour's, or nowhere."""
    if not points:
        return
    octaves = math.log(max(points[-1]["bpw"] / points[0]["bpw"], 1.05))
    ends = {"above": -math.inf, "below": -math.inf}
    for point in points:
        at = math.log(point["bpw"] / points[0]["bpw"]) / octaves * (WIDTH - 44)
        half = len(point["label"]) * _LETTER / 2
        side = next((side for side, end in ends.items() if at - half > end), "")
        if side:
            ends[side] = at + half + 3
        point["side"] = side


def short(label: str) -> str:
    """Cut a label to what fits beside a point."""
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _x() -> Spec:
    return {
        "field": "bpw",
        "type": "quantitative",
        "title": "bits per weight (logarithmic)",
        "scale": {"type": "log", "nice": False, "padding": 22},
        "axis": {"values": list(_BPW_TICKS), "format": "~g", "grid": False},
    }


def _y_scale(points: Sequence[Spec], *, log: bool, level: bool) -> Spec:
    if log:
        return {"type": "log", "nice": False, "padding": 16}
    if level:  # a share differs little between variants: start near the lowest
        least = min(point["low"] for point in points)
        most = max(point["high"] for point in points)
        room = max((most - least) * 0.15, 0.5)
        return {"domain": [max(0, least - room), min(100, most + room)], "nice": False}
    return {"domain": [0, max(point["high"] for point in points) * 1.12], "nice": False}


def _y(column: Column, scale: Spec, field: str = "value") -> Spec:
    title = f"{column.title}, {column.shown.unit}" if column.shown.unit else column.title
    log = scale.get("type") == "log"
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": {"format": "~r" if log else ",~r", "tickCount": 5, "grid": not log},
    }


def _series(
    column: Column, colour: str, dash: Sequence[int], points: Sequence[Spec], scale: Spec
) -> list[Spec]:
    data = {"values": sorted(points, key=lambda point: point["role"] != "aa")}
    line = [point for point in points if point["role"] != "aa"]
    y = _y(column, scale)
    # On a logarithmic scale intervals are short: a small point and ends leave them to be seen.
    log = scale.get("type") == "log"
    size = 16 if log else 60
    shape: Spec = {"filled": True, "size": size, "stroke": colour, "strokeWidth": 2, "opacity": 1}
    ends = [_end(column, colour, data, scale, field) for field in ("low", "high")] if log else []
    return [
        {
            "data": {"values": line},
            "mark": {"type": "line", "color": colour, "strokeDash": list(dash), "opacity": 0.55,
                     "strokeWidth": 1.5, "aria": False},
            "encoding": {"x": _x(), "y": y},
        },
        {
            "data": data,
            "mark": {"type": "rule", "color": colour, "strokeWidth": 2, "aria": False},
            "encoding": {"x": _x(), "y": _y(column, scale, "low"), "y2": {"field": "high"}},
        },
        *ends,
        {
            "data": data,
            "mark": {"type": "point", **shape},
            "encoding": {
                "x": _x(),
                "y": y,
                "fill": {"condition": {"test": "datum.hollow", "value": PAPER}, "value": colour},
                "description": {"field": "about"},
            },
        },
    ]  # fmt: skip


def _end(column: Column, colour: str, data: Spec, scale: Spec, field: str) -> Spec:
    """Draw the ends of the intervals on one side."""
    return {
        "data": data,
        "mark": {"type": "tick", "orient": "horizontal", "color": colour, "size": 11,
                 "thickness": 2, "aria": False},
        "encoding": {"x": _x(), "y": _y(column, scale, field)},
    }  # fmt: skip


def _labels(column: Column, points: Sequence[Spec], scale: Spec) -> list[Spec]:
    layers = []
    for above in (True, False):
        side = "above" if above else "below"
        values = [point for point in points if point["side"] == side]
        layers.append(
            {
                "data": {"values": values},
                "mark": {"type": "text", "dy": -9 if above else 9, "fontSize": 11, "color": INK,
                         "baseline": "bottom" if above else "top", "aria": False},
                "encoding": {
                    "x": _x(),
                    "y": _y(column, scale, "high" if above else "low"),
                    "text": {"field": "label"},
                },
            }
        )  # fmt: skip
    return layers


def _level(column: Column, points: Sequence[Spec], scale: Spec) -> Spec | None:
    reference = next((point for point in points if point["role"] == "reference"), None)
    if reference is None:
        return None
    return {
        "data": {"values": [reference]},
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [2, 3], "aria": False},
        "encoding": {"y": _y(column, scale)},
    }
