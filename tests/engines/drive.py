"""From requests to attempts in a test: the real host, the real client, the real transcript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steelyard.domain.stream import Attempt, Exchange
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.host import RunningEngine
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client


def exchanges(
    engine: RunningEngine,
    requests: Sequence[GenerationRequest],
    folder: Path,
    *,
    streams: int = 1,
    stall_ns: int | None = None,
) -> list[Exchange]:
    """Send all of them; return what came, in the order asked."""
    with Client(engine.host, engine.port, folder / "spool.bin", streams=streams) as client:
        for number, request in enumerate(requests):
            data = prepare(engine.dialect.encode(request), engine.host, engine.port)
            client.submit(str(number), data, stall_ns=stall_ns)
        return sorted(client.drain(), key=lambda exchange: int(exchange.id))


def attempts(
    engine: RunningEngine,
    requests: Sequence[GenerationRequest],
    folder: Path,
    *,
    streams: int = 1,
    stall_ns: int | None = None,
) -> list[Attempt]:
    """Send all of them and read what came."""
    found = exchanges(engine, requests, folder, streams=streams, stall_ns=stall_ns)
    return [transcript.read(one, engine.dialect, sample=one.id) for one in found]


def answers(
    engine: AttachedEngine,
    requests: Sequence[GenerationRequest],
    folder: Path,
    *,
    streams: int = 1,
) -> list[Attempt]:
    """Send all of them to a server that was up; read what came."""
    with Client(engine.host, engine.port, folder / "spool.bin", streams=streams) as client:
        for number, request in enumerate(requests):
            client.submit(str(number), engine.prepare(engine.dialect.encode(request)))
        found = sorted(client.drain(), key=lambda exchange: int(exchange.id))
    return [transcript.read(one, engine.dialect, sample=one.id) for one in found]
