"""The type of a metric's declaration; the metrics themselves are declared in `analysis.metrics`.

Name, unit, direction, needs, definition and formula stand side by side; no table, exporter or
chart knows a metric by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar, final

from steelyard.domain.reading import Reading

S = TypeVar("S")

Better: TypeAlias = Literal["higher", "lower", "neither"]
Band: TypeAlias = Literal["excellent", "good", "acceptable", "poor", "failed"]


@final
@dataclass(frozen=True, slots=True)
class Metric(Generic[S]):
    """One number that can be read from one `S` (an attempt, a section, a run, a variant).

    `bands` are the four limits between excellent, good, acceptable, poor and failed, in the
    metric's own unit and direction. `scale` and `display_unit` serve reports only.
    """

    name: str
    title: str
    unit: str
    better: Better
    definition: str
    formula: Callable[[S], Reading[float]]
    formula_version: int = 1
    needs: frozenset[str] = frozenset()
    bands: tuple[float, float, float, float] | None = None
    display_unit: str | None = None
    scale: float = 1.0
    digits: int = 1

    def band(self, value: float) -> Band | None:
        """Return the rating band of a value, or None where none is declared."""
        if self.bands is None or self.better == "neither":
            return None
        names: tuple[Band, ...] = ("excellent", "good", "acceptable", "poor")
        for name, limit in zip(names, self.bands, strict=True):
            if value >= limit if self.better == "higher" else value <= limit:
                return name
        return "failed"
