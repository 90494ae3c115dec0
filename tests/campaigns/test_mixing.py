"""The search for a mix on planted sensitivities: the best is found, and nothing else is claimed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.campaigns.mixing import Choice, Finished, Measure, MixSearch, Option, Unit

BITS = {"Q3_K": 3.44, "IQ4_XS": 4.25, "Q4_K": 4.5, "Q5_K": 5.5, "Q6_K": 6.56}
NAMES = tuple(BITS)


def unit(name: str, weights: int, stock: str = "Q4_K") -> Unit:
    options = tuple(
        Option(kind, round(weights * bits / 8), plain=not kind.startswith("IQ"))
        for kind, bits in BITS.items()
    )
    return Unit(name, options, NAMES.index(stock))


UNITS = (unit("a", 1000), unit("b", 4000), unit("c", 4000), unit("d", 9000))
LOUD = (8.0, 1.0, 0.2, 0.4)
ROOM = sum(each.options[each.stock].size_bytes for each in UNITS)
STOCK: Choice = tuple(each.stock for each in UNITS)


def planted(choice: Choice, gains: tuple[float, ...] = LOUD) -> float:
    """Losses add up; a bit more is a quarter of the loss, and IQ4_XS is as good as Q4_K."""
    bits = {**BITS, "IQ4_XS": 4.5}
    return math.fsum(
        gain * 4.0 ** -bits[NAMES[at]]
        for gain, at in zip(gains, choice, strict=True)
        if at is not None
    )


def run(
    machine: MixSearch, loss: Callable[[Choice], float], seconds: float = 1.0
) -> tuple[Finished, list[Measure]]:
    asked: list[Measure] = []
    step = machine.start()
    while isinstance(step, Measure):
        asked.append(step)
        step = machine.handle(loss(step.choice), seconds * len(asked))
    return step, asked


def size(choice: Choice) -> int:
    return sum(
        u.options[at].size_bytes for u, at in zip(UNITS, choice, strict=True) if at is not None
    )


def best_by_brute_force(loss: Callable[[Choice], float], *, plain: bool = False) -> float:
    allowed = [n for n, name in enumerate(NAMES) if not (plain and name.startswith("IQ"))]
    every = itertools.product(allowed, repeat=len(UNITS))
    return min(loss(choice) for choice in every if size(choice) <= ROOM)


def test_where_losses_add_up_the_first_mix_is_the_best_there_is() -> None:
    found, asked = run(MixSearch(UNITS, ROOM, planted(STOCK)), planted)
    assert found.winner is not None
    assert found.winner.divergence == pytest.approx(best_by_brute_force(planted))
    assert found.winner.divergence < 0.8 * planted(STOCK)
    assert found.winner.foreseen == pytest.approx(found.winner.divergence)
    assert found.tried[1].divergence == pytest.approx(best_by_brute_force(planted, plain=True))
    assert found.alone == sum(len(each.options) for each in UNITS)
    assert [step.stage for step in asked[: found.alone]] == ["alone"] * found.alone


def test_no_whole_mix_is_ever_larger_than_the_room() -> None:
    for room in (ROOM - 1, ROOM, ROOM + 700):
        _, asked = run(MixSearch(UNITS, room, planted(STOCK)), planted)
        assert all(size(step.choice) <= room for step in asked if step.stage == "mix")


@settings(max_examples=40)
@given(gains=st.tuples(*[st.floats(0.01, 10)] * 4), room=st.integers(ROOM // 2, 2 * ROOM))
def test_it_keeps_to_the_room_and_claims_only_what_is_below_the_stock_mix(
    gains: tuple[float, ...], room: int
) -> None:
    def loss(choice: Choice) -> float:
        return planted(choice, gains)

    found, asked = run(MixSearch(UNITS, room, loss(STOCK)), loss)
    assert all(size(step.choice) <= room for step in asked if step.stage == "mix")
    if found.winner is not None:
        assert found.winner.divergence == loss(found.winner.choice) < loss(STOCK)


def test_losses_that_spoil_each_other_are_seen_in_the_second_look() -> None:
    """What adding up calls best has two groups that cost little alone and much together."""
    first = run(MixSearch(UNITS, ROOM, planted(STOCK)), planted)[0].tried[0].choice

    def loss(choice: Choice) -> float:
        return planted(choice) + 0.05 * (choice[1] == first[1] and choice[3] == first[3])

    found, _ = run(MixSearch(UNITS, ROOM, loss(STOCK)), loss)
    assert found.winner is not None
    assert found.tried[0].choice == first
    assert found.tried[0].divergence > 0.05 > found.tried[0].foreseen
    assert found.around > 0
    assert found.winner.divergence < found.tried[1].divergence
    assert found.winner.divergence < 1.25 * best_by_brute_force(loss)


def test_where_the_stock_mix_is_the_best_nothing_is_claimed() -> None:
    def loss(choice: Choice) -> float:
        return 1.0 if choice == STOCK else 1.5

    found, _ = run(MixSearch(UNITS, ROOM, loss(STOCK)), loss)
    assert found.winner is None
    assert found.tried
    assert "no mix that was tried is below the stock mix" in found.reason


def test_where_nothing_but_the_stock_mix_fits_nothing_is_tried() -> None:
    only = tuple(Unit(each.name, (each.options[each.stock],), 0) for each in UNITS)
    for room in (ROOM, ROOM - 1):
        found, asked = run(MixSearch(only, room, 1.0), lambda _: 0.5)
        assert found.winner is None
        assert "no other mix of these types that fits" in found.reason
        assert len(asked) == len(UNITS)


def test_a_budget_that_ends_early_uses_what_was_measured_until_then() -> None:
    every = sum(len(each.options) for each in UNITS)
    found, asked = run(MixSearch(UNITS, ROOM, planted(STOCK), budget_s=15.0), planted)
    assert len(UNITS) <= found.alone < every
    assert found.winner is not None
    assert {step.stage for step in asked[-2:]} <= {"mix", "around"}
    firsts = [step.choice for step in asked[: len(UNITS)]]
    assert all(sum(at is not None for at in choice) == 1 for choice in firsts)


def test_a_budget_too_short_for_the_stock_mix_says_so() -> None:
    found, asked = run(MixSearch(UNITS, ROOM, planted(STOCK), budget_s=2.0), planted)
    assert found.winner is None
    assert found.cut_short
    assert "the budget ended before each group" in found.reason
    assert len(asked) < len(UNITS)


def test_a_budget_that_ends_before_a_mix_is_tried_says_that_and_not_that_there_is_none() -> None:
    machine = MixSearch(UNITS, ROOM, planted(STOCK), budget_s=100.0)
    step = machine.start()
    for number in range(1, len(UNITS) + 1):
        assert isinstance(step, Measure)
        step = machine.handle(planted(step.choice), 95.0 if number == len(UNITS) else 1.0)
    assert isinstance(step, Finished)
    assert step.cut_short
    assert "before a mix was measured" in step.reason
