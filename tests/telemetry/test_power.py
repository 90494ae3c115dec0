"""Sources of power and the sampler: what they tell, what they lack, and the scripted truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import final

import pytest
from tests.telemetry.planted_power import Faults, Scripted, Waveform

from steelyard.domain.codec import decode, encode
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.serverside import PowerSeries
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry.power import Joules, Nvml, Power, PowerSampler, Rapl, Watts

S = 1_000_000_000
WAVE = Waveform((0, S, 2 * S), (10.0, 30.0, 20.0))


@final
class Library:
    """Stands for NVIDIA's module: GPUs that are numbers, energy in mJ, power in mW."""

    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, gpus: int, *, counts: bool = True, driver: bool = True) -> None:
        self.gpus, self.counts, self.driver = gpus, counts, driver

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise self.NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: int) -> int:  # noqa: N802
        if not self.counts and gpu == self.gpus - 1:
            raise self.NVMLError("not supported")
        return 1000 * (gpu + 1)

    def nvmlDeviceGetPowerUsage(self, gpu: int) -> int:  # noqa: N802
        return 50_000 * (gpu + 1)


def test_gpus_are_summed_as_counters_or_as_gauges_but_never_mixed() -> None:
    assert Nvml(Library(2)).read() == Measured(Joules(3.0), "client")
    assert Nvml(Library(2, counts=False)).read() == Measured(Watts(150.0), "client")


def test_without_a_library_a_driver_or_a_gpu_power_is_missing_with_the_reason() -> None:
    for library, code in (
        (Library(0), "no_gpu"),
        (Library(1, driver=False), "no_driver"),
    ):
        found = Nvml(library).read()
        assert isinstance(found, Missing)
        assert found.code == code


def test_this_machine_tells_its_gpus_power_or_why_not() -> None:
    found = Nvml().read()
    if isinstance(found, Missing):
        assert found.code in {"no_library", "no_driver", "no_gpu", "not_readable"}
        assert found.detail


def test_the_processors_counter_is_read_in_joules(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("5000000\n")
    source = Rapl(tmp_path)
    source.read()
    (zone / "energy_uj").write_text("7500000\n")
    assert source.read() == Measured(Joules(2.5), "client")


def test_a_machine_without_a_counter_gives_a_reason_and_is_not_asked_again(tmp_path: Path) -> None:
    @final
    class Counted:
        """Counts how often it is asked."""

        name = "counted"
        asked = 0

        def read(self) -> Reading[Power]:
            self.asked += 1
            return Rapl(tmp_path).read()

    source = Counted()
    with PowerSampler(source, interval_s=0.001) as sampler:
        time.sleep(0.1)
    found = sampler.series()
    assert isinstance(found, Missing)
    assert found.code == "no_counter"
    assert source.asked <= 3


def test_the_sampler_stamps_what_a_source_told_between_two_moments() -> None:
    began_ns = monotonic_ns()
    source = Scripted(Waveform((0,), (100.0,)), "joules", Faults(rate_hz=1000))
    with PowerSampler(source, interval_s=0.01) as sampler:
        time.sleep(0.2)
    ended_ns = monotonic_ns()
    found = sampler.series()
    assert isinstance(found, Measured)
    series = found.value
    assert series.kind == "joules"
    assert list(series.at_ns) == sorted(series.at_ns)
    assert began_ns <= series.at_ns[0]
    assert series.at_ns[-1] <= ended_ns
    span_s = (series.at_ns[-1] - series.at_ns[0]) / S
    grown_j = series.values[-1] - series.values[0]
    # The counter refreshes every millisecond: both ends are off by one refresh at most.
    assert grown_j == pytest.approx(100.0 * span_s, abs=0.2 + 100.0 * 2 * series.half_width_ns / S)
    assert decode(PowerSeries, encode(series), source="here") == series


def test_the_waveforms_energy_is_exact() -> None:
    assert WAVE.energy_j(0, S) == 10.0
    assert WAVE.energy_j(S // 2, 5 * S // 2) == pytest.approx(5 + 30 + 10)
    assert WAVE.at(10 * S) == 20.0


def test_a_scripted_sensor_shows_its_last_refresh_only() -> None:
    now = [0]
    source = Scripted(WAVE, "watts", Faults(rate_hz=2), clock=lambda: now[0])
    now[0] = S + S // 4
    assert source.read() == Measured(Watts(30.0), "client")
    now[0] = 2 * S - 1
    assert source.read() == Measured(Watts(30.0), "client")
    now[0] = 2 * S
    assert source.read() == Measured(Watts(20.0), "client")


def test_a_scripted_counter_loses_its_count_and_stamps_by_its_own_clock() -> None:
    faults = Faults(rate_hz=1, reset_ns=3 * S // 2, clock_ahead_ns=7)
    series = Scripted(WAVE, "joules", faults, clock=lambda: 0).series(3 * S)
    assert series.at_ns == (7, S + 7, 2 * S + 7, 3 * S + 7)
    assert series.values == pytest.approx((0.0, 10.0, 15.0, 35.0))


def test_jitter_moves_refreshes_and_a_seed_brings_them_back() -> None:
    def stamps(seed: int) -> tuple[int, ...]:
        faults = Faults(rate_hz=10, jitter=0.3)
        return Scripted(WAVE, "watts", faults, clock=lambda: 0, seed=seed).series(9 * S).at_ns

    assert stamps(1) == stamps(1) != stamps(2)
    steps = [after - before for before, after in zip(stamps(1), stamps(1)[1:], strict=False)]
    assert 0.07 * S <= min(steps) < 0.09 * S
    assert 0.11 * S < max(steps) <= 0.13 * S
