"""A sandbox for programs that a model wrote: bubblewrap, limits, and a filter of system calls.

Inside there is Python's own library and nothing else: no network, no process list, no file of the
user, no variable, no place to write, no second process or thread. The program is ended from outside
when its time is up or when it says too much, and with us. There is no weaker way in: where this
cannot be had, `platform.containment` says so and nothing is run. Not aware of what programs do.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

from steelyard.platform.syscalls import Architecture, seccomp_filter

_CONFINED: Final = Path(__file__).with_name("confined.py")
_BEGUN: Final = b"begun\n"
_CHUNK: Final = 1 << 16
_COMPLAINT_BYTES: Final = 2000
_FIRST_INSIDE: Final = re.compile(rb'"child-pid": (\d+)')
_MS: Final = 1000
_LOOK_S: Final = 0.25
_PYTHON: Final = "/python"
_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store", "/gnu/store")
_ALONE: Final = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
    *("--new-session", "--die-with-parent", "--cap-drop", "ALL"),
)

# Where bubblewrap says of each what runs; every thread adds and removes its own.
_RUNNING: Final[dict[subprocess.Popen[bytes], int]] = {}

Ending = Literal["finished", "out_of_time", "said_too_much", "not_begun"]


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: processor and elapsed seconds, bytes of memory, bytes said."""

    cpu_s: int = 4
    wall_s: float = 12.0
    memory_bytes: int = 512 << 20
    output_bytes: int = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and what it said by then.

    `code` is that of a shell: 128 and more name the signal that ended it, 137 that of a limit.
    `not_begun` is the sandbox's failure, with its words in `complaint`: nothing of the program ran.
    """

    ending: Ending
    code: int
    said: bytes
    complaint: str = ""


@final
@dataclass(frozen=True, slots=True)
class Sandbox:
    """Runs programs apart from everything. Made by `platform.containment`, which tries it first.

    Safe to use from several threads at once; the thread that runs a program has to outlive it.
    """

    program: str
    architecture: Architecture

    def run(self, text: str, limits: Limits = Limits()) -> Ran:
        """Run a Python program to its end or to its limits."""
        with _in_memory("complaint") as complaint, _pipe() as (status, told):
            with _pipe() as (rules, rules_in):
                os.write(rules_in, seccomp_filter(self.architecture))
                os.set_blocking(status, False)
                child = subprocess.Popen(
                    self._argv(rules, told, limits),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaint,
                    env={},
                    start_new_session=True,
                    pass_fds=(rules, told),
                )
            _RUNNING[child] = status
            try:
                with child:
                    try:
                        ending, said = _listen(child, text, limits)
                    finally:
                        _end(child, status)
            finally:
                del _RUNNING[child]
            begun = said.startswith(_BEGUN)
            return Ran(
                ending if begun else "not_begun",
                child.returncode,
                said.removeprefix(_BEGUN),
                "" if begun else os.pread(complaint, _COMPLAINT_BYTES, 0).decode(errors="replace"),
            )

    def _argv(self, rules: int, status: int, limits: Limits) -> list[str]:
        inside = f"{_PYTHON}/bin/python"
        return [
            *(self.program, *_ALONE, "--clearenv", "--seccomp", str(rules)),
            *("--json-status-fd", str(status)),
            *(word for folder in _LIBRARIES for word in ("--ro-bind-try", folder, folder)),
            # Python often lies in somebody's home: its path would tell whose.
            *("--ro-bind", os.path.realpath(sys.executable), inside),
            *("--ro-bind-try", f"{sys.base_prefix}/lib", f"{_PYTHON}/lib"),
            *("--ro-bind-try", f"{sys.base_prefix}/lib64", f"{_PYTHON}/lib64"),
            *("--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/lib"),
            *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
            # The root is a file system in memory: it would be a place to write.
            *("--dev-bind", os.devnull, os.devnull, "--remount-ro", "/", "--chdir", "/", "--"),
            *(inside, "-I", "-S", "-B", "-c", _CONFINED.read_text(encoding="utf-8")),
            *(str(limits.cpu_s), str(limits.memory_bytes)),
        ]


def end_running() -> None:
    """End every program that runs in a sandbox of this process, from whichever thread."""
    for child, status in tuple(_RUNNING.items()):
        _kill(child, status)


def _end(child: subprocess.Popen[bytes], status: int) -> None:
    _kill(child, status)
    child.wait()


def _kill(child: subprocess.Popen[bytes], status: int) -> None:
    """Kill bubblewrap and what is inside, however far it is.

    The first process inside dies with bubblewrap only once it has asked for that; until it leaves
    the process group it dies with the group, and from then on it is known by its number.
    """
    if child.poll() is not None:
        return
    inside = None
    with contextlib.suppress(OSError):  # nothing is said yet, or it has ended meanwhile
        if found := _FIRST_INSIDE.search(os.read(status, _CHUNK)):
            inside = os.pidfd_open(int(found[1]))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if inside is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(inside, signal.SIGKILL)
        os.close(inside)


def _listen(child: subprocess.Popen[bytes], text: str, limits: Limits) -> tuple[Ending, bytes]:
    """Hand the program in, take what it says until it has ended, is late, or says too much.

    It is handed in once all walls are up: killed before that, nothing stays behind that runs.
    """
    assert child.stdout is not None  # noqa: S101 - it was asked for
    said, handed, until = bytearray(), False, time.monotonic() + limits.wall_s
    poller = select.poll()
    poller.register(child.stdout, select.POLLIN | select.POLLHUP)
    try:
        while (left := until - time.monotonic()) > 0:
            if not poller.poll(min(left, _LOOK_S) * _MS):
                if child.poll() is not None:  # killed by `end_running`
                    return "finished", bytes(said)
                continue
            if not (piece := os.read(child.stdout.fileno(), _CHUNK)):
                # It may have closed its way out and go on: only its end is the end.
                child.wait(max(0.0, until - time.monotonic()))
                return "finished", bytes(said)
            said += piece
            if len(said) > limits.output_bytes:
                return "said_too_much", bytes(said)
            if not handed and said.startswith(_BEGUN) and child.poll() is None:
                handed = True
                _hand_in(child, text)
    except subprocess.TimeoutExpired:
        pass
    return "out_of_time", bytes(said)


def _hand_in(child: subprocess.Popen[bytes], text: str) -> None:
    assert child.stdin is not None  # noqa: S101 - it was asked for
    program = text.encode("utf-8", "surrogatepass")
    rest = memoryview(b"%d\n" % len(program) + program)
    with contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(child.stdin.fileno(), rest) :]
    child.stdin.close()


@contextlib.contextmanager
def _in_memory(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Yield where to read and where to write."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)
