"""Processes of our own: started in a group of their own, and gone when we are.

A child keeps no pipe of ours by accident, gets no Ctrl+C of our terminal, and is killed with its
whole group when it is stopped, when it crashes, and when we end in any way, SIGKILL included
(see `platform.leash`). Not aware of what the programs do.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, final

_LEASH = Path(__file__).with_name("leash.py")


@final
class Child:
    """A running program on a leash. Use `stop`, or as a context manager that stops it."""

    def __init__(self, popen: subprocess.Popen[bytes], leash: int) -> None:
        self._popen = popen
        self._leash: int | None = leash

    @property
    def pid(self) -> int:
        """Process id; also the id of its group."""
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        """Its standard input, where one was asked for."""
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """Its standard output, where a pipe was asked for."""
        return self._popen.stdout

    def returncode(self) -> int | None:
        """How it ended (negative: by which signal), or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; None if it still runs after `timeout_s`."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, grace_s: float = 5.0) -> int:
        """Ask it to end, then kill the group; return how the leader ended. Safe to call twice."""
        if self._leash is not None:
            if self._popen.poll() is None:
                self._signal(signal.SIGTERM)
                self.wait(grace_s)
            self._signal(signal.SIGKILL)
            os.close(self._leash)
            self._leash = None
        code = self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    affinity: Sequence[int] | None = None,
    pipes: bool = False,
    afterwards: Sequence[str] = (),
) -> Child:
    """Start a program with its output in `log` (with `pipes`, only its errors go there).

    A program that cannot be started ends with code 127 and says so in the log. `env` is added to
    our own environment. `affinity` pins it to these cores before its first instruction.
    `afterwards` is a command that is run when the program has ended or we have, whatever ended us:
    it removes what the program has had others start.
    """
    read_end, write_end = os.pipe()
    cores = "-" if affinity is None else ",".join(str(core) for core in affinity)
    then = json.dumps(list(afterwards)) if afterwards else "-"
    command = [sys.executable, "-I", "-S", str(_LEASH), str(read_end), cores, then, *argv]
    try:
        with log.open("ab") as log_file:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else log_file,
                stderr=log_file,
                env={**os.environ, **env} if env else None,
                start_new_session=True,
                pass_fds=(read_end,),
            )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return Child(popen, write_end)
