"""What long load did to the chosen variant, as lines for every format, and its speed as a chart.

Nothing is decided here. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Soak, SweepSummary
from steelyard.reports.charts import ACCENT, Chart, Spec, frame
from steelyard.reports.figures import duration, percent, said, significant, size
from steelyard.reports.story import Line

TITLE: Final = "Soak of what was chosen"
_DIGITS: Final = 3
_HEIGHT: Final = 170
_MINUTE_S: Final = 60.0


def lines(summary: SweepSummary) -> tuple[Line, ...]:
    """Return what was found; nothing where no soak was asked for."""
    match summary.soak:
        case Missing(code="not_asked"):
            return ()
        case Missing():
            return (Line("soak", f"none: {summary.soak.detail}"),)
        case Measured(value=found):
            return _lines(found)


def charts(summary: SweepSummary) -> tuple[Chart, ...]:
    """Return the chart of the speed over the soak, where there was one."""
    if isinstance(summary.soak, Missing):
        return ()
    found = summary.soak.value
    points = [
        {"minutes": round(at_s / _MINUTE_S, 4), "value": round(rate, 3)}
        for at_s, rate in found.tps_over_time
    ]
    spec: Reading[Spec] = Missing("no_requests", "too little came to draw it over time")
    if points:
        spec = Measured(frame([_line(points)], height=_HEIGHT), "derived")
    caption = f"Of {found.label}, {found.streams} at a time, from the first to the last send."
    return (Chart("soak", "Output tokens a second over the soak", caption, spec),)


def _lines(found: Soak) -> tuple[Line, ...]:
    ended = f"; {found.reason}" if found.reason else ""
    codes = f" ({', '.join(found.cautions)})" if found.cautions else ""
    return (
        Line(
            "load",
            f"{found.label}, {found.streams} at a time, {said(found.elapsed_s, duration)} of"
            f" {duration(found.asked_s)}{ended}",
        ),
        Line("outcome", f"{found.outcome}, {found.quality}{codes}"),
        Line("requests", f"{found.requests:,}, {found.failed:,} failed"),
        Line("sustained, tok/s", said(found.system_tps, _rounded), "all output tokens by the time"),
        Line("first third, tok/s", _estimate(found.first_third_tps, _rounded)),
        Line("last third, tok/s", _estimate(found.last_third_tps, _rounded)),
        Line("change of speed", _estimate(found.change, _signed), "last third against the first"),
        Line("temperature", f"{_heat(found)} (limit {found.temperature_limit_c:.0f} °C)"),
        Line("throttled", said(found.throttle_events, _times)),
        Line("change of clock", said(found.clock_change, _signed), "last third against the first"),
        Line("swap grew by", said(found.swap_growth_bytes, _bytes)),
        Line(
            "change of the engine's memory", said(found.memory_change, _signed),
            "last third against the first: what keeps growing leaks",
        ),
    )  # fmt: skip


def _heat(found: Soak) -> str:
    if isinstance(found.temperature_max_c, Missing):
        return said(found.temperature_max_c, _degrees)
    return (
        f"at most {said(found.temperature_max_c, _degrees)};"
        f" {said(found.temperature_first_c, _degrees)} in the first third,"
        f" {said(found.temperature_last_c, _degrees)} in the last"
    )


def _estimate(estimate: Estimate, write: Callable[[float], str]) -> str:
    text = said(estimate.value, write)
    match estimate:
        case Estimate(value=Measured(), low=Measured(value=low), high=Measured(value=high)):
            return f"{text} [{write(low)}, {write(high)}]"
        case _:
            return text


def _rounded(value: float) -> str:
    return significant(value, _DIGITS)


def _signed(share: float) -> str:
    return f"{'+' if share >= 0 else ''}{percent(share)}"


def _degrees(celsius: float) -> str:
    return f"{celsius:.0f} °C"


def _times(count: float) -> str:
    return counted(round(count), "time")


def _bytes(count: float) -> str:
    return size(int(count))


def _line(points: list[Spec]) -> Spec:
    return {
        "data": {"values": points},
        "mark": {"type": "line", "color": ACCENT, "strokeWidth": 1.4, "aria": False},
        "encoding": {
            "x": {"field": "minutes", "type": "quantitative", "title": "minutes",
                  "scale": {"nice": False}, "axis": {"grid": False, "tickCount": 8}},
            "y": {"field": "value", "type": "quantitative", "title": "tok/s",
                  "scale": {"zero": True, "nice": True}, "axis": {"tickCount": 4}},
        },
    }  # fmt: skip
