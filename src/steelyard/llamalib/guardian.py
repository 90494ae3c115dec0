"""A child that must not outlive its parent: how it finds out, and what it does then.

While native code holds the interpreter, only the kernel can watch, so `bind` asks for a death
signal. That signal follows the *thread* that started the child, so `watch` replaces it by a
process file descriptor as soon as the interpreter runs again. Not aware of servers or models.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.5


def bind() -> None:
    """Let the kernel kill this process when the thread that started it ends (Linux)."""
    _death_signal(signal.SIGKILL)


def watch() -> None:
    """Kill this process as soon as its parent process is gone, whichever thread started it."""
    parent = os.getppid()
    threading.Thread(target=_outlive, args=(parent,), daemon=True, name="guardian").start()
    _death_signal(0)


def _death_signal(number: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _outlive(parent: int) -> None:
    if sys.platform == "linux":
        try:
            descriptor = os.pidfd_open(parent)
        except OSError:
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
        else:
            select.select([descriptor], [], [])
            os.kill(os.getpid(), signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)
