"""The knee is found in queues whose capacity is known: c servers, constant or random service."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import final

import pytest

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import GateState
from steelyard.stats.knee import (
    Found,
    KneeSearch,
    Offer,
    Plan,
    Probed,
    Saturate,
    probed,
)
from steelyard.stats.means import mean_estimate
from steelyard.stats.quantiles import quantile
from steelyard.stats.saturation import Oversaturation, oversaturated

STEADY = Probed(10.0, 10.0, 750, 1.0, 0.0, -0.02, 0.02)
FULL = Probed(13.0, 10.0, 750, 1.0, 0.23, 0.15, 0.31)


@final
@dataclass(frozen=True)
class Queue:
    """First in, first out, `servers` at a time; `law` M serves for a random time, D for a fixed."""

    law: str
    servers: int
    mu: float

    def serve(self, draw: random.Random) -> float:
        return draw.expovariate(self.mu) if self.law == "M" else 1 / self.mu

    @property
    def capacity(self) -> float:
        return self.mu * self.servers

    def opened(self, load: Offer, draw: random.Random) -> tuple[list[float], list[float]]:
        at_s, sent = 0.0, []
        for _ in range(load.requests):
            at_s += draw.expovariate(load.rate)
            sent.append(at_s)
        free = [0.0] * self.servers
        done = []
        for at_s in sent:
            done.append(max(at_s, free[0]) + self.serve(draw))
            heapq.heapreplace(free, done[-1])
        return sent, done

    def closed(self, load: Saturate, draw: random.Random) -> tuple[list[float], list[float]]:
        free, out = [0.0] * self.servers, [0.0] * load.streams
        sent, done = [], []
        for _ in range(load.requests):
            sent.append(heapq.heappop(out))
            done.append(max(sent[-1], free[0]) + self.serve(draw))
            heapq.heapreplace(free, done[-1])
            heapq.heappush(out, done[-1])
        return sent, done


def search(
    queue: Queue, plan: Plan, draw: random.Random, p95_most_s: float | None = None
) -> tuple[Found, int]:
    machine = KneeSearch(plan, objectives=p95_most_s is not None)
    step, sent_in_all = machine.start(), 0
    while not isinstance(step, Found):
        sent, done = (
            queue.closed(step, draw) if isinstance(step, Saturate) else queue.opened(step, draw)
        )
        sent_in_all += len(sent)
        if p95_most_s is None:
            step = machine.handle(probed(sent, done))
        else:
            state, strain = judged(sent, done, p95_most_s)
            step = machine.handle(probed(sent, done, state, strain))
    return step, sent_in_all


def judged(
    sent: list[float], done: list[float], most_s: float
) -> tuple[GateState, Measured[float]]:
    """Judge the p95 of the time in the queue, by the p95 of ten stretches of the probe."""
    took = [after - before for before, after in zip(sent, done, strict=True)][len(sent) // 4 :]
    size = len(took) // 10
    points = [quantile(took[i * size : (i + 1) * size], 0.95) for i in range(10)]
    estimate = mean_estimate(points)
    low, high = value_of(estimate.low), value_of(estimate.high)
    assert low is not None
    assert high is not None
    state: GateState = "met" if high <= most_s else "failed" if low > most_s else "undecided"
    return state, Measured(quantile(took, 0.95) / most_s, "derived")


@cache
def capacities(law: str) -> tuple[tuple[Queue, Found, int], ...]:
    found = []
    for seed in range(200):
        draw = random.Random(seed)
        queue = Queue(law, (1, 4, 16, 64)[seed % 4], draw.uniform(0.2, 5.0))
        found.append((queue, *search(queue, Plan(), draw)))
    return tuple(found)


@pytest.mark.parametrize("law", ["M", "D"])
def test_capacity_is_found_within_three_per_cent_in_at_most_eight_probes(law: str) -> None:
    errors = [(value_of(f.knee.value) or 0.0) / q.capacity - 1 for q, f, _ in capacities(law)]
    assert sum(abs(error) <= 0.03 for error in errors) >= 190
    assert abs(sum(errors)) / 200 < 0.003
    assert max(found.probes for _, found, _ in capacities(law)) <= 8


@pytest.mark.parametrize("law", ["M", "D"])
def test_the_interval_of_the_capacity_covers_it(law: str) -> None:
    covered = sum(
        (value_of(f.knee.low) or 0.0) <= q.capacity <= (value_of(f.knee.high) or 0.0)
        for q, f, _ in capacities(law)
    )
    assert covered >= 186


def test_what_is_called_sustained_is_below_capacity_and_what_is_called_too_much_above() -> None:
    for law in ("M", "D"):
        held = [(q, value_of(f.sustained)) for q, f, _ in capacities(law)]
        full = [(q, value_of(f.overloaded)) for q, f, _ in capacities(law)]
        assert sum(rate is not None and rate < q.capacity for q, rate in held) >= 180
        assert sum(rate is not None and rate > q.capacity for q, rate in full) >= 195


def test_a_steady_server_takes_fewer_requests_than_a_random_one() -> None:
    steady = sum(sent for q, _, sent in capacities("D") if q.servers == 4)
    assert steady < sum(sent for q, _, sent in capacities("M") if q.servers == 4) / 3


def test_streams_that_do_not_fill_the_server_are_overcome() -> None:
    draw = random.Random(1)
    found, _ = search(Queue("D", 40, 1.0), Plan(streams=24), draw)
    assert value_of(found.knee.value) == pytest.approx(40.0, rel=0.03)
    assert found.closed_per_s < 30


@pytest.mark.parametrize(("servers", "most_s"), [(1, 6.0), (1, 12.0)])
def test_the_knee_of_an_objective_is_near_the_rate_that_just_meets_it(
    servers: int, most_s: float
) -> None:
    # The time in an M/M/1 queue is exponential with rate mu - lambda.
    true = servers - math.log(20) / most_s
    found = [
        search(Queue("M", servers, 1.0), Plan(streams=16), random.Random(seed), most_s)[0]
        for seed in range(40)
    ]
    assert all(one.limit == "objectives" for one in found)
    assert all(one.probes <= 8 for one in found)
    knees = [value_of(one.knee.value) or 0.0 for one in found]
    assert quantile(knees, 0.5) == pytest.approx(true, rel=0.06)
    assert sum(abs(knee / true - 1) < 0.15 for knee in knees) >= 34
    lows = [value_of(one.knee.low) or 0.0 for one in found]
    assert sum(0 < low <= true * 1.03 for low in lows) >= 34


def test_an_objective_that_is_never_met_has_no_knee() -> None:
    found, _ = search(Queue("D", 4, 1.0), Plan(streams=8), random.Random(3), 0.5)
    assert isinstance(found.knee.value, Missing)
    assert found.knee.value.code == "never_met"
    assert not found.precise


def test_an_objective_that_is_always_met_ends_at_the_capacity() -> None:
    found, _ = search(Queue("D", 4, 1.0), Plan(streams=8), random.Random(3), 1e6)
    assert value_of(found.knee.value) == pytest.approx(4.0, rel=0.06)


def test_a_server_that_is_never_overloaded_has_no_capacity() -> None:
    machine = KneeSearch(Plan(probes_most=4))
    rates = []
    step = machine.start()
    while not isinstance(step, Found):
        rate = step.rate if isinstance(step, Offer) else 10.0
        rates.append(rate)
        step = machine.handle(replace(STEADY, offered_per_s=rate, completed_per_s=rate))
    assert rates == pytest.approx([10.0, 13.0, 16.9, 21.97])
    assert isinstance(step.knee.value, Missing)
    assert step.knee.value.code == "never_overloaded"
    assert step.sustained == Measured(rates[-1], "derived")


def test_a_server_that_answers_nothing_ends_the_search() -> None:
    machine = KneeSearch(Plan())
    machine.start()
    nothing = machine.handle(replace(FULL, completed_per_s=0.0, completions=0))
    assert isinstance(nothing, Found)
    assert nothing.knee.value == Missing(
        "nothing_completed", "no request was answered at full load"
    )


def test_a_server_that_breaks_under_load_is_told_from_one_without_a_limit() -> None:
    machine = KneeSearch(Plan())
    machine.start()
    assert machine.handle(STEADY) == Offer(13.0, 1000)
    broken = machine.handle(replace(FULL, completed_per_s=0.0, completions=0, growth=1.0))
    assert isinstance(broken, Found)
    assert isinstance(broken.knee.value, Missing)
    assert broken.knee.value.code == "collapsed"


def test_refused_requests_count_as_not_answered() -> None:
    queue, draw = Queue("D", 4, 1.0), random.Random(5)
    sent, done = queue.opened(Offer(3.0, 2000), draw)
    assert probed(sent, done).sustained
    assert probed(sent, done[::2]).overloaded


def test_a_probe_of_too_few_requests_is_refused() -> None:
    with pytest.raises(ValueError, match="16 requests"):
        probed([0.0] * 20, [1.0])
    with pytest.raises(ValueError, match="16 requests"):
        probed([0.0, 1.0], [1.0])


def watched(queue: Queue, load: Offer, seed: int) -> int | None:
    """Look every 50 requests, as a run would; return after how many the load was given up."""
    sent, done = queue.opened(load, random.Random(seed))
    ended = sorted(done)
    look_s = 5 * sent[-1] / load.requests
    for count in range(50, load.requests + 1, 50):
        now = sent[count - 1]
        moments = [i * look_s for i in range(int(now / look_s))]
        flight = [(at, float(bisect_right(sent, at) - bisect_right(ended, at))) for at in moments]
        waits = [(a, b - a) for a, b in zip(sent[:count], done[:count], strict=True) if b <= now]
        if oversaturated(flight, waits).hopeless:
            return count
    return None


QUEUES: list[Callable[[], Queue]] = [lambda: Queue("M", 4, 1.0), lambda: Queue("D", 16, 1.0)]


@pytest.mark.parametrize("queue", [make() for make in QUEUES], ids=["M", "D"])
def test_a_busy_but_stable_load_is_not_given_up(queue: Queue) -> None:
    stopped = [watched(queue, Offer(0.9 * queue.capacity, 1200), seed) for seed in range(20)]
    assert sum(count is not None for count in stopped) <= 1


@pytest.mark.parametrize("queue", [make() for make in QUEUES], ids=["M", "D"])
def test_a_hopeless_load_is_given_up_early(queue: Queue) -> None:
    stopped = [watched(queue, Offer(1.5 * queue.capacity, 1200), seed) for seed in range(20)]
    assert sum(count is not None and count <= 800 for count in stopped) >= 18


def test_the_stop_rule_says_why() -> None:
    line = [(float(i), 10.0 + i) for i in range(100)]
    flat = [(float(i), 10.0) for i in range(100)]
    assert oversaturated(line, line).hopeless
    assert "more is sent than is served" in oversaturated(line, line).reason
    assert oversaturated(line[:9], line) == Oversaturation(
        hopeless=False, reason="too few values of requests in flight yet"
    )
    assert "requests in flight did not double" in oversaturated(flat, line).reason
    assert "TTFT did not double" in oversaturated(line, flat).reason


def test_a_late_jump_alone_is_no_trend() -> None:
    jump = [(float(i), 10.0 if i < 95 else 500.0) for i in range(100)]
    assert oversaturated(jump, jump) == Oversaturation(
        hopeless=False, reason="requests in flight may have risen by chance"
    )
