"""Answers tried out, several at a time, while nothing is timed.

A trial waits for a process of its own most of the time, so threads do. Not aware of what is tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as NotDone
from typing import Final

from steelyard.domain.errors import TimeOver
from steelyard.domain.task import Mark, Trial
from steelyard.platform import clock
from steelyard.platform.sandbox import end_running
from steelyard.runs import marking

_AT_ONCE_MOST: Final = 8
_NS_PER_S: Final = 1e9


def tried(trials: Mapping[str, Trial], until_ns: int | None = None) -> Iterator[tuple[str, Mark]]:
    """Yield the mark of each trial as it ends; an interrupt ends those that run.

    Raises `TimeOver` at `until_ns`, and ends them too.
    """
    left_s = None if until_ns is None else max(0, until_ns - clock.monotonic_ns()) / _NS_PER_S
    workers = min(_AT_ONCE_MOST, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="trial")
    try:
        running = {pool.submit(marking.tried, trial): sample for sample, trial in trials.items()}
        for done in as_completed(running, left_s):
            yield running[done], done.result()
    except NotDone:
        _give_up(pool)
        raise TimeOver("the time was over before all answers were tried out") from None
    except BaseException:
        _give_up(pool)
        raise
    finally:
        pool.shutdown()


def _give_up(pool: ThreadPoolExecutor) -> None:
    """End what runs: nobody waits for it any more; the interpreter would, at its end."""
    pool.shutdown(wait=False, cancel_futures=True)
    end_running()
