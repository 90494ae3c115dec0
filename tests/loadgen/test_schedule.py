"""Schedules are what their shape says: law, count, local rate, and the same on any machine."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from statistics import mean, stdev

import pytest
from scipy import stats

from steelyard.domain.errors import BadInput
from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Steps, Trace
from steelyard.domain.reading import Measured, Missing
from steelyard.loadgen.schedule import REQUESTS_MOST, duration_of, moments_ns, streams_ns

S = 1_000_000_000


def gaps_s(moments: tuple[int, ...]) -> list[float]:
    return [(after - before) / S for before, after in pairwise(moments)]


def bounds(expected: float) -> tuple[float, float]:
    """Where a Poisson count lies but for one time in a hundred thousand."""
    return stats.poisson.ppf(5e-6, expected), stats.poisson.ppf(1 - 5e-6, expected)


def test_a_constant_rate_never_drifts() -> None:
    moments = moments_ns(Open(3.0, "constant", 0.0), 1, requests=100_000, duration_s=None)
    assert moments[0] == 0
    assert all(abs(at - i * S / 3) <= 1 for i, at in enumerate(moments))


def test_a_constant_rate_fills_a_duration_with_exactly_its_requests() -> None:
    assert len(moments_ns(Open(7.0, "constant"), 1, requests=None, duration_s=10.0)) == 70


@pytest.mark.parametrize("seed", range(5))
def test_gaps_of_poisson_arrivals_are_exponential(seed: int) -> None:
    moments = moments_ns(Open(2000.0), seed, requests=None, duration_s=5.0)
    assert stats.kstest(gaps_s(moments), "expon", args=(0, 1 / 2000)).pvalue > 0.05
    low, high = bounds(2000 * 5)
    assert low <= len(moments) <= high


@pytest.mark.parametrize("cv", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_gamma_arrivals_have_the_asked_spread_and_rate(cv: float) -> None:
    moments = moments_ns(Open(50.0, "gamma", cv), 3, requests=60_000, duration_s=None)
    gaps = gaps_s(moments)
    assert stdev(gaps) / mean(gaps) == pytest.approx(cv, rel=0.03)
    assert mean(gaps) == pytest.approx(1 / 50, rel=5 * cv / math.sqrt(len(gaps)))
    law = stats.gamma(1 / (cv * cv), scale=cv * cv / 50)
    # Of bursts, gaps near a nanosecond are rounded to whole ones: they are left to the mean.
    for x in (1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.5):
        seen = sum(gap <= x for gap in gaps) / len(gaps)
        assert seen == pytest.approx(law.cdf(x), abs=4 * math.sqrt(0.25 / len(gaps)))


@pytest.mark.parametrize("cv", [0.3, 3.0])
def test_bursts_do_not_shift_the_mean_count_of_a_short_load(cv: float) -> None:
    counts = [
        len(moments_ns(Open(4.0, "gamma", cv), seed, requests=None, duration_s=1.0))
        for seed in range(3000)
    ]
    assert mean(counts) == pytest.approx(4.0, abs=4 * stdev(counts) / math.sqrt(len(counts)))


def test_gamma_without_spread_is_constant() -> None:
    even = moments_ns(Open(9.0, "gamma", 0.0), 1, requests=50, duration_s=None)
    assert even == moments_ns(Open(9.0, "constant"), 2, requests=50, duration_s=None)


@pytest.mark.parametrize(("start", "end"), [(0.0, 400.0), (400.0, 20.0), (100.0, 100.0)])
def test_the_local_rate_of_a_ramp_is_the_line_between_its_ends(start: float, end: float) -> None:
    ramp = Ramp("rate", start, end, 100.0)
    moments = moments_ns(ramp, 5, requests=None, duration_s=None)
    for tenth in range(10):
        middle = start + (end - start) * (tenth + 0.5) / 10
        low, high = bounds(10 * middle)
        assert low <= sum(tenth * 10 * S <= at < (tenth + 1) * 10 * S for at in moments) <= high
    low, high = bounds(50 * (start + end))
    assert low <= len(moments) <= high
    assert list(moments) == sorted(moments)


def test_the_moments_of_a_ramp_are_spread_by_its_own_law() -> None:
    moments = moments_ns(Ramp("rate", 0.0, 200.0, 60.0), 8, requests=None, duration_s=None)
    # Given their number, arrivals of a line from zero lie as the square root of a uniform.
    assert stats.kstest([(at / S / 60) ** 2 for at in moments], "uniform").pvalue > 0.05


def test_the_mean_count_of_a_ramp_is_the_area_under_it() -> None:
    counts = [
        len(moments_ns(Ramp("rate", 1.0, 3.0, 5.0), seed, requests=None, duration_s=None))
        for seed in range(4000)
    ]
    assert mean(counts) == pytest.approx(10.0, abs=4 * math.sqrt(10 / 4000))


def test_steps_hold_their_rates_and_a_rate_of_zero_is_a_pause() -> None:
    moments = moments_ns(
        Steps("rate", (100.0, 0.0, 300.0), 20.0), 2, requests=None, duration_s=None
    )
    seen = [sum(n * 20 * S <= at < (n + 1) * 20 * S for at in moments) for n in range(3)]
    assert seen[1] == 0
    for count, expected in ((seen[0], 2000), (seen[2], 6000)):
        low, high = bounds(expected)
        assert low <= count <= high
    assert sum(seen) == len(moments)


def test_a_trace_is_replayed_exactly_from_its_first_request() -> None:
    trace = Trace((3.0, 3.027482, 3.5, 3.5), "0" * 64)
    assert moments_ns(trace, 1, requests=None, duration_s=None) == (0, 27_482_000, S // 2, S // 2)


def test_speed_compresses_a_trace_and_bounds_cut_it() -> None:
    trace = Trace((0.0, 1.0, 2.0, 3.0), "0" * 64, speed=4.0)
    assert moments_ns(trace, 1, requests=None, duration_s=None) == (0, S // 4, S // 2, 3 * S // 4)
    assert moments_ns(trace, 1, requests=2, duration_s=None) == (0, S // 4)
    assert moments_ns(trace, 1, requests=None, duration_s=0.5) == (0, S // 4)
    assert duration_of(trace) == Measured(0.75, "derived")


def test_what_comes_first_ends_a_load() -> None:
    load = Open(10.0, "constant")
    assert len(moments_ns(load, 1, requests=5, duration_s=100.0)) == 5
    assert len(moments_ns(load, 1, requests=5000, duration_s=2.0)) == 20
    half = moments_ns(Ramp("rate", 10.0, 30.0, 60.0), 4, requests=None, duration_s=30.0)
    whole = moments_ns(Ramp("rate", 10.0, 30.0, 60.0), 4, requests=None, duration_s=None)
    assert half == tuple(at for at in whole if at < 30 * S)


@pytest.mark.parametrize(
    ("load", "digest"),
    [
        (Open(13.0), "29ca8cd29cbe5fd6"),
        (Open(13.0, "gamma", 2.5), "12f864716f1a1e7d"),
        (Open(13.0, "gamma", 0.4), "87c8f924601879eb"),
        (Ramp("rate", 1.0, 40.0, 50.0), "caaa1a8a9f2a04ca"),
        (Steps("rate", (5.0, 50.0), 25.0), "b0b391d39a37212d"),
    ],
)
def test_a_seed_gives_the_same_schedule_on_any_machine(load: Load, digest: str) -> None:
    moments = moments_ns(load, 42, requests=400, duration_s=50.0)
    assert hashlib.sha256(repr(moments).encode()).hexdigest()[:16] == digest
    assert moments != moments_ns(load, 43, requests=400, duration_s=50.0)


def test_closed_shapes_say_how_many_streams_from_when_on() -> None:
    assert streams_ns(Closed(8)) == ((0, 8),)
    assert streams_ns(Conversations(3)) == ((0, 3),)
    assert streams_ns(Steps("streams", (1.0, 4.0, 2.0), 30.0)) == ((0, 1), (30 * S, 4), (60 * S, 2))
    assert streams_ns(Ramp("streams", 1.0, 4.0, 60.0)) == (
        *((0, 1), (15 * S, 2), (30 * S, 3), (45 * S, 4)),
    )
    assert streams_ns(Ramp("streams", 3.0, 1.0, 3.0)) == ((0, 3), (S, 2), (2 * S, 1))


def test_open_shapes_are_limited_by_their_cap_alone() -> None:
    assert streams_ns(Open(5.0, cap=16)) == ((0, 16),)
    assert streams_ns(Open(5.0)) == ()
    assert streams_ns(Ramp("rate", 1.0, 2.0, 3.0)) == ()
    assert streams_ns(Trace((0.0,), "")) == ()


def test_shapes_that_end_say_when_and_others_why_not() -> None:
    assert duration_of(Ramp("rate", 1.0, 2.0, 60.0)) == Measured(60.0, "derived")
    assert duration_of(Steps("streams", (1.0, 2.0, 3.0), 20.0)) == Measured(60.0, "derived")
    for endless in (Closed(), Open(1.0), Conversations(1)):
        assert isinstance(duration_of(endless), Missing)


@pytest.mark.parametrize(
    ("load", "requests", "duration_s", "cause"),
    [
        (Open(0.0), 10, None, "a rate of 0"),
        (Open(-1.0), 10, None, "a rate of -1"),
        (Open(math.nan), 10, None, "a rate of nan"),
        (Open(math.inf), 10, None, "a rate of inf"),
        (Open(1.0, "gamma", -0.5), 10, None, "variation of -0.5"),
        (Open(1.0), None, None, "never ends"),
        (Open(1.0), 0, None, "0 requests"),
        (Open(1.0), None, -3.0, "a load of -3 s"),
        (Open(1e6), None, 3600.0, "3,600,000,000 requests"),
        (Open(1e6), REQUESTS_MOST + 1, None, "5,000,001 requests"),
        (Ramp("rate", 1.0, 1e6, 3600.0), None, None, "1,800,001,800 requests"),
        (Ramp("rate", 1.0, 2.0, 0.0), None, None, "a ramp of 0 s"),
        (Ramp("rate", -1.0, 2.0, 9.0), None, None, "a rate of -1"),
        (Ramp("rate", 0.0, 0.0, 9.0), None, None, "0 throughout"),
        (Ramp("rate", 1.0, 2.0, 9.0), None, 10.0, "ends after 9 s"),
        (Steps("rate", (), 9.0), None, None, "without a level"),
        (Steps("rate", (1.0, math.nan), 9.0), None, None, "a rate of nan"),
        (Trace((), ""), None, None, "no request"),
        (Trace((0.0, 2.0, 1.0), ""), None, None, "request 3 of the trace"),
        (Trace((0.0, math.nan), ""), None, None, "no number"),
        (Trace((0.0, 1.0), "", speed=0.0), None, None, "speed 0"),
        (Trace((0.0, 1.0), ""), 3, None, "holds 2 requests; 3"),
        (Closed(4), 10, None, "no moments"),
        (Ramp("streams", 1.0, 4.0, 9.0), 10, None, "no moments"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(
    load: Load, requests: int | None, duration_s: float | None, cause: str
) -> None:
    with pytest.raises(BadInput, match=cause) as caught:
        moments_ns(load, 1, requests=requests, duration_s=duration_s)
    assert caught.value.hint


@pytest.mark.parametrize(
    "load",
    [
        *(Closed(0), Closed(100_001), Conversations(0), Open(1.0, cap=0)),
        *(Ramp("streams", 0.0, 4.0, 9.0), Ramp("streams", 1.5, 4.0, 9.0)),
        *(Ramp("streams", 1.0, 4.0, -9.0), Steps("streams", (), 9.0), Steps("streams", (2.5,), 9)),
    ],
)
def test_streams_that_cannot_be_are_refused(load: Load) -> None:
    with pytest.raises(BadInput) as caught:
        streams_ns(load)
    assert caught.value.hint
