"""Clocks and ids: what sorts by time really does."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from steelyard.platform import clock
from steelyard.platform.clock import monotonic_ns, uuid7, wall_time


def test_ids_are_version_seven_and_sort_by_the_millisecond_they_were_made_in() -> None:
    first = uuid7()
    until = monotonic_ns() + 3_000_000
    while monotonic_ns() < until:
        pass
    second = uuid7()
    assert first.version == second.version == 7
    assert first.variant == second.variant
    assert str(first) < str(second)


def test_two_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7() for _ in range(1000)}) == 1000


def test_wall_time_is_utc_and_to_the_second() -> None:
    stamp = datetime.fromisoformat(wall_time())
    assert stamp.tzinfo == UTC
    assert abs((datetime.now(UTC) - stamp).total_seconds()) < 5


def test_a_date_that_was_set_is_seen_beside_the_clock_that_nobody_sets() -> None:
    before = clock.ahead_ns()
    assert abs(clock.jumped_s(before)) < 1
    assert clock.jumped_s(before - 3600 * 10**9) == pytest.approx(3600, abs=1)


def test_a_process_knows_when_it_was_started() -> None:
    before = monotonic_ns()
    words = "from steelyard.platform import clock; print(clock.process_began_ns())"
    told = subprocess.run([sys.executable, "-c", words], capture_output=True, check=True, text=True)
    resolution_ns = 20_000_000
    assert before - resolution_ns <= int(told.stdout) <= monotonic_ns()
    assert int(told.stdout) - before < (monotonic_ns() - before) / 2  # and not when it asked
