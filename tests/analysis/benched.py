"""Benches with planted loads: closed loops, schedules and turns whose every figure is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.analysis.timed import MS, attempt, record, section

from steelyard.domain.instrument import Instrument
from steelyard.domain.load import Closed, Load
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Arrival, Attempt
from steelyard.domain.workload import Workload

QUIET = Instrument(
    ttft_error_s=Measured(0.00002, "derived"),
    gap_error_s=Measured(0.00001, "derived"),
    lateness_s=Measured(0.0001, "derived"),
    stamps="kernel",
    streams=4,
    samples=400,
)
EPOCH_NS = 1_000_000 * MS
Nth = Callable[[int], float]


def work(load: Load, requests: int = 0, **settings: float) -> Workload:
    """A bench workload of 100 tokens in, 10 out."""
    whole = Workload("bench", 100, 10, requests, load=load, warmup=0)
    return replace(whole, **settings)  # type: ignore[arg-type]


def answered(
    sample: str,
    sent_ms: float,
    *,
    first_ms: float = 60.0,
    gap_ms: float = 10.0,
    tokens: int = 10,
    late_ms: float = 0.0,
) -> Attempt:
    """One answer with kernel stamps, sent `late_ms` after it should have been."""
    found = attempt(
        sample,
        sent_ms=EPOCH_NS / MS + sent_ms + late_ms,
        first_ms=first_ms,
        gap_ms=gap_ms,
        tokens=tokens,
    )
    intended_ns = found.sent_ns - round(late_ms * MS)
    return replace(found, intended_ns=intended_ns, stamps="kernel", prompt_tokens_wanted=101)


def closed(
    requests: int, streams: int = 1, *, pause_ms: float = 0.05, first: Nth = lambda _: 60.0
) -> tuple[Attempt, ...]:
    """Equal streams side by side, each sending `pause_ms` after its last answer."""
    ready_ms = [0.0] * streams
    found = []
    for number in range(requests):
        stream = min(range(streams), key=lambda each: ready_ms[each])
        found.append(answered(str(number), ready_ms[stream], first_ms=first(number)))
        ready_ms[stream] = (found[-1].done_ns - EPOCH_NS) / MS + pause_ms
    return tuple(found)


def paced(
    requests: int, every_ms: float = 50.0, *, late: Nth = lambda _: 0.0
) -> tuple[Attempt, ...]:
    """Requests on a schedule, each so much later than it should have been sent."""
    return tuple(
        answered(str(number), number * every_ms, late_ms=late(number)) for number in range(requests)
    )


def smeared(
    found: Attempt, *, first_ms: float = 0.0, last_ms: float = 0.0, sent_ms: float = 0.0
) -> Attempt:
    """The same answer, its ends known within so many milliseconds only."""
    *rest, last = found.arrivals
    first = next(n for n, arrival in enumerate(rest) if arrival.kind == "content")
    rest[first] = replace(rest[first], spread_ns=round(first_ms * MS))
    spread = (*rest, replace(last, spread_ns=round(last_ms * MS)))
    return replace(found, arrivals=spread, send_spread_ns=round(sent_ms * MS))


def joined(found: Attempt, *, every: int = 2) -> Attempt:
    """The same answer, read so that every second token came with the one after it."""
    tokens = [a for a in found.arrivals if a.kind == "content"]
    taken: list[Arrival] = []
    for place, arrival in enumerate(tokens):
        follower = tokens[place + 1] if place + 1 < len(tokens) else None
        if place % every == 1 and follower is not None:
            waited_ns = follower.at_ns - arrival.at_ns
            taken.append(replace(arrival, at_ns=follower.at_ns, spread_ns=waited_ns))
        else:
            taken.append(arrival)
    return replace(found, arrivals=tuple(taken))


def bench(
    attempts: Sequence[Attempt],
    load: Load | None = None,
    *,
    instrument: Instrument = QUIET,
    **changes: object,
) -> RunRecord:
    """A record of one load."""
    return benches([(load or Closed(1), attempts)], instrument=instrument, **changes)


def benches(
    loads: Sequence[tuple[Load, Sequence[Attempt]]],
    *,
    instrument: Instrument = QUIET,
    **changes: object,
) -> RunRecord:
    """A record of several loads; one that comes twice is two blocks of it."""
    sections = [_section(load, attempts) for load, attempts in loads]
    found = record([replace(s, **changes) for s in sections])  # type: ignore[arg-type]
    workloads = tuple(dict.fromkeys(work(load) for load, _ in loads))
    return replace(found, instrument=instrument, spec=replace(found.spec, workloads=workloads))


def _section(load: Load, attempts: Sequence[Attempt]) -> Section:
    streams = load.streams if isinstance(load, Closed) else 1
    return section(attempts, work(load).name, streams=streams)
