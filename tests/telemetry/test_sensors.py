"""Sensors, on a machine laid out as files: what is read, what wraps, what is absent."""

from pathlib import Path

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.telemetry.sensors import Energy, Frequency, Temperature, Throttling


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_hottest_core_sensor_is_the_temperature(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "nvme\n")
    put(tmp_path, "sys/class/hwmon/hwmon0/temp1_input", "99000\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "coretemp\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/temp1_input", "51000\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/temp2_input", "63500\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/temp3_input", "not a number\n")
    assert Temperature(tmp_path).read() == Measured(63.5, "client")


def test_a_board_without_chips_is_read_by_its_thermal_zone(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "acpitz\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "20000\n")
    put(tmp_path, "sys/class/thermal/thermal_zone1/type", "cpu-thermal\n")
    put(tmp_path, "sys/class/thermal/thermal_zone1/temp", "71200\n")
    assert Temperature(tmp_path).read() == Measured(71.2, "client")


def test_the_clock_is_the_fastest_cores(tmp_path: Path) -> None:
    for core, khz in enumerate([800000, 2400000, 800000]):
        put(tmp_path, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", f"{khz}\n")
    assert Frequency(tmp_path).read() == Measured(2.4e9, "client")


def test_throttling_is_counted_once_per_package_and_core(tmp_path: Path) -> None:
    for cpu, core in enumerate([0, 0, 1]):  # two threads of one core, then another core
        base = f"sys/devices/system/cpu/cpu{cpu}"
        put(tmp_path, f"{base}/topology/physical_package_id", "0\n")
        put(tmp_path, f"{base}/topology/core_id", f"{core}\n")
        put(tmp_path, f"{base}/thermal_throttle/package_throttle_count", "5\n")
        put(tmp_path, f"{base}/thermal_throttle/core_throttle_count", "2\n")
    (tmp_path / "sys/devices/system/cpu/cpu9").mkdir()
    assert Throttling(tmp_path).read() == Measured(5 + 2 + 2, "client")


def test_a_boards_firmware_is_counted_while_it_throttles(tmp_path: Path) -> None:
    path = put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
    sensor = Throttling(tmp_path)
    assert sensor.read() == Measured(0, "client")  # it has happened since boot, not now
    path.write_text("50004\n")
    assert sensor.read() == Measured(1, "client")
    assert sensor.read() == Measured(2, "client")


def test_energy_is_summed_over_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    base = "sys/class/powercap/intel-rapl:0"
    put(tmp_path, f"{base}/name", "package-0\n")
    put(tmp_path, f"{base}/max_energy_range_uj", "1000\n")
    counter = put(tmp_path, f"{base}/energy_uj", "900\n")
    put(tmp_path, "sys/class/powercap/intel-rapl:0:0/name", "core\n")
    put(tmp_path, "sys/class/powercap/intel-rapl:0:0/energy_uj", "77\n")
    sensor = Energy(tmp_path)
    assert sensor.read() == Measured(0, "client")
    counter.write_text("990\n")
    assert sensor.read() == Measured(90, "client")
    counter.write_text("50\n")
    assert sensor.read() == Measured(150, "client")


def test_a_chips_own_energy_counter_serves_where_there_is_no_other(tmp_path: Path) -> None:
    counter = put(tmp_path, "sys/class/hwmon/hwmon3/energy1_input", "100\n")
    sensor = Energy(tmp_path)
    sensor.read()
    counter.write_text("175\n")
    assert sensor.read() == Measured(75, "client")


def test_a_counter_that_may_not_be_read_names_its_file(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/powercap/intel-rapl:0/name", "package-0\n")
    reading = Energy(tmp_path).read()
    assert isinstance(reading, Missing)
    assert reading.code == "not_permitted"
    assert "intel-rapl:0" in reading.detail


@pytest.mark.parametrize("sensor", [Temperature, Frequency, Throttling, Energy])
def test_a_machine_without_the_sensor_says_so(
    tmp_path: Path, sensor: type[Temperature | Frequency | Throttling | Energy]
) -> None:
    reading = sensor(tmp_path).read()
    assert isinstance(reading, Missing)
    assert reading.detail.startswith("this machine")
