"""Processes and their trees, read from /proc: CPU time, memory, swap, runnable threads.

Not aware of which tree is the engine's. Fields: proc_pid_stat(5), proc_pid_status(5). A process
that ends between two reads is simply no longer there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
# Fields of /proc/PID/stat, counted from the state, which follows the name in brackets.
_STATE, _PARENT, _TIMES, _STARTED = 0, 1, slice(11, 15), 19


@final
@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/PID/stat. `cpu_s` includes the children that it has waited for."""

    state: str
    parent: int
    cpu_s: float
    started: int


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """Resident now, the most it ever was, and what lies in swap, in bytes."""

    resident: int
    peak: int
    swapped: int


def read_stat(path: Path) -> Stat | None:
    """Read the `stat` file of a process or thread folder; None when it is gone."""
    try:
        fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if len(fields) <= _STARTED:
        return None
    ticks = sum(int(field) for field in fields[_TIMES])
    return Stat(fields[_STATE], int(fields[_PARENT]), ticks / _TICKS_PER_S, int(fields[_STARTED]))


def parents(proc: Path) -> dict[int, int]:
    """Return the parent of every process there is (the one costly look at the system)."""
    found = {}
    for name in os.listdir(proc):  # noqa: PTH208 - the names alone, at a tenth of the cost
        if name.isdigit() and (stat := read_stat(proc / name)) is not None:
            found[int(name)] = stat.parent
    return found


def descendants(parent_of: Mapping[int, int], root: int) -> frozenset[int]:
    """Return `root` and all that stem from it."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    tree: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid not in tree:
            tree.add(pid)
            waiting += children.get(pid, [])
    return frozenset(tree)


def cpu_s(proc: Path, pids: Iterable[int]) -> float:
    """Return the CPU seconds of these processes and of the children they have waited for."""
    stats = (read_stat(proc / str(pid)) for pid in pids)
    return sum(stat.cpu_s for stat in stats if stat is not None)


def memory(proc: Path, pids: Iterable[int]) -> Memory | None:
    """Return the memory of these processes together, shared pages counted once; None if gone."""
    found = {pid: fields for pid in pids if (fields := _status(proc / str(pid)))}
    if not found:
        return None
    resident = sum(fields.get("VmRSS", 0) for fields in found.values())
    if len(found) > 1:
        resident = sum(
            _proportional(proc / str(pid)) or fields.get("VmRSS", 0)
            for pid, fields in found.items()
        )
    # Peaks of several processes need not have been at one moment; only a single one's is exact.
    peak = resident if len(found) > 1 else max(f.get("VmHWM", 0) for f in found.values())
    return Memory(resident, max(resident, peak), sum(f.get("VmSwap", 0) for f in found.values()))


def runnable(proc: Path, pids: Iterable[int]) -> int:
    """Return how many threads of these processes run or wait for a core."""
    count = 0
    for pid in pids:
        try:
            threads = os.listdir(proc / str(pid) / "task")  # noqa: PTH208
        except OSError:
            continue
        for thread in threads:
            stat = read_stat(proc / str(pid) / "task" / thread)
            count += stat is not None and stat.state == "R"
    return count


def _status(path: Path) -> dict[str, int]:
    """Return the memory fields of /proc/PID/status in bytes; empty when gone (or a zombie)."""
    try:
        lines = (path / "status").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {
        key: int(value.split()[0]) * _KIB
        for key, _, value in (line.partition(":") for line in lines)
        if key in {"VmRSS", "VmHWM", "VmSwap"}
    }


def _proportional(path: Path) -> int | None:
    try:
        lines = (path / "smaps_rollup").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:")), None)
