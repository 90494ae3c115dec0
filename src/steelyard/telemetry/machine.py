"""The whole machine's counters, read from /proc: busy time, load, runnable threads, swap.

Not aware of whose load it is. Fields: proc_stat(5), proc_loadavg(5), proc_meminfo(5).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
_IDLE: Final = (3, 4)  # idle and waiting for a disk
_ACCOUNTED: Final = 8  # guest time, the columns beyond, is part of user time already


def busy_s(proc: Path) -> Reading[float]:
    """Return the seconds that all cores together were busy since boot.

    Time that the host of a virtual machine gave to others counts as busy: the core was not ours.
    """
    text = _text(proc / "stat")
    if text is None:
        return _unsupported("stat")
    ticks = [int(field) for field in text.partition("\n")[0].split()[1 : 1 + _ACCOUNTED]]
    busy = sum(count for column, count in enumerate(ticks) if column not in _IDLE)
    return Measured(busy / _TICKS_PER_S, "client")


def load_1m(proc: Path) -> Reading[float]:
    """Return the load average over the last minute."""
    text = _text(proc / "loadavg")
    return _unsupported("loadavg") if text is None else Measured(float(text.split()[0]), "client")


def runnable(proc: Path) -> Reading[int]:
    """Return how many threads of the machine run or wait for a core at this moment."""
    text = _text(proc / "loadavg")
    if text is None:
        return _unsupported("loadavg")
    return Measured(int(text.split()[3].partition("/")[0]), "client")


def swap_used_bytes(proc: Path) -> Reading[int]:
    """Return how much of the swap is in use."""
    text = _text(proc / "meminfo")
    if text is None:
        return _unsupported("meminfo")
    fields = {key: value for key, _, value in (line.partition(":") for line in text.splitlines())}
    total, free = (int(fields.get(key, "0").split()[0]) for key in ("SwapTotal", "SwapFree"))
    return Measured((total - free) * _KIB, "client")


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _unsupported(name: str) -> Missing:
    return Missing("unsupported_system", f"this system has no /proc/{name}")
