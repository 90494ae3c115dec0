"""The clocks: monotonic nanoseconds for every duration, wall time once per run for people.

Not aware of what is timed. UUIDv7: RFC 9562, section 5.7.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

monotonic_ns = time.monotonic_ns


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
