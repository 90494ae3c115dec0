"""When bytes came: the kernel's receive stamps, brought to the monotonic clock.

With `SO_TIMESTAMPNS` a read returns, beside the bytes, the moment at which the kernel took up the
last of them (Linux 4.14 on), however late we were to read. Those stamps are on the wall clock: how
far it is from the monotonic one is sampled over and over, and a step of the wall clock shows as a
change, since slewing moves both alike. Where the kernel gives no stamps, the moment at which the
read returned stands in. Not aware of HTTP or of what the bytes mean.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from typing import Final, final

# Not in the socket module; the numbers of the generic Linux headers (sparc, mips, parisc differ).
_SO_TIMESTAMPNS: Final = 35
_ANCILLARY_BYTES: Final = 32
_TRIES: Final = 16
# Two readings of one offset differ by their own duration; a step is far more.
_STEP_NS: Final = 200_000
# From the interrupt to our first instruction on an idle core, power saving states included.
_WAKE_NS: Final = 150_000
_SETTLE_S: Final = 0.25
_DATA_SEGMENTS_AT: Final = 152  # tcpi_data_segs_in in struct tcp_info, Linux 4.6 on
_INFO_BYTES: Final = 156
_UNSIGNED: Final = struct.Struct("I")

TIMESPEC: Final = struct.Struct("qq")
ANCILLARY_BYTES: Final = _ANCILLARY_BYTES


@final
class WallClock:
    """How far the wall clock is from the monotonic one, and whether it was stepped."""

    def __init__(self) -> None:
        self.offset_ns = _offset_ns()
        self.steps = 0

    def look(self) -> bool:
        """Sample the offset; True when the wall clock was stepped since the last look."""
        now = _offset_ns()
        stepped = abs(now - self.offset_ns) > _STEP_NS
        if stepped:
            self.offset_ns = now
            self.steps += 1
        return stepped


@final
class Turn:
    """Since when what woke us may have been there, by the scheduler's own account of us.

    A process that slept until something came ran as soon as it got a core: how long it waited for
    one the kernel counts (`/proc/self/schedstat`). Where it does not, nothing is claimed.
    """

    def __init__(self) -> None:
        self._file = -1
        with contextlib.suppress(OSError):
            self._file = os.open("/proc/self/schedstat", os.O_RDONLY)
        self._waited_ns = self._read()

    def began_ns(self, woke_ns: int) -> int:
        """Return the earliest moment at which what ended our sleep at `woke_ns` can have come."""
        waited_ns = self._read()
        if self._file < 0:
            return 0
        turn_ns, self._waited_ns = waited_ns - self._waited_ns, waited_ns
        return woke_ns - turn_ns - _WAKE_NS

    def _read(self) -> int:
        if self._file < 0:
            return 0
        return int(os.pread(self._file, 96, 0).split()[1])


def switch_on(sock: socket.socket) -> bool:
    """Ask the kernel for receive stamps on a socket; say whether it agreed."""
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return True
    return False


def keeper() -> socket.socket | None:
    """Return a socket that keeps the kernel stamping while it is open; None where it will not.

    Tried on a connection of our own, since the first socket of a machine that asks for stamps has
    them a moment later only.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(1.0)
            ours = socket.create_connection(listener.getsockname(), timeout=1.0)
            peer, _ = listener.accept()
            with peer:
                end = time.monotonic() + _SETTLE_S
                while switch_on(ours) and time.monotonic() < end:
                    peer.send(b"x")
                    if ours.recvmsg(1, _ANCILLARY_BYTES)[1]:
                        return ours
                    time.sleep(0.001)
    except (OSError, AttributeError):
        return None
    ours.close()
    return None


def segments(sock: socket.socket) -> int:
    """Return how many pieces with data the network has delivered on this socket; 0: not told."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, AttributeError):
        return 0
    if len(info) < _INFO_BYTES:
        return 0
    found: int = _UNSIGNED.unpack_from(info, _DATA_SEGMENTS_AT)[0]
    return found


def _offset_ns() -> int:
    """Return wall minus monotonic, from the tightest of several brackets."""
    wall, monotonic = time.clock_gettime_ns, time.monotonic_ns
    best, offset = 1 << 62, 0
    for _ in range(_TRIES):
        before = monotonic()
        at = wall(time.CLOCK_REALTIME)
        width = monotonic() - before
        if width < best:
            best, offset = width, at - before - width // 2
    return offset
