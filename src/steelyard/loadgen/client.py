"""The parent's side of the measuring client: hand in prepared requests, take stamped exchanges.

Starts `loadgen.driver` as a child on a leash, or several of them that share the load
(`loadgen.sharing`), and reads what they have written to their spools. Only finished columns cross
from them to us, so percentiles stay exact however many there are. Not aware of dialects: bytes in,
exchanges out.
"""

from __future__ import annotations

import os
import selectors
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.stream import Exchange, Stamps
from steelyard.loadgen import spool
from steelyard.loadgen.jobs import (
    Answer,
    Command,
    Done,
    Job,
    LastCall,
    Recall,
    Returned,
    Streams,
    encode,
    hear,
)
from steelyard.loadgen.sharing import Sharing, shares
from steelyard.platform import clock, process

_LAST_WORDS: Final = 2_000
_READ_BYTES: Final = 1 << 20
_NS_PER_S: Final = 1_000_000_000


@final
@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a server's certificate is checked: by the system's authorities, a file's, or not."""

    cafile: Path | None = None
    verify: bool = True


@final
class Client:
    """A context manager: inside it the drivers run, afterwards nothing of them is left.

    Exchanges are appended to `spool_path`, behind what an earlier client left there (a torn last
    frame is cut off); a second driver and further ones have spools of their own beside it.
    `affinity` pins the drivers; their priority is ours.
    """

    def __init__(
        self,
        host: str,
        port: int,
        spool_path: Path,
        *,
        streams: int = 1,
        affinity: Sequence[int] | None = None,
        sync: bool = False,
        processes: int = 1,
        tls: TlsSettings | None = None,
        stamps: Stamps = "kernel",
    ) -> None:
        words = ["--host", host, "--port", str(port), "--stamps", stamps]
        words += ["--sync"] if sync else []
        if tls is not None:
            words += ["--tls", *(["--cafile", str(tls.cafile)] if tls.cafile else [])]
            words += [] if tls.verify else ["--insecure"]
        self._drivers = [
            _Driver(words, path, share, affinity)
            for path, share in zip(
                spool_paths(spool_path, processes), shares(streams, processes), strict=True
            )
        ]
        self._sharing = Sharing(streams, processes)
        # Those outstanding; what may have to be said again to another driver is kept.
        self._jobs: dict[str, Job | None] = {}
        self._waiting: deque[Job] = deque()
        self._ready: selectors.BaseSelector | None = None

    @property
    def pid(self) -> int:
        """The first driver's process id."""
        return self._drivers[0].pid

    @property
    def pids(self) -> tuple[int, ...]:
        """The drivers' process ids: their CPU time is ours, not the engine's."""
        return tuple(driver.pid for driver in self._drivers)

    def submit(
        self,
        job: str,
        request: bytes,
        *,
        at_ns: int | None = None,
        deadline_ns: int | None = None,
        stall_ns: int | None = None,
    ) -> None:
        """Queue one request; `job` must be unique among those in flight."""
        if job in self._jobs:
            raise BadInput(f"request {job!r} is already queued", hint="give each its own id")
        made = Job(job, request, at_ns, deadline_ns, stall_ns)
        self._jobs[job] = made if len(self._drivers) > 1 else None
        self._route(made)
        self._hand_on()

    def set_streams(self, streams: int, *, at_ns: int | None = None, waves: bool = False) -> None:
        """Allow this many requests in flight, from now or from a moment on.

        In `waves` they begin together. One driver alone sees when a wave has ended: raises
        `BadInput` where there are several.
        """
        if waves and len(self._drivers) > 1:
            raise BadInput(
                "a wave ends where all of its requests are seen: in one process of the client",
                hint="take one process for requests in waves",
            )
        for driver, share in zip(self._drivers, shares(streams, len(self._drivers)), strict=True):
            driver.say(Streams(share, at_ns, waves))
        self._sharing.set_streams(streams, clock.monotonic_ns() if at_ns is None else at_ns)
        self._hand_on()

    def last_call(self, at_ns: int) -> None:
        """Begin nothing more from this moment on; what is queued then is dropped."""
        for driver in self._drivers:
            driver.say(LastCall(at_ns))
        self._sharing.last_call(at_ns)
        self._hand_on()

    def answers(self) -> Iterator[Answer]:
        """Yield what is announced, until nothing is outstanding; more may be submitted.

        Looks into no response: the exchanges are there afterwards (`exchanges`).
        """
        while self._jobs:
            for _, answer in self._heard():
                yield answer

    @property
    def outstanding(self) -> int:
        """How many requests were submitted and have not ended."""
        return len(self._jobs)

    def results(self, until_ns: int | None = None) -> Iterator[Exchange]:
        """Yield exchanges as they finish, until none is outstanding; more may be submitted.

        From `until_ns` on nothing is waited for: what is out then ends with the drivers.
        """
        while self._jobs and (until_ns is None or clock.monotonic_ns() < until_ns):
            for driver, answer in self._heard(until_ns):
                if isinstance(answer, Done):
                    yield driver.exchange(answer.id)

    def exchanges(self) -> Iterator[Exchange]:
        """Yield, one at a time, the exchanges that were announced and not taken yet."""
        for driver in self._drivers:
            yield from driver.exchanges()

    def drain(self) -> list[Exchange]:
        """Wait for everything outstanding."""
        return list(self.results())

    def close(self) -> None:
        """End the drivers; what has not finished is given up."""
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        for driver in self._drivers:
            driver.stop()

    def __enter__(self) -> Client:
        self._ready = selectors.DefaultSelector()
        try:
            for number, driver in enumerate(self._drivers):
                self._ready.register(driver.start(), selectors.EVENT_READ, number)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _heard(self, until_ns: int | None = None) -> list[tuple[_Driver, Answer]]:
        """Wait for news; fill the room that has appeared before anybody looks at them."""
        if self._ready is None:
            raise SteelyardError("the load driver is not running", hint="use Client in a `with`")
        found: list[tuple[_Driver, Answer]] = []
        returned: list[Job] = []
        for key, _ in self._ready.select(self._patience_s(until_ns)):
            number: int = key.data
            for answer in self._drivers[number].hear():
                self._sharing.came_back(number)
                if not isinstance(answer, Returned):
                    self._jobs.pop(answer.id, None)
                    found.append((self._drivers[number], answer))
                elif (job := self._jobs.get(answer.id)) is not None:
                    returned.append(job)
        for job in reversed(returned):  # they were queued before all that wait here
            self._route(job, first=True)
        self._hand_on()
        return found

    def _patience_s(self, until_ns: int | None) -> float | None:
        """Return how long to wait until the time is over, or what is handed to whom changes."""
        at_ns = self._sharing.next_ns() if len(self._drivers) > 1 else None
        moments = [moment for moment in (at_ns, until_ns) if moment is not None]
        return max(0, min(moments) - clock.monotonic_ns()) / _NS_PER_S if moments else None

    def _route(self, job: Job, *, first: bool = False) -> None:
        """Hand on what is bound to a moment, which does not wait; queue anything else."""
        if job.at_ns is not None:
            self._drivers[self._sharing.pick_bound()].say(job)
        elif first:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)

    def _hand_on(self) -> None:
        """Give each driver what it has room for, and have back what it can no longer send."""
        self._sharing.turn(clock.monotonic_ns())
        for number in self._sharing.stranded():
            self._drivers[number].say(Recall())
        while self._waiting:
            whose = self._sharing.pick()
            if whose is None:
                return
            self._drivers[whose].say(self._waiting.popleft())


