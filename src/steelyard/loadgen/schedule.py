"""When a load wants its requests sent: from a shape and a seed to moments, before any clock runs.

Open shapes become offsets from the load's start in ns, closed ones the number of streams that may
be in flight. Arrivals at a changing rate are a Poisson process by inversion: unit arrivals are
mapped through the inverse of the integrated rate, so that the mean count is the area under the
rate, exactly. Every moment is computed from the start, never from the one before it, so nothing
drifts. Gamma arrivals begin as if they had been going on for ever (the first gap is what is left
of one that an observer falls into), which makes their mean count exact too.

The same seed gives the same schedule on any machine: only `random.Random.random` is drawn from,
the one generator whose sequence Python promises to keep, and gaps are put on a grid of 2^-40 of
the mean gap before they are summed as integers, far coarser than what two mathematics libraries
disagree by. Not aware of clocks, sockets or what is sent. Sources: E. Cinlar, Introduction to
Stochastic Processes (1975), inversion; G. Marsaglia and W. W. Tsang, ACM TOMS 26 (2000) 363-372,
gamma; D. R. Cox, Renewal Theory (1962), 5.4, the first gap.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never, final

from steelyard.domain.errors import BadInput
from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Relayed, Steps, Trace
from steelyard.domain.reading import Measured, Missing, Reading

REQUESTS_MOST: Final = 5_000_000
STREAMS_MOST: Final = 100_000
_CV_MOST: Final = 100.0
_NS_PER_S: Final = 1_000_000_000
_GRID: Final = 1 << 40


@final
@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch in which the rate goes evenly from `start` to `end` requests a second."""

    from_s: float
    length_s: float
    start: float
    end: float

    def area(self, seconds: float) -> float:
        """Return the requests expected in the first `seconds` of it."""
        if self.start == self.end:
            return self.start * seconds
        return seconds * (self.start + (self.end - self.start) * seconds / (2 * self.length_s))

    def at_s(self, area: float) -> float:
        """Return when so many are expected to have come; the root that does not cancel."""
        if self.start == self.end:
            return self.from_s + area / self.start
        slope = (self.end - self.start) / self.length_s
        root = math.sqrt(max(0.0, self.start * self.start + 2 * slope * area))
        return self.from_s + 2 * area / (self.start + root)


def moments_ns(
    load: Load, seed: int, *, requests: int | None, duration_s: float | None
) -> tuple[int, ...]:
    """Return when an open load wants each request sent, in ns from its start, in order.

    It ends with what comes first: that many requests, that many seconds, or the shape's own end.
    Chance may leave a short one without any request. A closed load has no moments and is refused.
    """
    _bounds(requests, duration_s)
    match load:
        case Trace():
            return _replayed(load, requests, duration_s)
        case Open():
            pieces = _open(load, requests, duration_s)
            gaps = _gaps(load, random.Random(seed))
        case Ramp(of="rate") | Steps(of="rate"):
            pieces = _changing(load)
            gaps = _poisson(random.Random(seed))
        case Closed() | Conversations() | Ramp() | Steps() | Relayed():
            raise BadInput(
                "a closed load sends when an answer makes room: it has no moments of its own",
                hint="give it a rate or a trace, or take its streams",
            )
        case _:
            assert_never(load)
    end_s = min(_within(load, duration_s), pieces[-1].from_s + pieces[-1].length_s)
    most = math.inf if requests is None else requests
    expected = math.fsum(p.area(min(p.length_s, max(0.0, end_s - p.from_s))) for p in pieces)
    if min(expected, most) > REQUESTS_MOST:
        _too_many(min(expected, most))
    return tuple(itertools.islice(_moments(pieces, gaps, end_s), requests))


