"""Runs of an evaluation drawn from a truth that is known. Imported by `coverage.py` beside it.

Passages of five items (pairs at 14 items) hang together: the shares of each are drawn from a beta
or Dirichlet law round the truth, so that two of its items are correlated by `alike`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

SIZES = (14, 30, 100, 500, 2000)
# Flat between these ends, and nothing else is known of them.
SHARES, LOST, WON, ALIKE = (0.3, 0.98), 0.3, 0.15, 0.4


@dataclass(frozen=True)
class Truth:
    """Shares of items that are right, lost and won, and the correlation within a passage."""

    share: float = 0.8
    lost: float = 0.08
    won: float = 0.05
    alike: float = 0.2

    @property
    def loss(self) -> float:
        """The share lost, net of what is won."""
        return self.lost - self.won


def plausible(source: Random, lost: float = LOST, won: float = WON) -> Truth:
    ends = (SHARES, (0.0, lost), (0.0, won), (0.0, ALIKE))
    share, lost, won, alike = (source.uniform(*end) for end in ends)
    return Truth(share, lost, won, max(alike, 1e-3))


def labels_of(n: int) -> list[str]:
    size = 2 if n == SIZES[0] else 5
    return [str(item // size) for item in range(n)]


def hits(labels: Sequence[str], truth: Truth, source: Random) -> list[bool]:
    """Draw what is right, passage by passage."""
    weight = 1 / truth.alike - 1
    a, b = truth.share * weight, (1 - truth.share) * weight
    shares = {label: source.betavariate(a, b) for label in dict.fromkeys(labels)}
    return [source.random() < shares[label] for label in labels]


def changes(labels: Sequence[str], truth: Truth, source: Random) -> list[int]:
    """Draw +1 for an item lost, -1 for one won and 0 for no change, passage by passage."""
    weight = 1 / truth.alike - 1
    means = (truth.lost, truth.won, 1 - truth.lost - truth.won)
    passages: dict[str, tuple[float, float]] = {}
    for label in dict.fromkeys(labels):
        parts = [source.gammavariate(m * weight, 1) if m > 0 else 0.0 for m in means]
        whole = sum(parts) or 1.0
        passages[label] = parts[0] / whole, parts[1] / whole
    return [_change(*passages[label], source) for label in labels]


def changes_alone(n: int, truth: Truth, source: Random) -> list[int]:
    return [_change(truth.lost, truth.won, source) for _ in range(n)]


def _change(lost: float, won: float, source: Random) -> int:
    drawn = source.random()
    return 1 if drawn < lost else -1 if drawn < lost + won else 0
