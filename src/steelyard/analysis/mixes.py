"""Is a mix of tensor types better than the stock mix of the same size? The proof, from windows.

Both are scored on the same windows of a held-out text. Positions of one window hang together, so
windows are the clusters: the ratio of divergences has Fieller's interval over their totals, which
pairs the two. One mix is proved in a search, so nothing is corrected for. Not aware of tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Measured
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean_estimate
from steelyard.stats.ratios import ratio_estimate

GOAL: Final = 0.9  # of the stock mix's divergence: a tenth less
LEAST_WINDOWS: Final = 8
Claim: TypeAlias = Literal["better by a tenth", "better", "none"]


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """Mean divergences on the held-out text, in nats, and the mix's over the stock's."""

    mix: Estimate
    stock: Estimate
    ratio: Estimate
    positions: int

    @property
    def claim(self) -> Claim:
        """What the interval of the ratio allows to be said."""
        high = self.ratio.high
        if not isinstance(high, Measured) or high.value >= 1:
            return "none"
        return "better by a tenth" if high.value <= GOAL else "better"


def divergence(sums: Sequence[float], positions: int) -> Estimate:
    """Estimate the mean divergence of a position from the sums of equally long windows."""
    each = positions / len(sums)
    return mean_estimate([total / each for total in sums])


def proved(mix: Sequence[float], stock: Sequence[float], positions: int) -> Proof:
    """Compare the divergences of both, window by window (sums over each, in nats)."""
    return Proof(
        divergence(mix, positions),
        divergence(stock, positions),
        ratio_estimate(mix, stock),
        positions,
    )