def streams_ns(load: Load) -> tuple[tuple[int, int], ...]:
    """Return from when on (ns from the start) how many requests may be in flight at once.

    A ramp holds each number of streams equally long. Nothing stands here for an open load without
    a cap: it is limited by nothing. A conversation's user is one stream.
    """
    match load:
        case Closed(streams=streams):
            return ((0, _streams(streams)),)
        case Conversations(users=users):
            return ((0, _streams(users)),)
        case Ramp(of="streams"):
            _length(load.over_s, "a ramp")
            start, end = _streams(load.start), _streams(load.end)
            levels = range(start, end + 1) if start <= end else range(start, end - 1, -1)
            each_s = load.over_s / len(levels)
            return tuple((_ns(i * each_s), level) for i, level in enumerate(levels))
        case Steps(of="streams"):
            _length(load.each_s, "a step")
            _some(load)
            return tuple((_ns(i * load.each_s), _streams(n)) for i, n in enumerate(load.levels))
        case Open(cap=cap):
            return () if cap is None else ((0, _streams(cap)),)
        case Ramp() | Steps() | Trace() | Relayed():
            return ()
        case _:
            assert_never(load)


def duration_of(load: Load) -> Reading[float]:
    """Return how many seconds the shape itself lasts; Missing where somebody else has to say."""
    match load:
        case Ramp():
            return Measured(load.over_s, "derived")
        case Steps():
            return Measured(load.each_s * len(load.levels), "derived")
        case Trace():
            _sound(load)
            return Measured((load.at_s[-1] - load.at_s[0]) / load.speed, "derived")
        case Closed() | Open() | Conversations() | Relayed():
            return Missing("no_end", "this load goes on until requests or time run out")
        case _:
            assert_never(load)


def _moments(pieces: tuple[_Piece, ...], gaps: Iterator[int], end_s: float) -> Iterator[int]:
    """Yield the moments before `end_s`: unit arrivals through the inverse of the area."""
    sum_of_gaps = 0
    before = 0.0
    queue = iter(pieces)
    piece = next(queue)
    for gap in gaps:
        sum_of_gaps += gap
        area = sum_of_gaps / _GRID - before
        while area >= (whole := piece.area(piece.length_s)):
            following = next(queue, None)
            if following is None:
                return
            before += whole
            area -= whole
            piece = following
        at_s = piece.at_s(area)
        if at_s >= end_s:
            return
        yield _ns(at_s)


def _gaps(load: Open, draw: random.Random) -> Iterator[int]:
    match load.process:
        case "constant":
            return _constant()
        case "poisson":
            return _poisson(draw)
        case "gamma":
            return _gamma_gaps(load.cv, draw) if load.cv > 0 else _constant()
        case _:
            assert_never(load.process)


def _constant() -> Iterator[int]:
    return itertools.chain((0,), itertools.repeat(_GRID))


def _poisson(draw: random.Random) -> Iterator[int]:
    while True:
        yield round(-math.log(1.0 - draw.random()) * _GRID)


def _gamma_gaps(cv: float, draw: random.Random) -> Iterator[int]:
    shape, scale = 1 / (cv * cv), cv * cv
    yield round(draw.random() * _gamma(shape + 1, draw) * scale * _GRID)
    while True:
        yield round(_gamma(shape, draw) * scale * _GRID)


def _gamma(shape: float, draw: random.Random) -> float:
    if shape < 1:
        return float(_gamma(shape + 1, draw) * (1.0 - draw.random()) ** (1 / shape))
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = math.sqrt(-2 * math.log(1.0 - draw.random())) * math.cos(2 * math.pi * draw.random())
        v = (1 + c * x) ** 3
        u = 1.0 - draw.random()
        if v > 0 and math.log(u) < x * x / 2 + d - d * v + d * math.log(v):
            return d * v


def _open(load: Open, requests: int | None, duration_s: float | None) -> tuple[_Piece, ...]:
    if not 0 < load.rate < math.inf:
        raise BadInput(
            f"a rate of {load.rate:g} requests a second is none", hint="give one above 0"
        )
    if not 0 <= load.cv <= _CV_MOST:
        raise BadInput(
            f"a coefficient of variation of {load.cv:g} is none",
            hint=f"give one from 0 (even) over 1 (Poisson) to at most {_CV_MOST:g} (bursts)",
        )
    if requests is None and duration_s is None:
        raise BadInput("a rate alone never ends", hint="say how many requests or how long")
    return (_Piece(0.0, math.inf, load.rate, load.rate),)


