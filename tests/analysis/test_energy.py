"""Energy against a source whose truth is known: amount, baseline, offset, and what is refused."""

from __future__ import annotations

import random

import pytest
from tests.telemetry.planted_power import Faults, Scripted, Waveform

from steelyard.analysis import energy
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.serverside import PowerKind, PowerSeries

S = 1_000_000_000
MS = 1_000_000
IDLE_W = 42.0
QUIET_S, LOAD_S = 20, 120
LOAD = (QUIET_S * S, (QUIET_S + LOAD_S) * S)
IDLE = (2 * S, (QUIET_S - 2) * S)
AHEAD_NS = 50 * MS


def steady() -> tuple[Waveform, list[tuple[int, int]]]:
    """One long load whose power changes every few seconds."""
    rng = random.Random(5)
    edges, watts = [0, LOAD[0]], [IDLE_W, 160.0]
    while edges[-1] + 5 * S < LOAD[1]:
        edges.append(edges[-1] + rng.randint(3 * S, 5 * S))
        watts.append(rng.uniform(130, 170))
    return Waveform((*edges, LOAD[1]), (*watts, IDLE_W)), [LOAD]


def bursts(regular: bool = False) -> tuple[Waveform, list[tuple[int, int]]]:
    """Busy spans of uneven length with pauses between them."""
    rng = random.Random(6)
    edges, watts, busy, now = [0], [IDLE_W], [], LOAD[0]
    while now < LOAD[1] - 4 * S:
        length = 400 * MS if regular else rng.randint(300 * MS, 1500 * MS)
        pause = 300 * MS if regular else rng.randint(200 * MS, 1500 * MS)
        edges += [now, now + length]
        watts += [150.0 if regular else rng.uniform(140, 160), IDLE_W]
        busy.append((now, now + length))
        now += length + pause
    return Waveform(tuple(edges), tuple(watts)), busy


def looked_at(wave: Waveform, kind: PowerKind, faults: Faults, seed: int = 1) -> PowerSeries:
    end = LOAD[1] + 5 * S
    return Scripted(wave, kind, faults, clock=lambda: 0, seed=seed).series(end)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize("rate_hz", [1, 5, 20, 100])
@pytest.mark.parametrize("kind", ["joules", "watts"])
def test_the_energy_of_a_load_is_within_one_percent_and_within_its_bound(
    kind: PowerKind, rate_hz: float, jitter: float, seed: int
) -> None:
    wave, _ = steady()
    found = energy.energy(looked_at(wave, kind, Faults(rate_hz, jitter), seed), LOAD)
    assert isinstance(found, Measured)
    error_j = abs(found.value.value_j - wave.energy_j(*LOAD))
    assert error_j <= 0.01 * wave.energy_j(*LOAD)
    assert error_j <= found.value.bound_j + 1e-6


@pytest.mark.parametrize("rate_hz", [1, 10, 100])
def test_a_counter_that_is_started_anew_costs_no_more_than_one_percent(rate_hz: float) -> None:
    wave, _ = steady()
    series = looked_at(wave, "joules", Faults(rate_hz, 0.2, reset_ns=LOAD[0] + 37 * S + 400 * MS))
    assert any(after < before for before, after in zip(series.values, series.values[1:]))  # noqa: B905
    found = energy.energy(series, LOAD)
    assert isinstance(found, Measured)
    assert found.value.resets == 1
    assert found.value.value_j == pytest.approx(wave.energy_j(*LOAD), rel=0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "rate_hz"),
    [("joules", 1), ("joules", 10), ("joules", 100), ("watts", 10), ("watts", 100)],
)
def test_the_offset_of_the_sensors_clock_comes_back_within_five_milliseconds(
    kind: PowerKind, rate_hz: float, seed: int
) -> None:
    wave, busy = bursts()
    series = looked_at(wave, kind, Faults(rate_hz, 0.3, clock_ahead_ns=AHEAD_NS), seed)
    found = energy.offset(series, busy)
    assert isinstance(found, Measured)
    error_ns = abs(found.value.value_ns - AHEAD_NS)
    assert error_ns <= 5 * MS
    if kind == "watts":
        assert error_ns <= found.value.half_width_ns


def test_a_gauge_too_slow_for_five_milliseconds_says_how_far_off_it_may_be() -> None:
    wave, busy = bursts()
    series = looked_at(wave, "watts", Faults(2, 0.3, clock_ahead_ns=AHEAD_NS))
    found = energy.offset(series, busy)
    assert isinstance(found, Measured)
    assert abs(found.value.value_ns - AHEAD_NS) <= found.value.half_width_ns


