"""Starts that are made up: medians with honest floors, ratios by pairs, reasons where none."""

from __future__ import annotations

import pytest

from steelyard.analysis import cold
from steelyard.domain.cold import Cache, OneStart
from steelyard.domain.reading import Measured, Missing, Reading, value_of

NONE = Missing("not_told", "nobody tells")


def seconds(value: float) -> Reading[float]:
    return Measured(value, "client")


def start(
    cache: Cache, ready_s: float, first_s: float = 0.2, *, read: int = 0, failed: str = ""
) -> OneStart:
    return OneStart(
        cache=cache,
        run_id="",
        cached=seconds(0.0),
        port_s=seconds(0.1),
        ready_s=seconds(ready_s),
        blind_s=seconds(0.01),
        read_bytes=Measured(read, "client"),
        fetched_bytes=NONE,
        first_s=seconds(first_s),
        warm_s=seconds(first_s / 2),
        failed=failed,
    )


def test_five_values_have_a_range_and_no_interval_six_have_both() -> None:
    five = cold.spread(seconds(n) for n in (5.0, 1.0, 2.0, 4.0, 3.0))
    assert value_of(five.median) == 3.0
    assert (value_of(five.lowest), value_of(five.highest)) == (1.0, 5.0)
    assert isinstance(five.low, Missing)
    assert five.low.code == "below_sample_floor"
    six = cold.spread(seconds(float(n)) for n in range(6))
    assert (value_of(six.low), value_of(six.high)) == (0.0, 5.0)


def test_what_nobody_told_keeps_its_reason() -> None:
    assert cold.spread([NONE, NONE]).median == NONE
    assert cold.spread([NONE, seconds(1.0)]).n == 1


def test_the_disk_is_as_fast_as_what_was_read_until_it_was_ready() -> None:
    side = value_of(cold.side("cold", [start("cold", 2.0, read=500_000_000)]))
    assert side is not None
    assert value_of(side.read_mb_per_s.median) == 250.0
    (nothing,) = [value_of(cold.side("warm", [start("warm", 2.0)]))]
    assert nothing is not None
    assert nothing.read_mb_per_s.median == Missing(
        "nothing_read", "nothing was fetched from storage"
    )


def test_first_over_later_goes_start_by_start() -> None:
    side = value_of(cold.side("warm", [start("warm", 1.0, first) for first in (0.1, 0.2, 0.8)]))
    assert side is not None
    assert value_of(side.first_over_warm.value) == pytest.approx(2.0)
    assert value_of(side.first_over_warm.low) == pytest.approx(2.0)
    assert side.first_over_warm.n == 3
    assert value_of(side.whole_s.median) == pytest.approx(1.2)


def test_cold_and_warm_starts_are_paired_in_their_order_and_failed_ones_left_out() -> None:
    starts = [start("cold", 4.0), start("warm", 2.0), start("warm", 1.0), start("cold", 2.0)]
    found = cold.cold_over_warm([*starts, start("cold", 9.0, failed="died")])
    assert value_of(found.value) == pytest.approx(2.0)
    assert found.n == 2


def test_where_no_start_came_up_the_first_reason_stands() -> None:
    found = cold.side("cold", [start("cold", 1.0, failed="no room")])
    assert found == Missing("no_starts", "no room")
    assert isinstance(cold.side("cold", []), Missing)
