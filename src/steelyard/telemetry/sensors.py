"""Sensors of the machine, read from /sys: temperature, clock, throttling, energy.

Which files there are is looked up once; each look then reads a handful. A sensor that is not
there, or may not be read, says so. Not aware of runs. Formats: the kernel's documentation of
hwmon, thermal, cpufreq and powercap; `get_throttled` is the Raspberry Pi firmware's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading

_CPU_CHIPS: Final = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal")
_CPU_ZONES: Final = ("x86_pkg_temp", "cpu", "soc", "tdie", "acpitz")
_MOST_CORES: Final = 8
_PI_THROTTLED: Final = 0b1110  # capped, throttled, soft limit: what is so now
_RANGE: Final = 1 << 32


@final
class Temperature:
    """The hottest of the CPU's sensors, in °C."""

    def __init__(self, root: Path) -> None:
        chips = [
            chip
            for chip in sorted(root.glob("sys/class/hwmon/hwmon*"))
            if (_text(chip / "name") or "").startswith(_CPU_CHIPS)
        ]
        self._files = [path for chip in chips for path in sorted(chip.glob("temp*_input"))]
        if not self._files:
            self._files = [zone / "temp" for zone in _first_zones(root)]

    def read(self) -> Reading[float]:
        """Return the highest temperature now."""
        found = [value / 1000 for path in self._files if (value := _number(path)) is not None]
        if not found:
            return Missing("no_sensor", "this machine shows no CPU temperature")
        return Measured(max(found), "client")


@final
class Frequency:
    """The clock of the fastest core now, in Hz: idle cores slow down, the busy one tells."""

    def __init__(self, root: Path) -> None:
        files = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._files = files[:: max(1, -(-len(files) // _MOST_CORES))]

    def read(self) -> Reading[float]:
        """Return the highest clock of the cores looked at."""
        found = [value * 1000.0 for path in self._files if (value := _number(path)) is not None]
        if not found:
            return Missing("not_exposed", "this machine shows no core clock")
        return Measured(max(found), "client")


@final
class Throttling:
    """How often the machine has throttled itself, as far as it counts."""

    def __init__(self, root: Path) -> None:
        self._files = list(_throttle_counters(root))
        self._firmware = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        self._seen = 0

    def read(self) -> Reading[int]:
        """Return the events counted; a board's firmware is counted once a look."""
        found = [value for path in self._files if (value := _number(path)) is not None]
        state = _text(self._firmware)
        if state is not None:
            self._seen += bool(int(state, 16) & _PI_THROTTLED)
            return Measured(sum(found) + self._seen, "client")
        if not found:
            return Missing("no_counter", "this machine counts no throttling")
        return Measured(sum(found), "client")


@final
class Energy:
    """Energy used since the first look, in µJ, over packages and memory; counters wrap."""

    def __init__(self, root: Path) -> None:
        zones = sorted(root.glob("sys/class/powercap/*-rapl:*"))
        self._counters = {
            zone / "energy_uj": _number(zone / "max_energy_range_uj") or _RANGE
            for zone in zones
            if (_text(zone / "name") or "").startswith(("package", "dram"))
        }
        if not self._counters:
            files = sorted(root.glob("sys/class/hwmon/hwmon*/energy*_input"))
            self._counters = dict.fromkeys(files, 1 << 64)
        self._last: dict[Path, int] = {}
        self._used_uj = 0

    def read(self) -> Reading[int]:
        """Return the energy since the first look."""
        if not self._counters:
            return Missing("no_counter", "this machine counts no energy")
        for path, span in self._counters.items():
            value = _number(path)
            if value is None:
                return Missing("not_permitted", f"{path} may not be read by this user")
            self._used_uj += (value - self._last.get(path, value)) % span
            self._last[path] = value
        return Measured(self._used_uj, "client")


def _first_zones(root: Path) -> list[Path]:
    """Return the thermal zones of the most telling type there is."""
    zones = [
        (zone, (_text(zone / "type") or "").lower())
        for zone in sorted(root.glob("sys/class/thermal/thermal_zone*"))
    ]
    for wanted in _CPU_ZONES:
        if found := [zone for zone, kind in zones if kind.startswith(wanted)]:
            return found
    return []


def _throttle_counters(root: Path) -> Iterator[Path]:
    """Yield one counter for each package, and one for each of some cores."""
    packages: set[str | None] = set()
    cores: set[tuple[str | None, str | None]] = set()
    for cpu in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*")):
        counters = cpu / "thermal_throttle"
        package = _text(cpu / "topology/physical_package_id")
        core = (package, _text(cpu / "topology/core_id"))
        if not counters.is_dir():
            continue
        if package not in packages:
            packages.add(package)
            yield counters / "package_throttle_count"
        if core not in cores and len(cores) < _MOST_CORES:
            cores.add(core)
            yield counters / "core_throttle_count"


def _number(path: Path) -> int | None:
    text = _text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
