"""Steady state: scripted ramps, plateaus and drains are found where they were put."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass

import pytest

from steelyard.analysis.steady import SteadyWindow, Trend, steady_window, trend, unsettled
from steelyard.domain.reading import Measured, Missing, Reading, value_of


@dataclass(frozen=True)
class Shape:
    """Streams join one by one, hold, leave one by one; values settle `cold_s` after the ramp."""

    streams: int
    ramp_s: float
    plateau_s: float
    drain_s: float
    cold_s: float = 0.0
    think_s: float = 0.0
    rho: float = 0.0


@dataclass(frozen=True)
class Run:
    starts_s: list[float]
    ends_s: list[float]
    values: list[Reading[float]]


def edges(shape: Shape) -> tuple[float, float]:
    joined_s = shape.ramp_s * (shape.streams - 1) / shape.streams
    begin_s = shape.ramp_s + shape.cold_s if shape.cold_s else joined_s
    return begin_s, shape.ramp_s + shape.plateau_s


def run(shape: Shape, seed: int) -> Run:
    source = random.Random(seed)
    stop_s = shape.ramp_s + shape.plateau_s
    leaves = [stop_s + shape.drain_s * k / shape.streams for k in range(shape.streams)]
    ready = [(shape.ramp_s * k / shape.streams, k) for k in range(shape.streams)]
    heapq.heapify(ready)
    found = Run([], [], [])
    mood = 0.0
    while ready:
        at_s, stream = heapq.heappop(ready)
        if at_s >= leaves[stream]:
            continue
        mood = shape.rho * mood + math.sqrt(1 - shape.rho**2) * source.gauss(0, 1)
        load = min(1.0, at_s / shape.ramp_s) if shape.ramp_s else 1.0
        cold = 1.6 if shape.cold_s and at_s < shape.ramp_s + shape.cold_s else 1.0
        took_s = 0.5 * (0.4 + 0.6 * load) * cold * math.exp(0.25 * mood)
        end_s = min(at_s + took_s, leaves[stream])
        found.starts_s.append(at_s)
        found.ends_s.append(end_s)
        found.values.append(Measured(took_s, "client"))
        pause_s = source.expovariate(1 / shape.think_s) if shape.think_s else 0.0
        heapq.heappush(ready, (end_s + pause_s, stream))
    return found


def window(found: Run, streams: int | None) -> SteadyWindow:
    reading = steady_window(found.starts_s, found.ends_s, found.values, streams)
    steady = value_of(reading)
    assert steady is not None, reading
    return steady


SHAPES = {
    "ramp and drain": Shape(32, 10, 40, 8),
    "a few streams": Shape(8, 5, 60, 5),
    "one stream": Shape(1, 0, 120, 0),
    "many streams": Shape(128, 20, 30, 10),
    "long ramp": Shape(32, 40, 40, 20),
    "cold at first": Shape(32, 4, 60, 4, cold_s=10),
    "thinking between": Shape(64, 10, 60, 10, think_s=0.005),
    "hanging together": Shape(32, 10, 60, 8, rho=0.8),
}


def near(shape: Shape, seed: int) -> bool:
    found = run(shape, seed)
    steady = value_of(steady_window(found.starts_s, found.ends_s, found.values, shape.streams))
    if steady is None:
        return False
    begin_s, stop_s = edges(shape)
    error_s = max(abs(steady.start_s - begin_s), abs(steady.end_s - stop_s))
    return error_s <= 0.02 * shape.plateau_s


@pytest.mark.parametrize("name", SHAPES)
def test_the_edges_of_a_plateau_are_found_within_two_percent_of_it(name: str) -> None:
    assert sum(near(SHAPES[name], seed) for seed in range(8)) >= 7


@pytest.mark.full
@pytest.mark.parametrize("name", SHAPES)
def test_the_edges_of_a_plateau_are_found_in_nineteen_of_twenty_loads(name: str) -> None:
    assert sum(near(SHAPES[name], seed) for seed in range(200)) >= 190


def test_requests_before_and_after_are_counted_and_those_inside_belong() -> None:
    found = run(SHAPES["ramp and drain"], 1)
    steady = window(found, 32)
    assert steady.warmup == sum(s < steady.start_s for s in found.starts_s) > 0
    assert steady.cooldown == sum(s >= steady.end_s for s in found.starts_s) > 0
    inside = sum(steady.holds(s) for s in found.starts_s)
    assert inside + steady.warmup + steady.cooldown == len(found.starts_s)
    assert steady.reason == "at least 32 of 32 requests were in flight"


def test_what_had_not_settled_is_cut_and_said() -> None:
    steady = window(run(SHAPES["cold at first"], 3), 32)
    assert "that had not settled" in steady.reason
    assert steady.start_s > 13


def test_an_open_loop_is_steady_while_requests_are_sent() -> None:
    source = random.Random(5)
    starts_s = [at / 20 + 100 for at in range(1200)]
    took_s = [source.lognormvariate(0, 0.3) for _ in starts_s]
    ends_s = [s + t for s, t in zip(starts_s, took_s, strict=True)]
    values = [Measured(t, "client") for t in took_s]
    steady = window(Run(starts_s, ends_s, list(values)), None)
    assert steady.start_s == 100
    assert steady.warmup == steady.cooldown == 0
    assert steady.end_s == pytest.approx(starts_s[-1])
    assert steady.holds(starts_s[-1])


def test_failed_requests_load_the_engine_and_have_no_value() -> None:
    found = run(SHAPES["ramp and drain"], 1)
    broken: list[Reading[float]] = [
        Missing("failed") if place % 3 == 0 else value for place, value in enumerate(found.values)
    ]
    whole, partly = window(found, 32), window(Run(found.starts_s, found.ends_s, broken), 32)
    assert (partly.start_s, partly.end_s) == (whole.start_s, whole.end_s)


def test_a_concurrency_that_was_never_reached_is_no_plateau() -> None:
    found = run(SHAPES["a few streams"], 1)
    reading = steady_window(found.starts_s, found.ends_s, found.values, 16)
    assert reading == Missing(
        "concurrency_not_reached", "16 requests were to be in flight; there were at most 8"
    )


def test_a_level_reached_late_is_no_steady_state() -> None:
    source = random.Random(4)
    series = [source.gauss(2 if at < 700 else 1, 0.2) for at in range(1000)]
    cut = unsettled(series)
    assert isinstance(cut, Missing)
    assert cut.code == "no_steady_state"


def test_few_requests_show_no_steady_state() -> None:
    values: list[Reading[float]] = [Measured(1.0, "client")] * 49
    reading = steady_window([0.0] * 49, [1.0] * 49, values, 49)
    assert isinstance(reading, Missing)
    assert reading.code == "too_few_requests"
    found = run(Shape(4, 20, 0, 1), 1)
    short = steady_window(found.starts_s, found.ends_s, found.values, 4)
    assert isinstance(short, Missing)
    assert short.code == "no_steady_state"


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_steady_values_lose_hardly_any_and_show_no_trend(rho: float) -> None:
    source = random.Random(9)
    cuts, alarms, rounds = 0, 0, 60
    for _ in range(rounds):
        mood, series = source.gauss(0, 1), []
        for _ in range(1000):
            mood = rho * mood + math.sqrt(1 - rho**2) * source.gauss(0, 1)
            series.append(math.exp(0.3 * mood))
        cuts += unsettled(series) != 0
        alarms += shown([*enumerate(series)]).shows
    assert cuts <= 3
    assert alarms <= 3


def shown(series: list[tuple[int, float]]) -> Trend:
    found = value_of(trend([(float(at), value) for at, value in series]))
    assert found is not None
    return found


def test_a_change_of_level_is_found_where_it_is_and_with_its_size() -> None:
    source = random.Random(2)
    series = [(at, source.gauss(1.0 if at < 600 else 1.1, 0.1)) for at in range(1000)]
    found = shown(series)
    assert found.shows
    assert found.at_s == pytest.approx(600, abs=50)
    assert found.change == pytest.approx(0.1, abs=0.02)


def test_a_drift_shows_and_wild_values_do_not_hide_it() -> None:
    source = random.Random(2)
    series = [(at, source.gauss(1.0 + at / 5000, 0.1)) for at in range(1000)]
    for place in range(0, 1000, 97):
        series[place] = (place, 1e6)
    assert shown(series).shows


def test_a_trend_takes_a_hundred_values_and_a_level() -> None:
    assert isinstance(trend([(float(at), 1.0) for at in range(99)]), Missing)
    assert isinstance(trend([(float(at), 0.0) for at in range(100)]), Missing)
    assert not shown([(at, 1.0) for at in range(100)]).shows