@final
class _Driver:
    """One child process, the lines to and from it, and its spool."""

    def __init__(
        self, words: Sequence[str], path: Path, streams: int, affinity: Sequence[int] | None
    ) -> None:
        self._path = path
        self._affinity = affinity
        self._argv = [
            *(sys.executable, "-m", "steelyard.loadgen.driver", *words),
            *("--spool", str(path), "--streams", str(streams)),
        ]
        self._child: process.Child | None = None
        self._reader = spool.Reader(path)
        self._partial = b""
        self._announced = 0

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> int:
        """Start it; return the descriptor that it speaks on."""
        spool.truncate_torn(self._path)
        if self._path.exists():
            self._reader = spool.Reader(self._path, self._path.stat().st_size)
        self._child = process.start(
            self._argv, log=self._log_path, affinity=self._affinity, pipes=True
        )
        if self._child.stdout is None:
            raise SteelyardError("the load driver has no pipe to speak on")
        return self._child.stdout.fileno()

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def say(self, command: Command) -> None:
        stdin = self._running().stdin
        try:
            if stdin is not None:
                stdin.write(encode(command))
                stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def hear(self) -> list[Answer | Returned]:
        """Return what it has announced; called when there is something to hear."""
        stdout = self._running().stdout
        data = os.read(stdout.fileno(), _READ_BYTES) if stdout is not None else b""
        if not data:
            raise self._died()
        *lines, self._partial = (self._partial + data).split(b"\n")
        answers = [hear(line) for line in lines]
        self._announced += sum(isinstance(answer, Done) for answer in answers)
        return answers

    def exchange(self, job: str) -> Exchange:
        """Return the exchange that was announced next."""
        exchange = self._reader.next()
        if exchange is None or exchange.id != job:
            raise SteelyardError(f"{self._path} does not hold what the load driver announced")
        self._announced -= 1
        return exchange

    def exchanges(self) -> Iterator[Exchange]:
        while self._announced:
            exchange = self._reader.next()
            if exchange is None:
                raise SteelyardError(f"{self._path} does not hold what the load driver announced")
            self._announced -= 1
            yield exchange

    @property
    def _log_path(self) -> Path:
        return self._path.with_suffix(".driver.log")

    def _running(self) -> process.Child:
        if self._child is None:
            raise SteelyardError("the load driver is not running", hint="use Client in a `with`")
        return self._child

    def _died(self) -> SteelyardError:
        code = self._running().wait(2.0)
        words = self._log_path.read_text(errors="replace")[-_LAST_WORDS:].strip()
        return SteelyardError(f"the load driver ended early (code {code}): {words or 'no words'}")


def spool_paths(first: Path, processes: int) -> list[Path]:
    """Return the spools of so many drivers."""
    return [first, *(first.with_stem(f"{first.stem}-{n}") for n in range(2, processes + 1))]
