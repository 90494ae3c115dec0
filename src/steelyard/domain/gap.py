"""What one model knows of public items beside private ones of the same making.

Shares are fractions. Not aware of how marks were counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from steelyard.domain.faults import Faults
from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate, Marks


@final
@dataclass(frozen=True, slots=True)
class GapRow:
    """One family, or all: right share of the public items less that of the private ones.

    The items of either side are others, so nothing is paired. `p` is the two-sided one of "no
    gap", `p_adjusted` Holm's over the families, and the interval of a family is taken at the level
    at which Holm tests it. `wanting` of the items were not run, on both sides together.
    """

    name: str
    public: Marks
    private: Marks
    gap: Estimate
    p: Reading[float]
    p_adjusted: Reading[float]
    wanting: int


@final
@dataclass(frozen=True, slots=True)
class Gap:
    """Public items beside private ones, by family and over all.

    `seed` is what may be told of the private seed. `in_both` counts by family the items that both
    sets have, which are left out of either: a family of few items may draw one twice. `pooled` says
    which tasks a family pools. The row over all stands by itself, decided beforehand to be the main
    one; that of one family alone is it.
    """

    public: str
    private: str
    model: str
    engine: str
    simulated: bool
    seed: str
    families: tuple[GapRow, ...]
    overall: GapRow
    in_both: Mapping[str, int]
    pooled: Mapping[str, tuple[str, ...]]
    confidence: float = 0.95
    faults: Mapping[str, Faults] = field(default_factory=dict)
