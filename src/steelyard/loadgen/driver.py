"""The measuring client: a process of its own that sends prepared bytes and stamps what comes back.

`python -m steelyard.loadgen.driver --host H --port P --spool FILE [--streams N] [--sync]`

Jobs come as lines on standard input (`loadgen.jobs`); each finished exchange goes into the spool
and is announced by a line on standard output. The end of the input means: finish what is queued,
then exit 0. SIGTERM means: exit 143 and finish nothing.

Every stamp is taken right after the read returns, for all sockets that are ready, before a byte
of any of them is looked at. Reading jobs, packing frames and writing files wait for a moment in
which no socket has anything. Not aware of models, dialects, or what a body means.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from time import monotonic_ns
from typing import Final, assert_never, final

from steelyard.domain.stream import Exchange
from steelyard.loadgen import jobs, spool
from steelyard.loadgen.connections import Connection, Transfer, failure_of
from steelyard.loadgen.jobs import Job, Streams
from steelyard.loadgen.response import MalformedResponse
from steelyard.loadgen.states import (
    ClosedLoop,
    Event,
    Exit,
    Finished,
    Instruction,
    JobAdded,
    NoMoreJobs,
    Send,
    StreamsSet,
    WakeAt,
    Woke,
)

_STDIN: Final = 0
_STDOUT: Final = 1
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP
_TICK_NS: Final = 50_000_000  # how often limits are looked at
_BUSY_ROUNDS: Final = 16  # at the latest after so many busy rounds one chore is done
_EXIT_TERMINATED: Final = 143


@final
class Driver:
    """The shell around `ClosedLoop`: performs its instructions on sockets."""

    def __init__(self, host: str, port: int, spool_file: int, streams: int, *, sync: bool) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._family, self._address = int(family), (str(address[0]), int(address[1]))
        self._spool, self._sync = spool_file, sync
        self._machine = ClosedLoop(streams)
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._jobs: dict[str, Job] = {}
        self._lines: deque[bytes] = deque()
        self._partial = bytearray()
        self._finished: deque[Exchange] = deque()
        self._said = bytearray()
        self._events: deque[Event] = deque()
        self._handling = False
        self._wake_at: int | None = None
        self._next_tick = 0
        self._busy_rounds = 0
        self._over = False

    def run(self, terminated: int) -> int:
        """Work until all is done or a byte comes on the descriptor `terminated`."""
        os.set_blocking(_STDIN, False)
        self._epoll.register(_STDIN, select.EPOLLIN)
        self._epoll.register(terminated, select.EPOLLIN)
        while not self._over:
            ready = self._wait()
            if any(fd == terminated for fd, _ in ready):
                self._write_all()
                return _EXIT_TERMINATED
            self._serve(ready)
            now = monotonic_ns()
            if self._wake_at is not None and now >= self._wake_at:
                self._handle(Woke())
            if now >= self._next_tick:
                self._next_tick = now + _TICK_NS
                self._enforce_limits(now)
            self._busy_rounds = self._busy_rounds + 1 if ready else _BUSY_ROUNDS
            if self._busy_rounds >= _BUSY_ROUNDS:
                self._busy_rounds = 0
                self._do_one_chore()
        self._write_all()
        return 0

    # ── waiting and stamping ────────────────────────────────────────────────────────────────

    def _wait(self) -> list[tuple[int, int]]:
        if self._finished or self._lines:
            return self._epoll.poll(0)
        # A parent that does not listen (`_said`) is asked again at the next tick, not in a spin.
        limit = _TICK_NS if self._machine.in_flight or self._said else 10 * _TICK_NS
        if self._wake_at is not None:
            # epoll rounds up to a millisecond, select to a microsecond.
            until = max(0, min(limit, self._wake_at - monotonic_ns()))
            select.select([self._epoll.fileno()], [], [], until * 1e-9)
            return self._epoll.poll(0)
        return self._epoll.poll(limit * 1e-9)

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        arrived = []
        writable = []
        for fd, mask in ready:
            connection = self._connections.get(fd)
            if connection is None:
                continue
            if mask & _READABLE and connection.connected:
                data = connection.receive()
                arrived.append((connection, monotonic_ns(), data))
            elif mask & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
                writable.append(connection)
        for connection, at_ns, data in arrived:
            if data is not None:
                self._received(connection, data, at_ns)
        for connection in writable:
            self._push(connection)
        if any(fd == _STDIN for fd, _ in ready):
            self._read_input()

    def _received(self, connection: Connection, data: bytes | OSError, at_ns: int) -> None:
        transfer = connection.transfer
        if transfer is None:  # an idle connection: closed by the server, or it talks unasked
            self._drop(connection)
            return
        if isinstance(data, bytes) and data:
            transfer.heard, transfer.last_ns = True, at_ns
            try:
                transfer.reader.feed(data, at_ns)
            except MalformedResponse:
                self._end(connection, at_ns, "malformed_response")
                return
            if transfer.reader.complete:
                self._end(connection, at_ns, None)
        elif isinstance(data, bytes) and transfer.reader.end_of_connection():
            self._end(connection, at_ns, None)
        elif connection.lost_a_race(at_ns):
            self._send_again(connection)
        else:
            code = failure_of(data) if isinstance(data, OSError) else "disconnected"
            self._end(connection, at_ns, code)

    # ── sending ─────────────────────────────────────────────────────────────────────────────

    def _begin(self, job: Job, intended_ns: int) -> None:
        transfer = Transfer.of(job, intended_ns, monotonic_ns())
        if self._idle:
            connection = self._idle.pop()
            connection.transfer = transfer
            self._push(connection)
        else:
            self._connect(transfer)

    def _connect(self, transfer: Transfer) -> None:
        try:
            connection = Connection(self._family, self._address)
        except OSError as error:
            self._finish(transfer, monotonic_ns(), failure_of(error))
            return
        connection.transfer = transfer
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)
        if connection.connected:
            self._push(connection)

    def _push(self, connection: Connection) -> None:
        """Hand what is unsent to the kernel; the stamp is taken at the write of the last byte."""
        transfer = connection.transfer
        if transfer is None:
            return
        try:
            if not connection.connected:
                connection.finish_connecting()
            while transfer.unsent:
                now = monotonic_ns()
                transfer.unsent = transfer.unsent[connection.sock.send(transfer.unsent) :]
                transfer.sent_ns = transfer.last_ns = now
        except BlockingIOError:
            self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)
        except OSError as error:
            if connection.lost_a_race(monotonic_ns()):
                self._send_again(connection)
            else:
                self._end(connection, monotonic_ns(), failure_of(error))
        else:
            self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLRDHUP)

    def _send_again(self, connection: Connection) -> None:
        lost = connection.transfer
        self._drop(connection)
        if lost is not None:
            again = Transfer.of(lost.job, lost.intended_ns, monotonic_ns())
            again.reconnects = lost.reconnects + 1
            self._connect(again)

    # ── ending ──────────────────────────────────────────────────────────────────────────────

    def _end(self, connection: Connection, at_ns: int, failure: str | None) -> None:
        transfer = connection.transfer
        if transfer is None:
            return
        connection.transfer = None
        if failure is None and transfer.reader.keep_alive and not transfer.unsent:
            connection.used = True
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._finish(transfer, at_ns, failure)

    def _finish(self, transfer: Transfer, at_ns: int, failure: str | None) -> None:
        self._jobs.pop(transfer.job.id, None)
        self._finished.append(transfer.exchange(at_ns, failure))
        self._handle(Finished())

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.fd, None)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.transfer = None
        connection.close()

    def _enforce_limits(self, now: int) -> None:
        for connection in list(self._connections.values()):
            transfer = connection.transfer
            if transfer is not None and (code := transfer.overdue(now)) is not None:
                self._end(connection, now, code)

    def _handle(self, event: Event) -> None:
        self._events.append(event)
        if self._handling:  # a request that failed at once: its turn comes after this one
            return
        self._handling = True
        while self._events:
            self._wake_at = None
            for instruction in self._machine.handle(self._events.popleft(), monotonic_ns()):
                self._perform(instruction)
        self._handling = False

    def _perform(self, instruction: Instruction) -> None:
        match instruction:
            case Send(id=job, intended_ns=intended):
                self._begin(self._jobs[job], intended)
            case WakeAt(at_ns=at_ns):
                self._wake_at = at_ns
            case Exit():
                self._over = True
            case _:
                assert_never(instruction)

    # ── chores: nothing here may stand between a byte and its stamp ─────────────────────────

    def _do_one_chore(self) -> None:
        if self._lines:
            self._obey(self._lines.popleft())
            if not self._lines:
                self._epoll.register(_STDIN, select.EPOLLIN)
        elif self._finished:
            self._write(self._finished.popleft())
        elif self._said:
            self._speak()

    def _read_input(self) -> None:
        data = os.read(_STDIN, 1 << 20)
        self._partial += data
        *whole, rest = bytes(self._partial).split(b"\n")
        self._partial = bytearray(rest)
        self._lines.extend(line for line in whole if line)
        if self._lines or not data:
            # What has been read is worked off first; the parent waits in its pipe.
            self._epoll.unregister(_STDIN)
        if not data:
            self._handle(NoMoreJobs())

    def _obey(self, line: bytes) -> None:
        command = jobs.decode(line)
        match command:
            case Streams(streams=streams):
                self._handle(StreamsSet(streams))
            case Job():
                self._jobs[command.id] = command
                self._handle(JobAdded(command.id, command.at_ns))

    def _write(self, exchange: Exchange) -> None:
        spool.append(self._spool, exchange)
        if self._sync:
            os.fdatasync(self._spool)
        self._said += jobs.done(exchange.id)
        self._speak()

    def _speak(self) -> None:
        try:
            del self._said[: os.write(_STDOUT, self._said)]
        except BlockingIOError:
            return

    def _write_all(self) -> None:
        while self._finished:
            self._write(self._finished.popleft())
        os.set_blocking(_STDOUT, True)
        while self._said:
            self._speak()


def main(words: list[str]) -> int:
    """Run one driver; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="steelyard.loadgen.driver")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--spool", required=True, type=Path)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--sync", action="store_true")
    options = parser.parse_args(words)
    terminated, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.set_blocking(_STDOUT, False)
    spool.truncate_torn(options.spool)
    spool_file = os.open(options.spool, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    driver = Driver(
        options.host, options.port, spool_file, max(1, options.streams), sync=options.sync
    )
    gc.collect()
    gc.freeze()
    gc.disable()
    return driver.run(terminated)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
