"""The measuring client: a process of its own that sends prepared bytes and stamps what comes back.

`python -m steelyard.loadgen.driver --host H --port P --spool FILE [--streams N] [--sync]
[--tls [--cafile FILE] [--insecure]] [--stamps kernel|user]`

Jobs come as lines on standard input (`loadgen.jobs`); each finished exchange goes into the spool
and is announced by a line on standard output. The end of the input means: finish what is queued,
then exit 0. SIGTERM means: exit 143 and finish nothing.

Every read brings its stamp with it, the kernel's where there is one; what it brought is kept and
not looked at, but for where the response ends. Reading jobs, packing frames and writing files wait
for a moment in which no socket has anything. Not aware of models, dialects, or what a body means.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import Final, TypeAlias, assert_never, final

from steelyard.loadgen import covering, jobs, spool, stamps
from steelyard.loadgen.connections import Layer, Where
from steelyard.loadgen.jobs import (
    Done,
    Dropped,
    Job,
    LastCall,
    Recall,
    Returned,
    Streams,
)
from steelyard.loadgen.sockets import Sockets
from steelyard.loadgen.states import (
    Drop,
    Event,
    Exit,
    Finished,
    Instruction,
    JobAdded,
    LastCalled,
    NoMoreJobs,
    Recalled,
    Return,
    Send,
    Sending,
    StreamsSet,
    WakeAt,
    Woke,
)
from steelyard.loadgen.transfer import Transfer

_STDIN: Final = 0
_STDOUT: Final = 1
_TICK_NS: Final = 100_000_000  # how often limits and the wall clock are looked at
# Sleeping ends late by a scheduler's turn; the last stretch to a send is waited out awake.
_AWAKE_NS: Final = 80_000
_BUSY_ROUNDS: Final = 16  # at the latest after so many busy rounds one chore is done
_EXIT_TERMINATED: Final = 143
_OK: Final = 200
_NS_PER_S: Final = 1_000_000_000
_SLEPT_NS: Final = 200_000  # a shorter wait is bounded well enough by the look before

# What came of a request, what is said of it, and the request's bytes.
_Ended: TypeAlias = tuple[spool.Raw, Done, bytes]


@final
class Driver:
    """The shell around `Sending`: performs its instructions on sockets."""

    def __init__(
        self, where: Where, spool_file: int, streams: int, signals: int, *, sync: bool
    ) -> None:
        self._signals, self._terminated = signals, False
        self._spool, self._sync = spool_file, sync
        self._machine = Sending(streams)
        self._epoll = select.epoll()
        self._sockets = Sockets(where, self._epoll, self._ended)
        self._jobs: dict[str, Job] = {}
        self._lines: deque[bytes] = deque()
        self._partial = bytearray()
        self._finished: deque[_Ended | Dropped | Returned] = deque()
        self._said = bytearray()
        self._events: deque[Event] = deque()
        self._handling = False
        self._wake_at: int | None = None
        self._next_tick = 0
        self._busy_rounds = 0
        self._over = False
        self._asked_ns = 0
        self._turn = stamps.Turn()

    def run(self) -> int:
        """Work until all is done or we are told to end."""
        os.set_blocking(_STDIN, False)
        self._epoll.register(_STDIN, select.EPOLLIN)
        self._epoll.register(self._signals, select.EPOLLIN)
        serve = self._sockets.serve
        while not self._over:
            ready = self._wait()
            for fd, mask in ready:
                if serve(fd, mask):
                    continue
                if fd == _STDIN:
                    self._read_input()
                elif fd == self._signals:
                    self._stopped()
            if self._terminated:
                self._write_all()
                return _EXIT_TERMINATED
            self._keep_time(self._sockets.woke_ns)
            self._busy_rounds = self._busy_rounds + 1 if ready else _BUSY_ROUNDS
            if self._busy_rounds >= _BUSY_ROUNDS:
                self._busy_rounds = 0
                self._do_one_chore()
        self._write_all()
        return 0

    def _keep_time(self, now: int) -> None:
        if self._wake_at is not None and now >= self._wake_at:
            self._handle(Woke())
        if now >= self._next_tick:
            self._next_tick = now + _TICK_NS
            # A fresh look: what came since we woke must not seem to come after the end.
            self._sockets.check(monotonic_ns())

    def _wait(self) -> list[tuple[int, int]]:
        """Wait for something, and say since when at the earliest it may have been there.

        What the last look did not report was not there when it began; what ended a sleep came
        when it ended.
        """
        asked, self._asked_ns = self._asked_ns, monotonic_ns()
        ready = self._poll()
        woke = monotonic_ns()
        slept = woke - self._asked_ns > _SLEPT_NS and not self._stopped()
        self._sockets.asked_ns, self._sockets.woke_ns = asked, woke
        self._sockets.empty_ns = max(asked, self._turn.began_ns(woke)) if slept else asked
        return ready

    def _stopped(self) -> bool:
        """Whether we were stopped and set going again; a wish that we end is kept for later."""
        try:
            told = os.read(self._signals, 64)
        except BlockingIOError:
            return False
        self._terminated = self._terminated or signal.SIGTERM in told
        return signal.SIGCONT in told

    def _poll(self) -> list[tuple[int, int]]:
        if self._finished or self._lines:
            return self._epoll.poll(0)
        # A parent that does not listen (`_said`) is asked again at the next tick, not in a spin.
        limit = _TICK_NS if self._machine.in_flight or self._said else 5 * _TICK_NS
        if self._wake_at is None:
            return self._epoll.poll(limit / _NS_PER_S)
        until = min(limit, self._wake_at - monotonic_ns() - _AWAKE_NS)
        if until > 0:
            # epoll rounds up to a millisecond, select to a microsecond.
            select.select([self._epoll.fileno()], [], [], until / _NS_PER_S)
        return self._epoll.poll(0)

    # ── from the machine to the sockets and back ────────────────────────────────────────────

    def _ended(self, transfer: Transfer, at_ns: int, failure: str | None) -> None:
        job, head, times = transfer.job, transfer.framing.head, transfer.times
        sent_ns = transfer.asked_ns
        self._jobs.pop(job.id, None)
        raw = spool.of_transfer(transfer, at_ns, failure)
        done = Done(
            id=job.id,
            failure=failure,
            status=0 if head is None else head.status,
            sent_ns=sent_ns or at_ns,
            first_ns=times[0] - sent_ns if times else -1,
            span_ns=times[-1] - times[0] if times else 0,
            reads=len(times),
            late_ns=transfer.late_ns,
            behind_ns=max(0, sent_ns - transfer.intended_ns),
        )
        self._finished.append((raw, done, job.request))
        self._handle(Finished())

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
                self._sockets.begin(Transfer(self._jobs[job], intended, monotonic_ns()))
            case Drop(id=job):
                self._jobs.pop(job, None)
                self._finished.append(Dropped(job))
            case Return(id=job):
                self._jobs.pop(job, None)
                self._finished.append(Returned(job))
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
            case Streams(streams=streams, at_ns=at_ns, waves=waves):
                self._handle(StreamsSet(streams, at_ns, waves))
            case LastCall(at_ns=at_ns):
                self._handle(LastCalled(at_ns))
            case Recall():
                self._handle(Recalled())
            case Job():
                self._jobs[command.id] = command
                self._handle(JobAdded(command.id, command.at_ns))

    def _write(self, finished: _Ended | Dropped | Returned) -> None:
        if isinstance(finished, Dropped | Returned):
            self._said += jobs.say(finished)
        else:
            raw, done, request = finished
            spool.append(self._spool, _without_key(raw, request, whole=done.status != _OK))
            if self._sync:
                os.fdatasync(self._spool)
            self._said += jobs.say(done)
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
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--cafile")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--stamps", choices=["kernel", "user"], default="kernel")
    options = parser.parse_args(words)
    signals, wake = os.pipe()
    for end in (signals, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGCONT):
        signal.signal(number, lambda *_: None)
    os.set_blocking(_STDOUT, False)
    _raise_limits()
    spool.truncate_torn(options.spool)
    spool_file = os.open(options.spool, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    # Held open: without a socket that asks for stamps the kernel stops making them.
    keeper = stamps.keeper() if options.stamps == "kernel" else None
    where = Where(
        options.host,
        options.port,
        _layer(options.host, options.cafile, verify=not options.insecure) if options.tls else None,
        stamped=keeper is not None,
    )
    driver = Driver(where, spool_file, options.streams, signals, sync=options.sync)
    gc.collect()
    gc.freeze()
    gc.disable()
    return driver.run()


def _layer(host: str, cafile: str | None, *, verify: bool) -> Callable[[], Layer]:
    from steelyard.loadgen import tls

    settings = tls.context(cafile, verify=verify)
    return lambda: tls.Tls(settings, host)


def _without_key(raw: spool.Raw, request: bytes, *, whole: bool) -> spool.Raw:
    """Return an answer without the key that was sent, which an error may repeat.

    Only with `whole` is it looked for across the chunks of a body: a long stream has thousands.
    """
    secrets = covering.key_of(request)
    if not secrets:
        return raw
    return replace(raw, raw=covering.covered(bytes(raw.raw), secrets, chunks=whole))


def _raise_limits() -> None:
    """Allow as many sockets as we may have, and let sleeping end on time."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        # Timers of a process may fire 50 µs late, to save power.
        Path("/proc/self/timerslack_ns").write_text("1")
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
