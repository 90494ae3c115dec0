"""What the forms of a prompt came to: each beside the clean items, and all together.

Not aware of how forms are made or marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate

NO_PAIRS: Final = Missing("no_samples", "no form was run beside its clean item")


@final
@dataclass(frozen=True, slots=True)
class FormRight:
    """One form: its share of right answers, and its flips against the clean items."""

    form: str
    right: Estimate
    pairs: int
    lost: int
    won: int

    @property
    def gain(self) -> Reading[float]:
        """Return the difference to the clean items of the same pairs, as a share."""
        if not self.pairs:
            return NO_PAIRS
        return Measured((self.won - self.lost) / self.pairs, "derived")

    @property
    def agreement(self) -> Reading[float]:
        """Return the share of pairs in which both are right or neither is."""
        if not self.pairs:
            return NO_PAIRS
        return Measured(1 - (self.won + self.lost) / self.pairs, "derived")


@final
@dataclass(frozen=True, slots=True)
class Robustness:
    """All forms, and what they come to."""

    forms: tuple[FormRight, ...]
    flip_rate: Estimate
    worst_case: Estimate
    spread: Reading[float]
