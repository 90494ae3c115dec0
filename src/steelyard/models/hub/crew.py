"""Several files at once, with a limit: hands out errands, watches them, and breaks off as one.

The first failure stops the others, for what has arrived is kept and a second call goes on from
there. Not aware of hubs or of how progress is shown.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Final, TypeAlias, final

from steelyard.domain.errors import SteelyardError
from steelyard.models.hub import holding, transfer, wire
from steelyard.models.hub.landing import Landing
from steelyard.models.hub.patience import Stopped
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.transfer import Errand, Tally

_LOOK_S: Final = 0.1
_GRACE_S: Final = 5.0


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One errand and how far it is."""

    errand: Errand
    tally: Tally = field(default_factory=Tally)


@final
@dataclass(frozen=True, slots=True)
class Done:
    """A job's file is whole; `found` says that it was here already, fetched by somebody else."""

    job: Job
    found: bool


@final
@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process is fetching the very file; its turn is waited for."""

    job: Job


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """A job ended without its file."""

    job: Job
    error: Trouble | SteelyardError


Word: TypeAlias = Done | Waiting | Failed


def fetch_all(
    jobs: Sequence[Job],
    landing: Landing,
    limit: int,
    tell: Callable[[Word | None], None],
    stop: Event | None = None,
) -> None:
    """Fetch every job's file; `tell` hears of each, and of nothing ten times a second.

    Raises `Trouble` or an error of ours after the first failure, `Stopped` when `stop` is set by
    somebody else, and lets KeyboardInterrupt through: each time with no thread left that writes.
    """
    pending: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        pending.put(job)
    words: queue.SimpleQueue[Word] = queue.SimpleQueue()
    halt = Event()  # ours alone: what ends these jobs must not end the caller's others
    team = [
        threading.Thread(target=_work, args=(pending, landing, words, halt), daemon=True)
        for _ in range(min(limit, len(jobs)))
    ]
    for one in team:
        one.start()
    failure: Failed | None = None
    left = len(jobs)
    try:
        while left and failure is None:
            word = _next(words)
            tell(word)
            if isinstance(word, Failed):
                failure = word
            elif isinstance(word, Done):
                left -= 1
            elif word is None and stop is not None and stop.is_set():
                raise Stopped
    finally:
        halt.set()
        _dismiss(team, jobs)
    if failure is not None:
        raise failure.error


def _work(
    pending: queue.SimpleQueue[Job],
    landing: Landing,
    words: queue.SimpleQueue[Word],
    stop: Event,
) -> None:
    while not stop.is_set():
        try:
            job = pending.get_nowait()
        except queue.Empty:
            return
        try:
            words.put(Done(job, found=_one(job, landing, words, stop)))
        except Stopped:
            return
        except (Trouble, SteelyardError) as error:
            words.put(Failed(job, error))
        except OSError as error:
            words.put(Failed(job, Trouble("disk", str(error))))


def _one(job: Job, landing: Landing, words: queue.SimpleQueue[Word], stop: Event) -> bool:
    """Fetch one file under its lock; return whether somebody else has fetched it meanwhile."""
    file, spot = job.errand.file, landing.spot(job.errand.file)
    with holding.alone(spot.lock, stop, lambda: words.put(Waiting(job))):
        found = landing.has(file)
        if found:
            job.tally.done_bytes = file.size_bytes
        else:
            transfer.fetch(job.errand, spot.part, spot.whole, job.tally, stop)
        if not spot.keep_lock:
            holding.forget(spot.lock)
        return found


def _next(words: queue.SimpleQueue[Word]) -> Word | None:
    with suppress(queue.Empty):
        return words.get(timeout=_LOOK_S)
    return None


def _dismiss(team: Sequence[threading.Thread], jobs: Sequence[Job]) -> None:
    """See every thread off: whoever sits in a silent connection is woken by its end."""
    for thread in team:
        for job in jobs:
            if (answer := job.tally.answer) is not None and thread.is_alive():
                wire.cut(answer)
        thread.join(_GRACE_S)
