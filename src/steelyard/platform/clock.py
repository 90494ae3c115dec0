"""The clocks: monotonic nanoseconds for every duration, wall time once per run for people.

Not aware of what is timed. UUIDv7: RFC 9562, section 5.7.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, final
from uuid import UUID

monotonic_ns = time.monotonic_ns
_NS_PER_S: Final = 1e9


def ahead_ns() -> int:
    """Return how far the system's date is ahead of the monotonic clock; it moves when it is set."""
    return time.time_ns() - time.monotonic_ns()


def jumped_s(ahead_before_ns: int) -> float:
    """Return by how many seconds the date was set since then, or the machine slept."""
    return (ahead_ns() - ahead_before_ns) / _NS_PER_S


@final
@dataclass(frozen=True, slots=True)
class Worked:
    """A moment of this process, monotonic, and for how long it had worked by then, both in ns."""

    at_ns: int
    cpu_ns: int

    @classmethod
    def now(cls) -> Worked:
        """Return the moment that is now."""
        return cls(monotonic_ns(), time.process_time_ns())


def began_ns(first: Worked, now: Worked) -> int:
    """Return the monotonic moment at which the work of this process began.

    The work before the `first` moment that it took down is taken to have gone on at the pace seen
    since. When the process was started says less: a program that waits and then becomes this one
    (`exec`) hands its age on.
    """
    since_ns, cpu_ns = now.at_ns - first.at_ns, max(1, now.cpu_ns - first.cpu_ns)
    return first.at_ns - round(first.cpu_ns * max(1.0, since_ns / cpu_ns))


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
