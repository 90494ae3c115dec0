"""How far the measuring client is from the truth, beside a small C client in the same run.

`python benchmarks/client_error.py [--rounds N] [--concurrency 1,8,32]`

The scripted engine stamps every send; the client stamps every read; both clocks are the same. For
each concurrency the two clients take short turns (C, ours, ours, C, …) against one server, at one
priority, on one core; the server has another where there is one. Printed: p50 and p99 of the
error of the first token's moment (TTFT) and of each gap (ITL, absolute), in milliseconds; each is
the median over the turns, since on a shared machine whole turns are lost to other tenants. Ends
with 1 if any of ours is more than 0.3 ms above the C client's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from steelyard.domain.stream import Exchange
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import HttpCall
from steelyard.engines.http1 import prepare
from steelyard.engines.scripted import Scripted
from steelyard.loadgen.client import Client
from steelyard.loadgen.response import ResponseReader
from steelyard.platform import process
from steelyard.scripted import plan as plans
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan
from steelyard.scripted.truth import Truth

BAR_MS: Final = 0.3
HOST: Final = "127.0.0.1"
TOKENS: Final = 64
PLAN: Final = Plan(ttft_s=0.05, gap_s=0.01, jitter=0.2)
REQUESTS: Final = 2
HEAD: Final = struct.Struct("<qqqq")


@dataclass
class Errors:
    """What one client was off by: the four figures of every turn, in milliseconds."""

    turns: list[tuple[float, ...]] = field(default_factory=list)
    events: int = 0

    def add(self, exchanges: list[Exchange], log: dict[int, Truth]) -> None:
        """Take one turn."""
        ttft: list[int] = []
        itl: list[int] = []
        for exchange in exchanges:
            error = truth.error(exchange, log)
            assert error is not None, exchange
            assert len(error.itl_ns) == TOKENS - 1
            ttft.append(error.ttft_ns)
            itl.extend(map(abs, error.itl_ns))
        self.events += len(ttft) + len(itl)
        self.turns.append(tuple(_quantile(v, q) / 1e6 for v in (ttft, itl) for q in (0.5, 0.99)))

    def figures(self) -> tuple[float, ...]:
        """Return TTFT p50, p99 and ITL p50, p99: medians over the turns."""
        return tuple(statistics.median(column) for column in zip(*self.turns, strict=True))


@dataclass(frozen=True)
class Rig:
    """What both clients work with."""

    folder: Path
    port: int
    request: bytes
    core: list[int]
    program: Path

    def turn(self, who: str, streams: int, count: int) -> list[Exchange]:
        """Let one client (`c`, or `p` for ours) send `count` requests."""
        return self._by_c(streams, count) if who == "c" else self._by_us(streams, count)

    def _by_us(self, streams: int, count: int) -> list[Exchange]:
        spool = self.folder / "spool.bin"
        spool.unlink(missing_ok=True)
        with Client(HOST, self.port, spool, streams=streams, affinity=self.core) as client:
            for number in range(count):
                client.submit(str(number), self.request)
            return client.drain()

    def _by_c(self, streams: int, count: int) -> list[Exchange]:
        request, out, log = (self.folder / name for name in ("request", "c.out", "c.log"))
        request.write_bytes(self.request)
        words = [*map(str, (self.program, HOST, self.port, streams, count, request, out))]
        with process.start(words, log=log, affinity=self.core) as child:
            code = child.wait(300)
        assert code == 0, log.read_text()
        return list(_read_c(out.read_bytes()))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4, help="of four turns each")
    parser.add_argument("--concurrency", default="1,8,32")
    options = parser.parse_args(words)
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[-1:], cores[:1]
    # What this process does in between may delay the server, which stamps what it sends.
    os.sched_setaffinity(0, server_core)
    print(f"server on core {server_core[0]}, clients on core {client_core[0]};", end=" ")
    print(f"load average {os.getloadavg()[0]:.1f}, nice {os.nice(0)}")
    print("              n      TTFT p50    p99      ITL p50    p99   (ms)")
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = _compile(folder)
        with _server(folder, server_core) as port:
            rig = Rig(folder, port, _request(port), client_core, program)
            for streams in map(int, options.concurrency.split(",")):
                ours, theirs = Errors(), Errors()
                for turn in "cppc" * options.rounds:
                    found = rig.turn(turn, streams, max(REQUESTS, streams))
                    (theirs if turn == "c" else ours).add(found, _settled(folder))
                missed += _show(streams, ours, theirs)
    print(f"bar: at most {BAR_MS} ms above the C client: {'missed' if missed else 'kept'}")
    return 1 if missed else 0


def _show(streams: int, ours: Errors, theirs: Errors) -> int:
    for name, errors in (("C", theirs), ("steelyard", ours)):
        row = "  ".join(f"{figure:8.3f}" for figure in errors.figures())
        print(f"{streams:3d}  {name:9s} {errors.events:6d}  {row}")
    pairs = zip(ours.figures(), theirs.figures(), strict=True)
    return sum(mine > other + BAR_MS for mine, other in pairs)


def _read_c(data: bytes) -> Iterator[Exchange]:
    """Turn the C client's raw reads into exchanges, with the same framing code as ours."""
    at = 0
    while at < len(data):
        sent, done, reads, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        stamps = array("q", data[at : at + 8 * reads])
        ends = array("q", data[at + 8 * reads : at + 16 * reads])
        at += 16 * reads
        raw, reader, before = data[at : at + size], ResponseReader(), 0
        for stamp, end in zip(stamps, ends, strict=True):
            reader.feed(raw[before:end], stamp)
            before = end
        at += size
        yield Exchange(
            id="c",
            intended_ns=sent,
            sent_ns=sent,
            done_ns=done,
            status=reader.status,
            arrivals_ns=tuple(reader.arrivals_ns),
            ends=tuple(reader.ends),
            body=bytes(reader.body),
        )


def _settled(folder: Path) -> dict[int, Truth]:
    # The log of a request is written just after its last byte has gone out.
    time.sleep(0.1)
    return truth.read(folder / "truth.jsonl")


def _request(port: int) -> bytes:
    ask = GenerationRequest((Message("user", "hi"),), max_tokens=TOKENS, exact_tokens=True)
    return prepare(Scripted().encode(ask), HOST, port)


@contextlib.contextmanager
def _server(folder: Path, core: list[int]) -> Iterator[int]:
    import http.client
    import socket

    with socket.create_server((HOST, 0)) as free:
        port = int(free.getsockname()[1])
    words = [sys.executable, "-m", "steelyard.scripted", "--port", str(port), "--parallel", "64"]
    words += ["--ctx-size", str(64 * 4096), "--truth", str(folder / "truth.jsonl")]
    words += ["--plan", str(plans.write(PLAN, folder / "plan.json"))]
    health = HttpCall("GET", "/health")
    with process.start(words, log=folder / "server.log", affinity=core):
        for _ in range(500):
            connection = http.client.HTTPConnection(HOST, port, timeout=1)
            with contextlib.suppress(OSError):
                connection.request(health.method, health.path)
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.02)
        yield port


def _compile(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("the comparison needs a C compiler (cc)")
    source = Path(__file__).with_name("client.c")
    program = folder / "client"
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


def _quantile(values: list[int], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
