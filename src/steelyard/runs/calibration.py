"""Calibration: the instrument's own error on this machine, against a server with known truth.

The pacer is driven as a real server is, in four trials that look like real loads. Its truth log
says when each request came and when each event was handed to the kernel. The client gives each of
its values a range, since it knows what it read late or together; what the ranges leave unsaid is
the clock's own error: how far the truth lies outside. Writing a request counts into it, since it is
a part of every TTFT, on a quiet machine too. Kept is the 99th percentile in the worst trial, which
is added to every range. Two seconds, and never more than three. Not aware of real engines, or of
where a calibration is kept. Ranges: `analysis.timing`.
"""

from __future__ import annotations

import functools
import math
import select
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, final

from steelyard.analysis import timing
from steelyard.domain.errors import EngineError
from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Attempt, Exchange, Stamps
from steelyard.engines import api, transcript
from steelyard.engines.api import Dialect, HttpCall
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client
from steelyard.platform import clock, process
from steelyard.scripted import paced, truth
from steelyard.scripted.truth import Truth

PHASE: Final = "calibrating the clock"
HOST: Final = "127.0.0.1"
_ROUTE: Final = "/v1/chat/completions"
_NOT_BOUND: Final = Missing("not_bound", "no request was bound to a moment")
_LEAST: Final = 100
_QUANTILE: Final = 0.99
_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_LAST_CALL_NS: Final = 2_600 * _MS  # after the start; what is out then is over in a tenth of it
_DEADLINE_NS: Final = 300 * _MS
_UP_S: Final = 2.0
_LEAD_NS: Final = 20 * _MS  # until the first moment: the jobs have to get to the driver


@final
@dataclass(frozen=True, slots=True)
class _Load:
    """What one trial sends: `every_ns` apart where requests are bound to moments."""

    name: str
    streams: int
    requests: int
    tokens: int
    ttft_ms: float
    gap_ms: float
    every_ns: int | None = None


_LOADS: Final = (
    _Load("one stream", 1, 104, tokens=3, ttft_ms=1.0, gap_ms=0.7),
    _Load("8 streams, 10 ms gaps", 8, 104, tokens=4, ttft_ms=4.0, gap_ms=10.0),
    _Load("4 streams, 0.3 ms gaps", 4, 104, tokens=24, ttft_ms=1.0, gap_ms=0.3),
    _Load("200 requests/s", 64, 104, tokens=3, ttft_ms=1.0, gap_ms=1.0, every_ns=5 * _MS),
)


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """One attempt beside the truth, in seconds.

    `ttft_s` and `gaps_s` say by how much its values are too large, `*_beyond_s` how far the truth
    lies outside the ranges that the arrivals' spreads give them.
    """

    attempt: Attempt
    ttft_s: float
    gaps_s: tuple[float, ...]
    ttft_beyond_s: float
    gaps_beyond_s: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Trial:
    """What one load found, in seconds: 99th percentiles.

    The errors are those beyond the ranges; `ttft_off_s` and `gap_off_s` are the distances of the
    values themselves from the truth, ranges disregarded. `lateness_s` is known only where requests
    were bound to moments.
    """

    name: str
    samples: int
    ttft_off_s: Reading[float]
    gap_off_s: Reading[float]
    ttft_error_s: Reading[float]
    gap_error_s: Reading[float]
    lateness_s: Reading[float] = _NOT_BOUND


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A whole calibration: the bounds, and the trials that they are the worst of."""

    instrument: Instrument
    trials: tuple[Trial, ...]


def calibrate(folder: Path, emit: Emit) -> Instrument:
    """Return the client's error bounds. See `measure`."""
    return measure(folder, emit).instrument


