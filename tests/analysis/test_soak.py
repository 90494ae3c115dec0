"""What long load did: planted answers that slow down, a machine that warms up, an early end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.analysis.timed import MS, attempt, failed, record, sample, section, vitals

from steelyard.analysis.soak import sentence, soak
from steelyard.domain.load import Closed
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt
from steelyard.domain.vitals import Vitals, VitalSample
from steelyard.domain.workload import Workload

LOAD = Workload("soak", 100, 10, 0, load=Closed(1), duration_s=120.0)
LASTS_MS = 120_000.0


def value(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def kept(gap_ms: Callable[[float], float]) -> tuple[Attempt, ...]:
    """One answer after the other for two minutes; the gap of each follows from when it is sent."""
    found: list[Attempt] = []
    at_ms = 0.0
    while at_ms < LASTS_MS:
        gap = gap_ms(at_ms)
        found.append(attempt(str(len(found)), sent_ms=at_ms, first_ms=gap, gap_ms=gap))
        at_ms = found[-1].done_ns / MS
    return tuple(found)


def run(
    attempts: tuple[Attempt, ...], seen: Reading[Vitals] | None = None, reason: str = ""
) -> RunRecord:
    made = record([replace(section(attempts, LOAD.name), reason=reason)], seen=seen)
    return replace(made, spec=replace(made.spec, workloads=(LOAD,)))


def test_a_speed_that_halves_in_the_last_third_shows_as_a_change_of_half() -> None:
    found = soak(run(kept(lambda at_ms: 10.0 if at_ms < 80_000 else 20.0)), "Q4_K_M")
    # Ten tokens in a hundred milliseconds, and one to the next send.
    assert value(found.first_third_tps.value) == pytest.approx(10 / 0.101, rel=0.02)
    assert value(found.last_third_tps.value) == pytest.approx(10 / 0.201, rel=0.02)
    assert value(found.change.value) == pytest.approx(0.101 / 0.201 - 1, abs=0.02)
    assert value(found.change.low) < value(found.change.value) < value(found.change.high) < -0.4
    assert (found.label, found.streams, found.asked_s) == ("Q4_K_M", 1, 120.0)
    assert value(found.elapsed_s) == pytest.approx(120.0, abs=0.3)
    assert "changed its speed by -49" in sentence(found)


def test_an_even_load_shows_no_change() -> None:
    found = soak(run(kept(lambda _: 10.0)), "Q4_K_M")
    assert value(found.change.low) <= 0 <= value(found.change.high)
    assert abs(value(found.change.value)) < 0.01
    assert value(found.system_tps) == pytest.approx(10 / 0.101, rel=0.01)
    assert "showed no change of speed" in sentence(found)
    assert len(found.tps_over_time) == 90
    assert found.tps_over_time[-1][0] == pytest.approx(120.0, abs=1.5)


def test_heat_clock_and_memory_are_compared_between_the_thirds() -> None:
    def at(second: int) -> VitalSample:
        late = second >= 80
        return sample(
            1000.0 * second,
            cpu_temperature_c=Measured(84.0 if late else 60.0, "client"),
            cpu_frequency_hz=Measured(2.4e9 if late else 3e9, "client"),
            engine_memory_bytes=Measured(1200 if late else 1000, "client"),
        )

    seen = Measured(vitals([at(second) for second in range(120)]), "client")
    found = soak(run(kept(lambda _: 10.0), seen), "Q4_K_M")
    assert value(found.temperature_first_c) == 60.0
    assert value(found.temperature_last_c) == 84.0
    assert value(found.clock_change) == pytest.approx(-0.2)
    assert value(found.memory_change) == pytest.approx(0.2)
    assert found.temperature_limit_c == 95.0


def test_what_the_machine_does_not_show_is_missing_with_its_reason() -> None:
    none = Missing("not_exposed", "this machine shows no CPU temperature")
    looks = [sample(1000.0 * second, cpu_temperature_c=none) for second in range(120)]
    found = soak(run(kept(lambda _: 10.0), Measured(vitals(looks), "client")), "Q4_K_M")
    assert found.temperature_last_c == none
    elsewhere = soak(run(kept(lambda _: 10.0), Missing("elsewhere", "not here")), "Q4_K_M")
    assert elsewhere.temperature_max_c == Missing("elsewhere", "not here")


def test_an_early_end_and_failed_requests_are_told() -> None:
    hot = "ended early: the processor is at 91 °C (limit 90)"
    found = soak(run((*kept(lambda _: 10.0), failed(sent_ms=60_000)), reason=hot), "Q4_K_M")
    assert found.reason == hot
    assert found.failed == 1
    assert hot in sentence(found)


def test_a_run_that_never_began_has_reasons_in_place_of_numbers() -> None:
    none = replace(run(()), outcome="failed", reason="EngineError: it died", sections=())
    found = soak(none, "Q4_K_M")
    assert found.reason == "EngineError: it died"
    for reading in (found.elapsed_s, found.system_tps, found.change.value, found.memory_change):
        assert isinstance(reading, Missing)
    assert found.tps_over_time == ()
    assert "EngineError: it died" in sentence(found)


def test_one_uncounted_answer_leaves_no_speed_by_thirds() -> None:
    answers = kept(lambda _: 10.0)
    unknown = replace(answers[3], usage=Missing("no_usage", "none was sent"))
    found = soak(run((*answers[:3], unknown, *answers[4:])), "Q4_K_M")
    assert isinstance(found.change.value, Missing)
    assert found.change.value.code == "token_count_unavailable"
