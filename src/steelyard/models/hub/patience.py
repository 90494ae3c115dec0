"""How long a hub is waited for: attempts without progress, doubling pauses, its own wishes.

Not aware of sockets.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final, TypeVar, final

from steelyard.models.hub import remedies
from steelyard.models.hub.remedies import Trouble

_T = TypeVar("_T")
_JITTER: Final = 0.25


@final
@dataclass(frozen=True, slots=True)
class Patience:
    """`retries` attempts in a row without a new byte; pauses from `first_s`, doubled, to `most_s`.

    A server's own wish (Retry-After) is kept up to `longest_wait_s`; beyond that we give up at
    once and say when to come back.
    """

    retries: int = 5
    first_s: float = 0.5
    most_s: float = 30.0
    longest_wait_s: float = 300.0

    def pause_s(self, attempt: int, trouble: Trouble) -> float:
        """Return the pause before attempt number `attempt` (from 1); raise when it is over."""
        if trouble.problem not in remedies.PASSING or attempt > self.retries:
            raise trouble
        if trouble.wait_s is not None:
            if trouble.wait_s > self.longest_wait_s:
                raise trouble
            return trouble.wait_s
        pause = min(self.most_s, self.first_s * 2.0 ** (attempt - 1))
        # Many who were thrown out together shall not come back together.
        return pause * (1 + _JITTER * random.random())


@final
class Stopped(Exception):
    """Somebody else failed or the user stopped us; what has arrived is on disk."""


def patiently(call: Callable[[], _T], patience: Patience) -> _T:
    """Make a call until it works or patience is over; raise the last `Trouble`."""
    attempt = 0
    while True:
        try:
            return call()
        except Trouble as trouble:
            attempt += 1
            pause(patience.pause_s(attempt, trouble), Event())


def pause(seconds: float, stop: Event) -> None:
    """Wait, but not a moment longer than until somebody says stop."""
    if stop.wait(seconds):
        raise Stopped
