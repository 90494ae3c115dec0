"""Blocked random order with sentinels: heat and drift may not pass for a difference.

Every block holds each subject once, in an order drawn afresh from (seed, block); the sentinel
cell stands in the middle and at the end of each block, and before the first. The draw sorts by a
hash, so the same sweep has the same order on every machine and Python version. Not aware of
what a cell costs. Source: DESIGN §4 point 13; randomised complete blocks, any textbook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from steelyard.domain.ids import content_id

T = TypeVar("T")


def shuffled(cells: Sequence[T], key: Callable[[T], str], *, seed: int, block: int) -> list[T]:
    """Return the block's cells in the order that (seed, block) draws."""
    return sorted(
        cells,
        key=lambda cell: content_id({"seed": seed, "block": block, "cell": key(cell)}, length=64),
    )


def sentinel_slots(cells: int, *, first_block: bool) -> tuple[int, ...]:
    """Return before which of `cells` positions a sentinel stands (`cells` itself: after the last).

    Each block ends on a sentinel, so that dropping later blocks leaves every kept run between two.
    """
    middle = cells // 2
    slots = {middle, cells} if middle else {cells}
    return tuple(sorted(slots | {0})) if first_block else tuple(sorted(slots))


def interleave(cells: Sequence[T], sentinel: Callable[[int], T], *, first_block: bool) -> list[T]:
    """Put sentinels among a block's cells; `sentinel(n)` makes the block's n-th."""
    slots = sentinel_slots(len(cells), first_block=first_block)
    placed: list[T] = []
    for position in range(len(cells) + 1):
        if position in slots:
            placed.append(sentinel(slots.index(position)))
        if position < len(cells):
            placed.append(cells[position])
    return placed
