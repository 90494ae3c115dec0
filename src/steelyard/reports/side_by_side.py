"""Charts of variants side by side, for those whose sizes nobody knows: one row for each.

The house's charts set a number against bits per weight; a server that tells no sizes leaves
nothing to set it against. Not aware of how a spec is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.reports.charts import ACCENT, MUTED, PAPER, Chart, Spec, frame
from steelyard.reports.columns import Column, by_key
from steelyard.reports.declared import Metrics
from steelyard.reports.headlines import DEEP, FIRST_TOKEN, SHALLOW, headline
from steelyard.reports.overall import columns

_ROW: Final = 34
_LABEL_MOST: Final = 150


def unsized(summary: SweepSummary) -> bool:
    """Say whether no variant's size is known."""
    return all(isinstance(row.variant.file_bpw, Missing) for row in summary.per_quant)


def by_variant(summary: SweepSummary, metrics: Metrics) -> tuple[Chart, ...]:
    """Return the charts of speeds and right answers, a row for each variant."""
    found = columns(summary, metrics)
    shown = [headline(found, wanted) for wanted in (SHALLOW, DEEP, FIRST_TOKEN)]
    shown += [by_key(found, "right_share")]
    return tuple(_chart(column, summary.per_quant) for column in shown if column is not None)


def _chart(column: Column, rows: Sequence[VariantRow]) -> Chart:
    where = f" {column.at.text}." if column.at else ""
    end = {"higher": "Higher is better.", "lower": "Lower is better."}.get(column.better, "")
    return Chart(
        column.key,
        f"{column.title} by variant",
        f"{end}{where} Bars are intervals.".strip(),
        _spec(column, rows),
    )


def _spec(column: Column, rows: Sequence[VariantRow]) -> Reading[Spec]:
    points = _points(column, rows)
    if not points:
        reasons = [cell.why for cell in column.cells if cell.why]
        return reasons[0] if reasons else Missing("nothing_to_chart", "no variant has a value")
    data = {"values": points}
    y = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": _LABEL_MOST, "ticks": False, "domain": False},
    }
    most = max(point["high"] for point in points) * 1.05
    x = {
        "field": "value",
        "type": "quantitative",
        "title": column.heading,
        "scale": {"domain": [0, most or 1], "nice": False},
        "axis": {"format": ",~r", "tickCount": 5},
    }
    shape: Spec = {"type": "point", "filled": True, "size": 60, "stroke": ACCENT, "strokeWidth": 2}
    layers: list[Spec] = [
        {
            "data": data,
            "mark": {"type": "rule", "color": MUTED, "strokeWidth": 2, "aria": False},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "data": data,
            "mark": {**shape, "opacity": 1},
            "encoding": {
                "y": y,
                "x": x,
                "fill": {"condition": {"test": "datum.hollow", "value": PAPER}, "value": ACCENT},
                "description": {"field": "about"},
            },
        },
    ]
    return Measured(frame(layers, height=_ROW * len(points)), "derived")


def _points(column: Column, rows: Sequence[VariantRow]) -> list[Spec]:
    scale = column.shown.scale
    return [
        {
            "label": row.variant.label,
            "value": cell.raw * scale,
            "low": max(0.0, cell.raw if cell.low is None else cell.low) * scale,
            "high": (cell.raw if cell.high is None else cell.high) * scale,
            "hollow": row.role == "aa" or row.quality == "POLLUTED",
            "about": f"{row.variant.label}: {cell.text} {column.shown.unit} {cell.interval}".strip()
            + (", polluted" if row.quality == "POLLUTED" else ""),
        }
        for row, cell in zip(rows, column.cells, strict=True)
        if cell.raw is not None
    ]
