"""What reports need of a metric's declaration: its words and its bands, never its formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from steelyard.domain.metric import Band, Better


class Declared(Protocol):
    """The readable half of `domain.metric.Metric`, whatever it is computed from."""

    @property
    def name(self) -> str:
        """The key that summaries and files use."""

    @property
    def title(self) -> str:
        """A heading."""

    @property
    def unit(self) -> str:
        """The unit of stored values."""

    @property
    def better(self) -> Better:
        """Which way is better."""

    @property
    def definition(self) -> str:
        """What it is, in plain words."""

    @property
    def display_unit(self) -> str | None:
        """The unit of shown values, where it is another."""

    @property
    def scale(self) -> float:
        """What a stored value is multiplied with to be shown."""

    def band(self, value: float) -> Band | None:
        """Return the rating band of a value, or None where none is declared."""


Metrics: TypeAlias = Mapping[str, Declared]
