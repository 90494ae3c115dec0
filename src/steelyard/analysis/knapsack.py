"""One option for each unit, within a room, at the least cost: exactly.

The multiple-choice knapsack by dynamic programming over the options that nothing beats, with those
partial answers left out that cannot come below one already known. Costs are any finite numbers.
Not aware of what is packed. Sources: P. Sinha and A. A. Zoltners, Operations Research 27 (1979)
503-515 (dominance, the bound by a multiplier); M. Held and R. M. Karp (1970) for the multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

_HALVINGS: Final = 60
_GRACE: Final = 1e-9  # of the costs' size: rounding may not throw the answer away


@final
@dataclass(frozen=True, slots=True)
class Option:
    """One way to take a unit: its size and its cost; `key` is the caller's name for it."""

    key: int
    size: int
    cost: float


@final
@dataclass(frozen=True, slots=True)
class _Partial:
    """A choice for the first units; `before` leads back to the first of them."""

    size: int
    cost: float
    key: int
    before: _Partial | None


def choose(units: Sequence[Sequence[Option]], room: int) -> tuple[int, ...] | None:
    """Return the key chosen for each unit: least total cost with total size at most `room`.

    None where even the smallest options do not fit, or a unit has none.
    """
    if not all(units) or sum(min(o.size for o in unit) for unit in units) > room:
        return None
    useful = [_unbeaten(unit) for unit in units]
    rate, known = _priced(useful, room)
    least = [min(o.cost + rate * o.size for o in unit) for unit in useful]
    floors = [0.0]  # floors[k]: the least priced cost of the last k units
    smallest = [0]
    for unit, bound in zip(reversed(useful), reversed(least), strict=True):
        floors.append(floors[-1] + bound)
        smallest.append(smallest[-1] + unit[0].size)
    grace = _GRACE * (1.0 + sum(max(abs(o.cost) for o in unit) for unit in useful))
    states = [_Partial(0, 0.0, -1, None)]
    for done, unit in enumerate(useful, start=1):
        left = len(useful) - done
        most = room - smallest[left]
        spare = known + grace + rate * room - floors[left]
        states = _extended(states, unit, rate, most, spare)
    return _traced(min(states, key=lambda state: (state.cost, state.size)))


def _unbeaten(unit: Sequence[Option]) -> list[Option]:
    """Keep, smallest first, the options that no smaller one undercuts."""
    kept: list[Option] = []
    for option in sorted(unit, key=lambda o: (o.size, o.cost)):
        if not kept or option.cost < kept[-1].cost:
            kept.append(option)
    return kept


def _priced(units: Sequence[Sequence[Option]], room: int) -> tuple[float, float]:
    """Return the price of a byte at which the cheapest choice just fits, and that choice's cost."""

    def at(rate: float) -> tuple[int, float]:
        picked = [min(unit, key=lambda o: (o.cost + rate * o.size, o.size)) for unit in units]
        return sum(o.size for o in picked), sum(o.cost for o in picked)

    size, cost = at(0.0)
    if size <= room:
        return 0.0, cost
    spread = sum(max(o.cost for o in unit) - min(o.cost for o in unit) for unit in units)
    low, high = 0.0, max(spread, 1e-300)
    while at(high)[0] > room:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at(middle)[0] > room:
            low = middle
        else:
            high = middle
    return high, at(high)[1]


def _extended(
    states: Sequence[_Partial], unit: Sequence[Option], rate: float, most: int, spare: float
) -> list[_Partial]:
    """Add a unit to each partial choice that leaves room for the rest and may still be best."""
    grown = [
        _Partial(size, cost, option.key, state)
        for state in states
        for option in unit
        if (size := state.size + option.size) <= most
        and (cost := state.cost + option.cost) + rate * size <= spare
    ]
    grown.sort(key=lambda state: (state.size, state.cost))
    kept: list[_Partial] = []
    for state in grown:
        if not kept or state.cost < kept[-1].cost:
            kept.append(state)
    return kept


def _traced(state: _Partial) -> tuple[int, ...]:
    keys: list[int] = []
    at: _Partial | None = state
    while at is not None and at.before is not None:
        keys.append(at.key)
        at = at.before
    return tuple(reversed(keys))
