"""The metric reference as a page: every declaration in plain words, generated from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from steelyard.analysis.metrics.registry import OF_ATTEMPT, OF_RUN, OF_SECTION, AnyMetric
from steelyard.analysis.ratings import BOARD_BANDS
from steelyard.domain.metric import Better

_INTRO: Final = """\
# Metrics

Every number is measured, or it is absent with a reason. Times are stamped by the client at the
wire, before anything is parsed; token counts are the engine's. A speed is stated together with
its prompt length, depth and cache state. Bands are the limits between excellent, good, acceptable
and poor; beyond the last it is failed. They can be set in `settings.toml`, table `[ratings]`.

This page is generated from the registry.
"""
_GROUPS: Final[tuple[tuple[str, tuple[AnyMetric, ...]], ...]] = (
    ("Of one request", OF_ATTEMPT),
    ("Of a workload or task", OF_SECTION),
    ("Of a run", OF_RUN),
)
_DIRECTIONS: Final[dict[Better, str]] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "neither": "neither way is better",
}


def markdown() -> str:
    """Return the text of `docs/reference/metrics.md`."""
    parts = [_INTRO]
    for heading, metrics in _GROUPS:
        parts.append(f"## {heading}\n")
        parts.extend("\n".join(_entry(metric)) for metric in metrics)
    return "\n".join(parts)


def _entry(metric: AnyMetric) -> Iterator[str]:
    yield f"### {metric.title} (`{metric.name}`)\n"
    yield f"{metric.definition}\n"
    shown = f", shown in {metric.display_unit}" if metric.display_unit else ""
    yield f"- Unit: {metric.unit}{shown}; {_DIRECTIONS[metric.better]}."
    if metric.needs:
        yield f"- Needs: {', '.join(sorted(metric.needs))}; otherwise it is absent."
    if metric.bands is not None:
        yield f"- Bands: {_limits(metric.bands)} {metric.unit}."
    if metric.name in BOARD_BANDS:
        yield f"- Bands on small boards: {_limits(BOARD_BANDS[metric.name])} {metric.unit}."
    yield f"- Formula version: {metric.formula_version}.\n"


def _limits(bands: tuple[float, float, float, float]) -> str:
    return " / ".join(f"{limit:g}" for limit in bands)