def measure(folder: Path, emit: Emit) -> Found:
    """Drive the pacer for about two seconds; `folder` is emptied first.

    A bound is missing, with the reason, where a trial ended with too few samples, or lost so many
    requests that the bound may lie among those.

    Raises:
        EngineError: the pacer did not start.
        SteelyardError: the client ended early.
    """
    started_ns = clock.monotonic_ns()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    emit(PhaseStarted(PHASE, sum(load.requests for load in _LOADS)))
    log = folder / "truth"
    with (
        pacer(folder, log) as port,
        Client(HOST, port, folder / "spool.bin") as client,
    ):
        client.last_call(started_ns + _LAST_CALL_NS)
        exchanges = list(_driven(client, port, emit))
    known = {answer.number: answer.truth for answer in paced.records(log)}
    trials = tuple(_trial(load, mine, known) for load, mine in zip(_LOADS, exchanges, strict=True))
    emit(PhaseEnded(PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return Found(_instrument(trials, [one for mine in exchanges for one in mine]), trials)


@contextmanager
def pacer(folder: Path, log: Path, *flags: str) -> Iterator[int]:
    """Run a pacer on a port of its own and yield the port; its log is whole when this ends."""
    words = [sys.executable, "-m", "steelyard.scripted.pacer", "--host", HOST, "--port", "0"]
    errors = folder / "pacer.log"
    child = process.start([*words, "--truth", str(log), *flags], log=errors, pipes=True)
    with child:
        out = child.stdout
        said = b""
        if out is not None and select.select([out], [], [], _UP_S)[0]:
            said = out.readline()
        if not said.startswith(b"listening on "):
            why = [f"silent for {_UP_S:g} s", *errors.read_text(errors="replace").splitlines()][-1]
            raise EngineError(
                f"the server for the calibration did not start: {why}",
                hint="try again when the machine is less busy",
            )
        yield int(said.rpartition(b":")[2])


def request(port: int, tokens: int, ttft_ms: float, gap_ms: float) -> bytes:
    """Return the bytes that ask the pacer for an answer of known times."""
    asked = {
        "model": "pacer",
        "messages": [{"role": "user", "content": "count"}],
        "stream": True,
        "max_tokens": tokens,
        "steelyard_ttft_ms": ttft_ms,
        "steelyard_gap_ms": gap_ms,
    }
    return prepare(HttpCall("POST", _ROUTE, asked), HOST, port)


def compare(exchange: Exchange, known: Mapping[int, Truth]) -> Compared | None:
    """Hold one exchange against the truth; None where it failed or the truth is not known."""
    number = truth.number_of(exchange)
    sent = None if number is None else known.get(number)
    attempt = transcript.read(exchange, _dialect(), sample=exchange.id)
    arrivals = timing.token_arrivals(attempt)
    if sent is None or exchange.failure is not None or len(arrivals) != len(sent.sends_ns):
        return None
    value_s = (arrivals[0].at_ns - attempt.sent_ns) / _NS_PER_S
    true_s = (sent.sends_ns[0] - sent.received_ns) / _NS_PER_S
    errors, beyond = [], []
    for range_s, (before_ns, at_ns) in zip(
        timing.gap_bounds_s(attempt), pairwise(sent.sends_ns), strict=True
    ):
        gap_s = (at_ns - before_ns) / _NS_PER_S
        errors.append(range_s[1] - gap_s)
        beyond.append(_outside(gap_s, range_s[0], range_s[2]))
    return Compared(
        attempt=attempt,
        ttft_s=value_s - true_s,
        gaps_s=tuple(errors),
        ttft_beyond_s=_outside(true_s, value_s - arrivals[0].spread_ns / _NS_PER_S, value_s),
        gaps_beyond_s=tuple(beyond),
    )


@functools.cache
def _dialect() -> Dialect:
    return api.dialect("scripted")


def _outside(true_s: float, least_s: float, most_s: float) -> float:
    """Return how far a true value lies outside a range."""
    return max(0.0, least_s - true_s, true_s - most_s)


def _driven(client: Client, port: int, emit: Emit) -> Iterator[list[Exchange]]:
    """Put one load after the other on the client; yield what came of each."""
    done = 0
    for load in _LOADS:
        client.set_streams(load.streams)
        prepared = request(port, load.tokens, load.ttft_ms, load.gap_ms)
        first_ns = clock.monotonic_ns() + _LEAD_NS
        for number in range(load.requests):
            at_ns = None if load.every_ns is None else first_ns + number * load.every_ns
            client.submit(str(done + number), prepared, at_ns=at_ns, deadline_ns=_DEADLINE_NS)
        for answered, _ in enumerate(client.answers(), start=1):
            emit(Advanced(PHASE, done + answered, load.name))
        done += load.requests
        yield list(client.exchanges())


def _trial(load: _Load, exchanges: Sequence[Exchange], known: Mapping[int, Truth]) -> Trial:
    found = [one for exchange in exchanges if (one := compare(exchange, known)) is not None]
    lost = _lost(exchanges, len(found))

    def bound(sizes: Iterable[float], *, each: int = 1) -> Reading[float]:
        return _bound(load.name, sizes, each * lost.total(), ", ".join(sorted(lost)))

    return Trial(
        name=load.name,
        samples=sum(1 + len(one.gaps_s) for one in found),
        ttft_off_s=bound(one.ttft_s for one in found),
        gap_off_s=bound((gap for one in found for gap in one.gaps_s), each=load.tokens - 1),
        ttft_error_s=bound(one.ttft_beyond_s for one in found),
        gap_error_s=bound(
            (gap for one in found for gap in one.gaps_beyond_s), each=load.tokens - 1
        ),
        lateness_s=_NOT_BOUND if load.every_ns is None else _lateness(found, bound),
    )


def _lost(exchanges: Sequence[Exchange], compared: int) -> Counter[str]:
    """Count the requests whose error is not known, by the reason."""
    lost = Counter(one.failure for one in exchanges if one.failure is not None)
    unlike = len(exchanges) - compared - lost.total()
    return lost + Counter({"other than the server's log": unlike})


def _lateness(
    found: Sequence[Compared], bound: Callable[[Iterable[float]], Reading[float]]
) -> Reading[float]:
    late_s = []
    for one in found:
        match timing.lateness_s(one.attempt):
            case Measured(value=value):
                late_s.append(value)
            case Missing() as missing:
                return missing
    return bound(late_s)


def _bound(name: str, errors_s: Iterable[float], lost: int = 0, why: str = "") -> Reading[float]:
    """Return the 99th percentile of the size of the errors.

    Those of requests that were lost are not known, and stand above all that are.
    """
    sizes = sorted(map(abs, errors_s))
    if len(sizes) < _LEAST:
        told = f"{len(sizes)} of {_LEAST} samples came back ({name})"
        return Missing("too_few_samples", f"{told}: {why}" if lost else told)
    at = math.ceil(_QUANTILE * (len(sizes) + lost - 1))
    if at >= len(sizes):
        return Missing("requests_lost", f"{lost} of {len(sizes) + lost} were lost ({name}): {why}")
    return Measured(sizes[at], "client")


def worst(trials: Iterable[Trial], reading: Callable[[Trial], Reading[float]]) -> Reading[float]:
    """Return the largest bound; the reason of the first that is missing, where one is."""
    largest: Reading[float] = Missing("too_few_samples", "nothing was tried")
    for trial in trials:
        match reading(trial), largest:
            case Missing() as missing, _:
                return missing
            case Measured(value=value), Measured(value=before) if value <= before:
                continue
            case found, _:
                largest = found
    return largest


def _instrument(trials: Sequence[Trial], exchanges: Sequence[Exchange]) -> Instrument:
    bound = [trial for trial, load in zip(trials, _LOADS, strict=True) if load.every_ns is not None]
    stamps: Stamps = "kernel" if all(one.stamps == "kernel" for one in exchanges) else "user"
    return Instrument(
        ttft_error_s=worst(trials, lambda trial: trial.ttft_error_s),
        gap_error_s=worst(trials, lambda trial: trial.gap_error_s),
        lateness_s=worst(bound, lambda trial: trial.lateness_s),
        stamps=stamps if exchanges else "user",
        streams=max(load.streams for load in _LOADS if load.every_ns is None),
        samples=sum(trial.samples for trial in trials),
    )
