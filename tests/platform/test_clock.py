"""Clocks and ids: what sorts by time really does."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from steelyard.platform import clock
from steelyard.platform.clock import Worked, monotonic_ns, uuid7, wall_time

S = 1_000_000_000


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


def test_what_a_process_did_before_its_first_moment_is_counted_at_the_pace_seen_since() -> None:
    first = Worked(at_ns=100 * S, cpu_ns=S // 2)
    assert clock.began_ns(first, Worked(104 * S, S // 2 + 2 * S)) == 99 * S  # half a processor
    assert clock.began_ns(first, Worked(102 * S, S // 2 + 2 * S)) == 99 * S + S // 2
    assert clock.began_ns(first, first) == 99 * S + S // 2


def test_a_process_is_not_charged_for_what_a_wrapper_waited_before_it_became_it() -> None:
    words = (
        "from steelyard.platform.clock import Worked, began_ns; now = Worked.now(); "
        "print(began_ns(now, now))"
    )
    wrapper = ("bash", "-c", 'sleep 1; exec "$0" -c "$1"', sys.executable, words)
    before = monotonic_ns()
    told = subprocess.run(wrapper, capture_output=True, check=True, text=True)
    assert before + S <= int(told.stdout) <= monotonic_ns()
