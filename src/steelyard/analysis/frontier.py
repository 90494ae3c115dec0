"""Frontiers: what nothing beats; of the variants that meet every gate, and of points in general.

A variant is on it unless another one that qualifies needs no more bits per weight (`file_bpw`,
read from the file) and gives at least as many right answers per second, and is better in one of
the two. Its ends are the two recommendations: the smallest, and the one of best value. Not aware
of gates or marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One variant that qualifies: what it costs and what it brings."""

    label: str
    file_bpw: float
    right_per_second: float


def efficiency_frontier(points: Sequence[Point]) -> tuple[str, ...]:
    """Return the labels on the frontier, smallest first; equal points are all on it."""
    kept = [p for p in points if not any(_beats(other, p) for other in points)]
    return tuple(p.label for p in sorted(kept, key=lambda p: (p.file_bpw, p.label)))


def undominated(points: Sequence[Sequence[float]]) -> tuple[bool, ...]:
    """Say of each point whether no other is at least as low in every number and lower in one."""
    return tuple(not any(_dominates(other, point) for other in points) for point in points)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = tuple(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _beats(one: Point, other: Point) -> bool:
    no_worse = one.file_bpw <= other.file_bpw and one.right_per_second >= other.right_per_second
    better = one.file_bpw < other.file_bpw or one.right_per_second > other.right_per_second
    return no_worse and better
