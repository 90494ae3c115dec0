"""What is going on, as typed events: rooms emit them, doors show them, and nobody prints.

Not aware of terminals. Times left are the doors' affair, from `done` and `total`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final


@final
@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase of the work began; `total` counts its steps where that is known."""

    name: str
    total: int | None = None
    detail: str = ""


@final
@dataclass(frozen=True, slots=True)
class Advanced:
    """`done` of the phase's steps are done; `detail` says what the last one was.

    `total` is how many there are by now, where that has changed since the phase began.
    """

    name: str
    done: int
    detail: str = ""
    total: int | None = None


@final
@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """The phase ended after so many seconds."""

    name: str
    seconds: float


@final
@dataclass(frozen=True, slots=True)
class Noted:
    """Something a person should read now."""

    text: str
    warning: bool = False


@final
@dataclass(frozen=True, slots=True)
class Gauges:
    """How a load goes, seen from outside the timed path: nothing here looks into an answer.

    `first_ms` and `gap_ms` are medians of late: until the first bytes of an answer, and between
    its reads. `late_ms` is the longest that anything lay unread, `behind_ms` the latest send.
    """

    name: str
    elapsed_s: float
    sent: int
    done: int
    failed: int
    in_flight: int
    per_s: float
    first_ms: float | None
    gap_ms: float | None
    late_ms: float
    behind_ms: float
    planned: int | None = None


Progress: TypeAlias = PhaseStarted | Advanced | PhaseEnded | Noted | Gauges
Emit: TypeAlias = Callable[[Progress], None]
