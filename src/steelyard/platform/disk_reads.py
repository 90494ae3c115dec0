"""How many bytes a process and all that stem from it have fetched from storage so far.

Pages that a memory map brings in count like reads, what came out of the page cache does not.
Source: proc_pid_io(5), `read_bytes`. A file system whose bytes come over a network or from the host
of a virtual machine may count none. Not aware of engines.
"""

from __future__ import annotations

from contextlib import suppress

import psutil

from steelyard.domain.reading import Measured, Missing, Reading


def read_bytes(pid: int) -> Reading[int]:
    """Return the bytes of the tree of a process, or why the system does not tell them."""
    try:
        leader = psutil.Process(pid)
        family = [leader, *leader.children(recursive=True)]
        if not hasattr(leader, "io_counters"):
            return Missing("unsupported_system", "this system does not count a process's reads")
        total = int(leader.io_counters().read_bytes)
    except psutil.NoSuchProcess:
        return Missing("engine_gone", "the process had ended")
    except (psutil.Error, OSError, NotImplementedError) as error:
        return Missing("not_readable", f"the reads of process {pid} are not told: {error}")
    for one in family[1:]:
        with suppress(psutil.Error, OSError):
            total += int(one.io_counters().read_bytes)
    return Measured(total, "client")
