"""Who may write, use or delete one file: locks that the system drops when their holder ends.

A pull holds its file alone, so that two processes never fetch the same bytes twice; whoever runs a
model holds a lease on it, shared, and a removal needs it alone. The lock of a file in the Hugging
Face cache is the one that its own library takes (`.locks/REPO/ETAG.lock`, flock). Not aware of
what the files hold.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Final

from steelyard.domain.errors import BadInput
from steelyard.models.hub.patience import pause
from steelyard.platform import atomic

_LOOK_AGAIN_S: Final = 0.1


@contextmanager
def alone(
    lock: Path, stop: Event | None = None, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold `lock` for ourselves; wait while somebody else does, and say so once by `waiting`."""
    descriptor, told = _open(lock), False
    try:
        while not _try(descriptor, fcntl.LOCK_EX) or not _is(lock, descriptor):
            if not _is(lock, descriptor):
                os.close(descriptor)
                descriptor = _open(lock)
                continue
            if waiting is not None and not told:
                told = True
                waiting()
            pause(_LOOK_AGAIN_S, stop or Event())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unless_held(lock: Path) -> Iterator[bool]:
    """Hold `lock` alone and yield true, or yield false where somebody holds it."""
    descriptor = _open(lock)
    try:
        yield _try(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


@contextmanager
def shared(lock: Path) -> Iterator[None]:
    """Hold `lock` together with others who only use the file; a removal waits for all of them."""
    descriptor = _open(lock)
    try:
        while not _try(descriptor, fcntl.LOCK_SH):
            pause(_LOOK_AGAIN_S, Event())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def in_use(leases: Iterable[Path]) -> Iterator[None]:
    """Hold leases on files that are used while the block runs.

    Where a lease cannot be written, in a store that is only read, nobody can delete either.
    """
    with ExitStack() as stack:
        for lease in dict.fromkeys(leases):
            with suppress(BadInput):
                stack.enter_context(shared(lease))
        yield


def forget(lock: Path) -> None:
    """Remove a lock file that we hold: whoever waits for it sees that it is another one now."""
    lock.unlink(missing_ok=True)


def _open(lock: Path) -> int:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise atomic.unwritable(lock, error) from None


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(lock: Path, descriptor: int) -> bool:
    """Whether the file that we opened is still the one of that name."""
    try:
        there = lock.stat()
    except OSError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
