"""Which of a model's variants fit on the disk at once: what a sweep can weigh together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Need:
    """One variant: what of it is still to be fetched, and whether the others are compared with it.

    `size_bytes` is all of it, here or not: of two that fit equally well, the larger is kept.
    """

    label: str
    size_bytes: int
    missing_bytes: int
    reference: bool = False


def most_together(needs: Sequence[Need], budget_bytes: int) -> tuple[Need, ...]:
    """Return as many variants as fit within the budget, of those the ones of most bytes.

    The reference is kept as long as another fits beside it. In the order given; none where no two
    fit.
    """
    first = [need for need in needs if need.reference]
    for forced in (first, []):
        found = _most([need for need in needs if need not in forced], forced, budget_bytes)
        if len(found) > 1:
            return tuple(need for need in needs if need in found)
    return ()


def _most(others: Sequence[Need], forced: Sequence[Need], budget: int) -> list[Need]:
    left = budget - sum(need.missing_bytes for need in forced)
    if left < 0:
        return []
    count, cheapest, total = 0, sorted(others, key=lambda need: need.missing_bytes), 0
    for need in cheapest:
        total += need.missing_bytes
        count += total <= left
    chosen: list[Need] = []
    for need in sorted(others, key=lambda one: (-one.size_bytes, one.label)):
        if len(chosen) == count:
            break
        rest = [one for one in cheapest if one not in chosen and one is not need]
        owed = sum(one.missing_bytes for one in rest[: count - len(chosen) - 1])
        if need.missing_bytes + owed <= left:
            chosen.append(need)
            left -= need.missing_bytes
    return [*forced, *chosen]
