"""One option a unit within a room: as cheap as trying everything, and never over."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.analysis.knapsack import Option, choose

UNITS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 40), st.floats(-2, 2, allow_nan=False)), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=5,
)


def options(raw: list[list[tuple[int, float]]]) -> list[list[Option]]:
    return [[Option(k, size, cost) for k, (size, cost) in enumerate(unit)] for unit in raw]


def brute(units: list[list[Option]], room: int) -> float | None:
    fits = [
        sum(o.cost for o in pick)
        for pick in itertools.product(*units)
        if sum(o.size for o in pick) <= room
    ]
    return min(fits) if fits else None


@settings(max_examples=400)
@given(raw=UNITS, room=st.integers(0, 160))
def test_it_is_never_over_the_room_and_as_cheap_as_trying_everything(
    raw: list[list[tuple[int, float]]], room: int
) -> None:
    units = options(raw)
    found, best = choose(units, room), brute(units, room)
    if best is None:
        assert found is None
        return
    assert found is not None
    picked = [unit[key] for unit, key in zip(units, found, strict=True)]
    assert sum(o.size for o in picked) <= room
    assert abs(sum(o.cost for o in picked) - best) < 1e-9


def test_a_unit_without_options_has_no_answer() -> None:
    assert choose([[Option(0, 1, 1.0)], []], 10) is None


def test_forty_units_of_twelve_options_are_no_burden() -> None:
    """A model of eighty layers has about as many; sizes as they are, not rounded."""
    draw = random.Random(1)
    units = [
        [
            Option(k, round(scale * bits), scale * draw.uniform(0.7, 1.4) * 4.0**-bits)
            for k, bits in enumerate((2.1, 2.6, 3.1, 3.4, 4.25, 4.5, 4.6, 5.5, 5.6, 6.6, 8.5, 16))
        ]
        for scale in (draw.uniform(1e5, 1e7) for _ in range(40))
    ]
    room = sum(unit[5].size for unit in units)
    found = choose(units, room)
    assert found is not None
    picked = [unit[key] for unit, key in zip(units, found, strict=True)]
    assert room * 0.999 < sum(o.size for o in picked) <= room
    assert sum(o.cost for o in picked) < sum(unit[5].cost for unit in units)