def _changing(load: Ramp | Steps) -> tuple[_Piece, ...]:
    if isinstance(load, Ramp):
        _length(load.over_s, "a ramp")
        rates: tuple[float, ...] = (load.start, load.end)
        pieces: tuple[_Piece, ...] = (_Piece(0.0, load.over_s, load.start, load.end),)
    else:
        _length(load.each_s, "a step")
        _some(load)
        rates = load.levels
        pieces = tuple(
            _Piece(i * load.each_s, load.each_s, rate, rate) for i, rate in enumerate(rates)
        )
    for rate in rates:
        if not 0 <= rate < math.inf:
            raise BadInput(
                f"a rate of {rate:g} requests a second is none", hint="give 0 (a pause) or more"
            )
    if not any(rates):
        raise BadInput("a load whose rate is 0 throughout sends nothing", hint="give one above 0")
    return pieces


def _replayed(load: Trace, requests: int | None, duration_s: float | None) -> tuple[int, ...]:
    _sound(load)
    count = len(load.at_s)
    if requests is not None and requests > count:
        raise BadInput(
            f"the trace holds {count} requests; {requests} are asked for",
            hint=f"ask for at most {count}, or for none and the whole trace is played",
        )
    end_s = _within(load, duration_s)
    first = load.at_s[0]
    offsets = ((at_s - first) / load.speed for at_s in load.at_s[:requests])
    return tuple(_ns(offset) for offset in offsets if duration_s is None or offset < end_s)


def _sound(load: Trace) -> None:
    if not load.at_s:
        raise BadInput("the trace holds no request", hint="give a trace with at least one")
    if not 0 < load.speed < math.inf:
        raise BadInput(
            f"a trace cannot be played at speed {load.speed:g}",
            hint="1 is as recorded, 2 is twice as fast",
        )
    if len(load.at_s) > REQUESTS_MOST:
        _too_many(len(load.at_s))
    if not all(math.isfinite(at_s) for at_s in load.at_s):
        raise BadInput("the trace holds a moment that is no number", hint="mend or drop that line")
    for number, (before, after) in enumerate(itertools.pairwise(load.at_s), start=2):
        if after < before:
            raise BadInput(
                f"request {number} of the trace comes before the one above it",
                hint="sort the trace by its moments",
            )


def _bounds(requests: int | None, duration_s: float | None) -> None:
    if requests is not None and requests < 1:
        raise BadInput(f"{requests} requests are no load", hint="ask for at least 1")
    if duration_s is not None:
        _length(duration_s, "a load")


def _within(load: Load, duration_s: float | None) -> float:
    """Return the asked duration, refused where the shape ends before it."""
    if duration_s is None:
        return math.inf
    own = duration_of(load)
    if isinstance(own, Measured) and duration_s > own.value:
        raise BadInput(
            f"this {load.kind} ends after {own.value:g} s; {duration_s:g} s are asked for",
            hint="make the shape itself longer, or ask for no duration",
        )
    return duration_s


def _length(seconds: float, what: str) -> None:
    if not 0 < seconds < math.inf:
        raise BadInput(f"{what} of {seconds:g} s is none", hint="give a time above 0 s")


def _some(load: Steps) -> None:
    if not load.levels:
        raise BadInput("steps without a level are no load", hint="give at least one")


def _streams(number: float) -> int:
    if not (1 <= number <= STREAMS_MOST and number == int(number)):
        raise BadInput(
            f"{number:g} streams cannot be", hint=f"give a whole number from 1 to {STREAMS_MOST:,}"
        )
    return int(number)


def _too_many(requests: float) -> None:
    raise BadInput(
        f"this load would send {requests:,.0f} requests; the most is {REQUESTS_MOST:,}",
        hint="lower the rate, the time or the number of requests",
    )


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)
