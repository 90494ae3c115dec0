"""The clocks: monotonic nanoseconds for every duration, wall time once per run for people.

Not aware of what is timed. UUIDv7: RFC 9562, section 5.7.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import psutil

monotonic_ns = time.monotonic_ns
_NS_PER_S: Final = 1e9
_STAT: Final = Path("/proc/self/stat")
_STARTED: Final = 19  # proc(5): field 22, counted from behind the name


def ahead_ns() -> int:
    """Return how far the system's date is ahead of the monotonic clock; it moves when it is set."""
    return time.time_ns() - time.monotonic_ns()


def jumped_s(ahead_before_ns: int) -> float:
    """Return by how many seconds the date was set since then, or the machine slept."""
    return (ahead_ns() - ahead_before_ns) / _NS_PER_S


def process_began_ns() -> int:
    """Return the monotonic moment at which this process was started, to a hundredth of a second.

    Where the kernel tells it by the date alone, it is wrong by what the date was set since.
    """
    if _STAT.exists():
        ticks = int(_STAT.read_text().rpartition(")")[2].split()[_STARTED])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    else:
        age_s = time.time_ns() / _NS_PER_S - psutil.Process().create_time()
    return monotonic_ns() - round(max(0.0, age_s) * _NS_PER_S)


def wall_time() -> str:
    """Return the wall time in UTC as ISO 8601 to the second; for people, never subtracted."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def uuid7() -> UUID:
    """Return an id that sorts by the millisecond in which it was made."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(
        int=(milliseconds & (1 << 48) - 1) << 80
        | 0x7 << 76
        | secrets.randbits(12) << 64
        | 0b10 << 62
        | secrets.randbits(62)
    )
