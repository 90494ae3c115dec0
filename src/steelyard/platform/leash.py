"""The start of a process that must not outlive us; run as a script, never imported.

`leash.py FD CORES AFTERWARDS PROGRAM ARGUMENT…` forks a watcher off, pins itself to CORES (`-` for
any) and becomes PROGRAM, so that the process id stays. The watcher waits until FD (the read end of
a pipe that only our own process holds open for writing) closes, or until PROGRAM ends, and then
kills what is left of PROGRAM's process group. A death signal (`PR_SET_PDEATHSIG`) would not do: it
is sent when the *thread* that started the child ends, and does not reach grandchildren. AFTERWARDS
(`-`, or a command as a JSON list) is what the watcher then becomes: it removes what PROGRAM has had
a daemon start, which is in no group of ours.

Uses the standard library only: it runs without site-packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import NoReturn

_NOT_STARTED = 127
_POLL_WITHOUT_PIDFD_MS = 250
_MORE_THAN_EVER_INHERITED = 1024


def main(words: list[str]) -> NoReturn:
    """Leave a watcher behind and become the program."""
    alive, cores, afterwards, argv = int(words[0]), words[1], words[2], words[3:]
    if cores != "-":
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    group = os.getpid()
    target = _open_pid(group)
    between = os.fork()
    if between == 0:
        # The second fork hands the watcher to init: a child would stay behind as a zombie and
        # would be counted into the memory of the engine's process tree.
        if os.fork() == 0:
            _watch(alive, target, group, [] if afterwards == "-" else json.loads(afterwards))
        os._exit(0)
    os.waitpid(between, 0)
    os.close(alive)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - an argv list, no shell
    except OSError as error:
        sys.stderr.write(f"cannot start {argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(_NOT_STARTED)


def _watch(alive: int, target: int | None, group: int, afterwards: list[str]) -> NoReturn:
    os.setsid()
    _keep_only({alive, *(() if target is None else (target,))})
    poller = select.poll()
    poller.register(alive, select.POLLIN | select.POLLHUP)
    if target is not None:
        poller.register(target, select.POLLIN)
    while not poller.poll(None if target is not None else _POLL_WITHOUT_PIDFD_MS):
        if not _exists(group):
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    if afterwards:
        _become(afterwards)
    os._exit(0)


def _become(argv: list[str]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    with contextlib.suppress(OSError):
        os.execvp(argv[0], argv)  # noqa: S606 - an argv list, no shell


def _open_pid(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _keep_only(wanted: set[int]) -> None:
    # Held open, the log or a pipe of the program would never close for its readers.
    low = 0
    for descriptor in sorted(wanted):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, low + _MORE_THAN_EVER_INHERITED)


if __name__ == "__main__":
    main(sys.argv[1:])
