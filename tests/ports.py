"""A port for a server that a test starts on its own: free, and none that the system hands out.

Whoever binds port 0 gets one of the system's own range, which begins at 32768 on Linux and at
49152 on macOS. A port of that range, once let go, may be another's before its server has it.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress

OURS = range(20_000, 32_000)


def free() -> int:
    """Return a port of 127.0.0.1 that nobody uses."""
    chance = random.SystemRandom()  # a seeded one would choose the same in every process
    for _ in range(100):
        port = chance.choice(OURS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
