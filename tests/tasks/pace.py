"""How much processor time a piece of work takes, on a machine that others use, too."""

from __future__ import annotations

import time
from collections.abc import Callable

TRIES = 3


def takes_under(limit_s: float, work: Callable[[], object]) -> bool:
    """Whether the work takes less than so much of one core, done anew until it does.

    A busy host counts what it takes away as ours, so the quickest try is the one that is true.
    """
    for _ in range(TRIES):
        began_s = time.process_time()
        work()
        if time.process_time() - began_s < limit_s:
            return True
    return False
