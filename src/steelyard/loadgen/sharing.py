"""Which of several drivers gets the next request, as a pure machine.

The streams in force are shared out as evenly as they go. Every driver is kept supplied with twice
its share, so that room is filled without waiting for the parent; what is beyond that stays with
the parent until an answer says where room has appeared. A driver that has no share any more gives
back what waits there. Not aware of processes, clocks or bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final, final

_SUPPLY: Final = 2  # times the share: all of it may finish at once


@final
class Sharing:
    """The machine. `turn` brings it to a moment; drivers are counted from 0."""

    def __init__(self, streams: int, drivers: int) -> None:
        self._streams = streams
        self._levels: list[tuple[int, int]] = []
        self._last_call_ns: int | None = None
        self._over = False
        self._held = [0] * drivers
        self._asked_back = [False] * drivers
        self._shares = shares(streams, drivers)

    def set_streams(self, streams: int, at_ns: int) -> None:
        """From a moment on this many requests may be in flight, all drivers together."""
        heapq.heappush(self._levels, (at_ns, streams))
        self._last_call_ns, self._over = None, False

    def last_call(self, at_ns: int) -> None:
        """From this moment on any driver drops what it gets."""
        self._last_call_ns = at_ns

    def turn(self, now_ns: int) -> None:
        """Let the levels come into force whose moment has come."""
        while self._levels and self._levels[0][0] <= now_ns:
            self._streams = heapq.heappop(self._levels)[1]
        self._over = self._last_call_ns is not None and self._last_call_ns <= now_ns
        # What the next level needs has to be there when it begins.
        following = self._levels[0][1] if self._levels else 0
        self._shares = shares(max(self._streams, following), len(self._held))
        self._asked_back = [
            a and not s for a, s in zip(self._asked_back, self._shares, strict=True)
        ]

    def next_ns(self) -> int | None:
        """Return the next moment at which something changes by itself."""
        moments = [self._levels[0][0]] if self._levels else []
        if self._last_call_ns is not None and not self._over:
            moments.append(self._last_call_ns)
        return min(moments, default=None)

    def pick(self) -> int | None:
        """Return whose the next request is, or None: it waits until somebody has room for it.

        After the last call it is anybody's, to be dropped.
        """
        if self._over or len(self._held) == 1:
            return self._given(0)
        supply = [_SUPPLY * share for share in self._shares]
        free = [n for n, held in enumerate(self._held) if held < supply[n]]
        return self._given(min(free, key=self._fullness)) if free else None

    def pick_bound(self) -> int:
        """Return whose the next request is that is bound to a moment."""
        sharing = [n for n, share in enumerate(self._shares) if share]
        return self._given(min(sharing or range(len(self._held)), key=self._fullness))

    def came_back(self, driver: int) -> None:
        """Note that a request handed to this driver is answered, dropped or given back."""
        self._held[driver] -= 1

    def stranded(self) -> Iterable[int]:
        """Return, once each, the drivers that hold requests and have no share any more."""
        if not any(self._shares):
            return []  # there is nobody to give them to
        found = [
            number
            for number, held in enumerate(self._held)
            if held and not self._shares[number] and not self._asked_back[number]
        ]
        for number in found:
            self._asked_back[number] = True
        return found

    def _fullness(self, driver: int) -> float:
        """Return how full a driver is with one request more; up to 1 that is sent at once."""
        return (self._held[driver] + 1) / max(1, self._shares[driver])

    def _given(self, driver: int) -> int:
        self._held[driver] += 1
        self._asked_back[driver] = False
        return driver


def shares(streams: int, drivers: int) -> list[int]:
    """Share streams out as evenly as they go."""
    each, over = divmod(streams, drivers)
    return [each + (number < over) for number in range(drivers)]