@pytest.mark.parametrize(("kind", "rate_hz"), [("joules", 1), ("joules", 50), ("watts", 50)])
def test_all_faults_at_once_leave_the_energy_per_token_within_one_percent(
    kind: PowerKind, rate_hz: float
) -> None:
    wave, busy = bursts()
    reset_ns = LOAD[0] + 61 * S + 300 * MS if kind == "joules" else None
    series = looked_at(wave, kind, Faults(rate_hz, 0.3, reset_ns, AHEAD_NS))
    span = (busy[0][0], busy[-1][1])
    found = energy.use(
        Measured(series, "client"), load=span, idle=IDLE, busy=busy, tokens=5000, requests=100
    )
    total_j = wave.energy_j(*span)
    above_j = total_j - IDLE_W * (span[1] - span[0]) / S
    assert isinstance(found.idle_w, Measured)
    assert found.idle_w.value == pytest.approx(IDLE_W, rel=0.001)
    for reading, truth in (
        (found.total_j, total_j),
        (found.j_per_token, total_j / 5000),
        (found.j_per_request, total_j / 100),
        (found.above_idle_j, above_j),
        (found.j_per_token_above_idle, above_j / 5000),
        (found.j_per_request_above_idle, above_j / 100),
    ):
        assert isinstance(reading, Measured)
        assert reading.value == pytest.approx(truth, rel=0.01)


def test_a_short_span_is_put_right_by_the_offset_that_was_found() -> None:
    wave, busy = bursts()
    series = looked_at(wave, "joules", Faults(100, 0.3, clock_ahead_ns=AHEAD_NS))
    span = busy[20]
    found = energy.use(
        Measured(series, "client"), load=span, idle=IDLE, busy=busy, tokens=10, requests=1
    )
    assert isinstance(found.total_j, Measured)
    assert found.total_j.value == pytest.approx(wave.energy_j(*span), rel=0.01)
    as_stamped = energy.energy(series, span)
    assert isinstance(as_stamped, Measured)
    assert as_stamped.value.value_j != pytest.approx(wave.energy_j(*span), rel=0.02)


def test_a_load_without_edges_or_without_likeness_gives_no_offset() -> None:
    wave, busy = bursts()
    series = looked_at(wave, "watts", Faults(20))
    assert code_of(energy.offset(series, [])) == "too_little"
    rng = random.Random(8)
    strange = [(at := LOAD[0] + n * S + rng.randint(0, S // 2), at + S // 3) for n in range(100)]
    assert code_of(energy.offset(series, strange)) == "no_match"
    far = looked_at(wave, "watts", Faults(20, clock_ahead_ns=5 * S))
    assert code_of(energy.offset(far, busy)) in {"no_match", "out_of_range"}


def test_a_load_that_repeats_itself_gives_no_offset_rather_than_one_of_many() -> None:
    wave, busy = bursts(regular=True)
    series = looked_at(wave, "watts", Faults(50, clock_ahead_ns=AHEAD_NS))
    assert code_of(energy.offset(series, busy)) == "ambiguous"
    assert isinstance(energy.offset(series, busy, most_ns=300 * MS), Measured)


def test_what_was_not_looked_at_is_missing() -> None:
    series = PowerSeries("scripted", "watts", (0, S, 2 * S, 9 * S, 10 * S), (5.0,) * 5)
    assert code_of(energy.energy(series, (S, 11 * S))) == "not_covered"
    assert code_of(energy.energy(series, (S, S))) == "empty_span"
    assert code_of(energy.energy(series, (0, 10 * S))) == "gap"
    assert energy.energy(series, (0, 2 * S)) == Measured(energy.Energy(10.0, 0.0), "derived")
    assert code_of(energy.energy(PowerSeries("x", "joules", (0,), (1.0,)), (0, S))) == "not_covered"


def test_a_machine_without_a_counter_has_no_energy_and_the_reason_in_every_place() -> None:
    why = Missing("no_counter", "this machine counts no energy")
    found = energy.use(why, load=LOAD, idle=IDLE, busy=[LOAD], tokens=1, requests=1)
    assert {found.total_j, found.idle_w, found.j_per_token, found.offset} == {why}


def test_a_baseline_taken_during_the_load_is_none() -> None:
    wave, busy = bursts()
    series = Measured(looked_at(wave, "joules", Faults(10)), "client")
    found = energy.use(series, load=LOAD, idle=LOAD, busy=busy, tokens=0, requests=3)
    assert isinstance(found.total_j, Measured)
    assert code_of(found.above_idle_j) == "not_before"
    assert code_of(found.j_per_token) == "no_tokens"


def test_a_counter_read_between_two_looks_is_bounded_by_them() -> None:
    series = PowerSeries("scripted", "joules", (0, 10 * S), (0.0, 100.0))
    found = energy.energy(series, (4 * S, 10 * S))
    assert isinstance(found, Measured)
    assert found.value.value_j == pytest.approx(60.0)
    assert found.value.bound_j == pytest.approx(60.0)


def code_of(reading: object) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code
