"""Vitals from looks: shares add up, wraps and gaps stay what they are."""

from dataclasses import replace

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.telemetry.series import Look, vitals


def read(number: float) -> Reading[float]:
    return Measured(number, "client")


def count(number: int) -> Reading[int]:
    return Measured(number, "client")


START = Look(
    at_ns=0,
    busy_s=read(100),
    engine_cpu_s=read(5),
    own_cpu_s=read(1),
    engine_memory_bytes=count(100),
    engine_peak_bytes=count(120),
    engine_swap_bytes=count(0),
    swap_used_bytes=count(50),
    load_1m=read(1),
    other_runnable=count(0),
    cpu_temperature_c=read(50),
    cpu_frequency_hz=read(2e9),
    throttled=count(7),
    energy_uj=count(0),
)
LATER = replace(
    START,
    at_ns=2_000_000_000,
    busy_s=read(104),
    engine_cpu_s=read(8),
    own_cpu_s=read(1.5),
    engine_peak_bytes=count(300),
    swap_used_bytes=count(90),
    cpu_temperature_c=read(61),
    cpu_frequency_hz=read(1.8e9),
    throttled=count(9),
    energy_uj=count(30_000_000),
)


def test_what_is_neither_the_engines_nor_ours_is_the_rest() -> None:
    found = vitals([START, LATER], cores=4)
    assert found.engine_cpu_share == Measured(1.5, "derived")
    assert found.other_cpu_share == Measured(0.25, "derived")
    assert found.samples[1].own_cpu_share == Measured(0.25, "derived")
    assert isinstance(found.samples[0].own_cpu_share, Missing)


def test_totals_are_growth_and_extremes_are_extremes() -> None:
    found = vitals([START, LATER], cores=4)
    assert found.peak_memory_bytes == Measured(300, "client")
    assert found.cpu_temperature_max_c == Measured(61, "client")
    assert found.cpu_frequency_min_hz == Measured(1.8e9, "client")
    assert found.swap_growth_bytes == Measured(40, "derived")
    assert found.throttle_events == Measured(2, "derived")
    assert found.energy_j == Measured(30.0, "derived")


def test_coarse_ticks_never_make_the_rest_negative() -> None:
    tight = replace(LATER, busy_s=read(101))
    assert vitals([START, tight], cores=1).other_cpu_share == Measured(0.0, "derived")


def test_a_reading_that_is_missing_stays_missing_with_its_reason() -> None:
    gone = Missing("engine_gone", "it ended")
    found = vitals([START, replace(LATER, engine_cpu_s=gone)], cores=1)
    assert found.engine_cpu_share == found.other_cpu_share == gone
    never = Missing("unsupported_system", "no file")
    found = vitals([replace(START, busy_s=never, energy_uj=never)], cores=1)
    assert found.energy_j == never
    first = vitals([replace(START, busy_s=never), LATER], cores=1)
    assert first.other_cpu_share == never


def test_one_look_gives_gauges_and_no_shares() -> None:
    found = vitals([START], cores=1)
    assert isinstance(found.engine_cpu_share, Missing)
    assert found.peak_memory_bytes == Measured(120, "client")
