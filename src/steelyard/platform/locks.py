"""One writer per folder: a lock that the system drops when its holder ends, however it ends.

The file `lock` stays behind and holds the last owner's process id, for the message only; what
counts is the lock on it. Not aware of what the folder is for.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput, Busy

LOCK_NAME: Final = "lock"
_PID_BYTES: Final = 32


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if need be) for ourselves.

    Raises:
        Busy: another process holds it; the message names its pid.
        BadInput: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BadInput(
            f"cannot write to {folder}: {error.strerror}", hint="choose another folder with --out"
        ) from None
    try:
        _take(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace").strip()
        raise Busy(
            f"{folder} is in use by process {holder or 'unknown'}",
            hint="wait for it, stop it, or choose another folder with --out",
        ) from None
