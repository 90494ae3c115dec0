"""Answers tried out, several at a time, while nothing is timed.

A trial waits for a process of its own most of the time, so threads do. Not aware of what is tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from steelyard.domain.task import Mark, Trial
from steelyard.platform.sandbox import end_running

_AT_ONCE_MOST: Final = 8


def tried(trials: Mapping[str, Trial]) -> Iterator[tuple[str, Mark]]:
    """Yield the mark of each trial as it ends; an interrupt ends those that run."""
    workers = min(_AT_ONCE_MOST, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="trial")
    try:
        running = {pool.submit(trial.mark): sample for sample, trial in trials.items()}
        for done in as_completed(running):
            yield running[done], done.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        # Nobody waits for them any more; the interpreter would, at its end.
        end_running()
        raise
    finally:
        pool.shutdown()
