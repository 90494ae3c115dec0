"""The parent's side of the measuring client: hand in prepared requests, take stamped exchanges.

Starts `loadgen.driver` as a child on a leash and reads what it has written to the spool. Not
aware of dialects: bytes in, exchanges out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.stream import Exchange
from steelyard.loadgen import spool
from steelyard.loadgen.jobs import Command, Job, Streams, encode
from steelyard.platform import process

_LAST_WORDS: Final = 2_000


@final
class Client:
    """A context manager: inside it the driver runs, afterwards nothing of it is left.

    Exchanges are appended to `spool_path`, behind what an earlier client left there (a torn last
    frame is cut off). `affinity` pins the driver; its priority is ours.
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
    ) -> None:
        self._spool_path = spool_path
        self._affinity = affinity
        self._waiting: set[str] = set()
        self._argv = [
            *(sys.executable, "-m", "steelyard.loadgen.driver"),
            *("--host", host, "--port", str(port), "--spool", str(spool_path)),
            *("--streams", str(streams), *(("--sync",) if sync else ())),
        ]
        self._child: process.Child | None = None
        self._reader = spool.Reader(spool_path)

    @property
    def pid(self) -> int:
        """The driver's process id: its CPU time is ours, not the engine's."""
        return self._running().pid

    @property
    def log_path(self) -> Path:
        """Where the driver's own errors go."""
        return self._spool_path.with_suffix(".driver.log")

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
        if job in self._waiting:
            raise BadInput(f"request {job!r} is already queued", hint="give each its own id")
        self._waiting.add(job)
        self._say(Job(job, request, at_ns, deadline_ns, stall_ns))

    def set_streams(self, streams: int) -> None:
        """Allow this many requests in flight from now on."""
        self._say(Streams(streams))

    def results(self) -> Iterator[Exchange]:
        """Yield exchanges as they finish, until none is outstanding; more may be submitted."""
        while self._waiting:
            yield self._next()

    def drain(self) -> list[Exchange]:
        """Wait for everything outstanding."""
        return list(self.results())

    def close(self) -> None:
        """End the driver; what has not finished is given up."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def __enter__(self) -> Client:
        spool.truncate_torn(self._spool_path)
        if self._spool_path.exists():
            self._reader = spool.Reader(self._spool_path, self._spool_path.stat().st_size)
        self._child = process.start(
            self._argv, log=self.log_path, affinity=self._affinity, pipes=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self) -> Exchange:
        stdout = self._running().stdout
        line = stdout.readline() if stdout is not None else b""
        if not line:
            raise self._died()
        exchange = self._reader.next()
        if exchange is None or exchange.id != json.loads(line)["done"]:
            raise SteelyardError(f"{self._spool_path} does not hold what the load driver announced")
        self._waiting.discard(exchange.id)
        return exchange

    def _say(self, command: Command) -> None:
        stdin = self._running().stdin
        try:
            if stdin is not None:
                stdin.write(encode(command))
                stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _running(self) -> process.Child:
        if self._child is None:
            raise SteelyardError("the load driver is not running", hint="use Client in a `with`")
        return self._child

    def _died(self) -> SteelyardError:
        code = self._running().wait(2.0)
        words = self.log_path.read_text(errors="replace")[-_LAST_WORDS:].strip()
        return SteelyardError(f"the load driver ended early (code {code}): {words or 'no words'}")
