"""Charts of the machine over time: CPU of the engine and of everything else, and temperature.

Time runs from the first sample of the sweep on the monotonic clock, in minutes; between runs the
line is broken. Long series are thinned by means, which the caption says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.vitals import Vitals, VitalSample
from steelyard.reports.charts import ACCENT, SECOND, Chart, Spec, frame

_POINTS: Final = 600
_MINUTE_NS: Final = 60_000_000_000
_HEIGHT: Final = 170
_NO_SERIES: Final = Missing("no_samples", "no series of samples was kept with these runs")


def over_time(series: Mapping[str, Vitals]) -> tuple[Chart, ...]:
    """Return the charts of CPU and temperature over the whole sweep."""
    runs = sorted(
        ((name, vitals) for name, vitals in series.items() if vitals.samples),
        key=lambda run: (run[1].samples[0].at_ns, run[0]),
    )
    samples = sum(len(vitals.samples) for _, vitals in runs)
    step = -(-samples // _POINTS) or 1
    thinned = f" Each point is the mean of {step} samples." if step > 1 else ""
    return (
        Chart(
            "cpu",
            "CPU over time",
            f"In cores: 2 is two cores busy. Solid: the engine; dashed: other programs.{thinned}",
            _spec(runs, step, (("engine_cpu_share", ACCENT), ("other_cpu_share", SECOND)), "cores"),
        ),
        Chart(
            "temperature",
            "CPU temperature over time",
            f"Of the hottest sensor of the processor.{thinned}",
            _spec(runs, step, (("cpu_temperature_c", ACCENT),), "°C"),
        ),
    )


def _spec(
    runs: Sequence[tuple[str, Vitals]], step: int, fields: Sequence[tuple[str, str]], unit: str
) -> Reading[Spec]:
    if not runs:
        return _NO_SERIES
    start = runs[0][1].samples[0].at_ns
    layers = []
    for place, (field, colour) in enumerate(fields):
        points = [p for run in runs for p in _points(*run, field, start, step)]
        if points:
            layers.append(_line(points, colour, [4, 3] if place else [], unit))
    if not layers:
        return _reason(runs, fields[0][0])
    return Measured(frame(layers, height=_HEIGHT), "derived")


def _points(
    name: str, vitals: Vitals, field: str, start_ns: int, step: int
) -> Iterator[dict[str, float | str]]:
    for first in range(0, len(vitals.samples), step):
        bucket = vitals.samples[first : first + step]
        values = [value for sample in bucket if (value := _value(sample, field)) is not None]
        if values:
            minutes = (bucket[0].at_ns - start_ns) / _MINUTE_NS
            yield {"minutes": round(minutes, 4), "value": round(fmean(values), 3), "run": name}


def _value(sample: VitalSample, field: str) -> float | None:
    reading: Reading[float] = getattr(sample, field)
    return value_of(reading)


def _reason(runs: Sequence[tuple[str, Vitals]], field: str) -> Missing:
    for _, vitals in runs:
        for sample in vitals.samples:
            if isinstance(reading := getattr(sample, field), Missing):
                return reading
    return _NO_SERIES


def _line(points: Sequence[Spec], colour: str, dash: Sequence[int], unit: str) -> Spec:
    return {
        "data": {"values": list(points)},
        "mark": {
            "type": "line", "color": colour, "strokeWidth": 1.4, "strokeDash": list(dash),
            "aria": False,
        },
        "encoding": {
            "x": {"field": "minutes", "type": "quantitative", "title": "minutes",
                  "scale": {"nice": False}, "axis": {"grid": False, "tickCount": 8}},
            "y": {"field": "value", "type": "quantitative", "title": unit,
                  "scale": {"zero": unit != "°C", "nice": True}, "axis": {"tickCount": 4}},
            "detail": {"field": "run"},
        },
    }  # fmt: skip
