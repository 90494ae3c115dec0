"""Power and energy, as counters and gauges tell them: GPUs by NVML, packages by RAPL or hwmon.

A machine without a counter, a library or the right to read says so. Not aware of tokens or
baselines. Sources: NVML API reference (energy since the driver was loaded, from Volta on; power
draw before); `telemetry.sensors` for RAPL.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.serverside import PowerKind, PowerSeries
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry.sensors import Energy

DEFAULT_INTERVAL_S: Final = 0.1
_MOST_LOOKS: Final = 1 << 16  # beyond it every second one is dropped, and they come half as often
_NS_PER_S: Final = 1e9
_UJ_PER_J: Final = 1e6
_MILLI: Final = 1e3
_ROOT: Final = Path("/")


@final
@dataclass(frozen=True, slots=True)
class Joules:
    """A counter: energy since some moment in the past."""

    value_j: float


@final
@dataclass(frozen=True, slots=True)
class Watts:
    """A gauge: the power at this moment."""

    value_w: float


Power: TypeAlias = Joules | Watts


class PowerSource(Protocol):
    """Something that tells energy or power; always the same of the two."""

    @property
    def name(self) -> str:
        """What is measured, in a few words."""

    def read(self) -> Reading[Power]:
        """Look now."""


@final
class Rapl:
    """Processor packages and memory, or a board's own counter, by the kernel's files."""

    name: Final = "processor"

    def __init__(self, root: Path = _ROOT) -> None:
        self._energy = Energy(root)

    def read(self) -> Reading[Power]:
        """Return the energy since the first look; wraps are resolved."""
        found = self._energy.read()
        if isinstance(found, Missing):
            return found
        return Measured(Joules(found.value / _UJ_PER_J), found.source)


@final
class Nvml:
    """All NVIDIA GPUs of the machine together, by NVIDIA's library.

    `library` is a module with the functions of `pynvml`; None looks for that one. A gauge of power
    is what older GPUs offer; on many it is an average over the last second.
    """

    name: Final = "gpu"

    def __init__(self, library: Any = None) -> None:
        self._library: Any = None
        self._gpus: list[Any] = []
        self._kind: PowerKind = "joules"
        self._why = Missing("no_gpu", "NVIDIA's library shows no GPU")
        try:
            found = library or importlib.import_module("pynvml")
        except ImportError:
            self._why = Missing(
                "no_library", "pynvml is not installed: without it GPU power is not read"
            )
            return
        try:
            found.nvmlInit()
            self._gpus = [
                found.nvmlDeviceGetHandleByIndex(index)
                for index in range(found.nvmlDeviceGetCount())
            ]
        except found.NVMLError as error:
            self._why = Missing("no_driver", f"NVIDIA's library does not work here: {error}")
            return
        self._library = found
        self._kind = "joules" if self._counts() else "watts"

    def read(self) -> Reading[Power]:
        """Return the sum over the GPUs, or why there is none."""
        if not self._gpus:
            return self._why
        try:
            if self._kind == "joules":
                ask = self._library.nvmlDeviceGetTotalEnergyConsumption
                return Measured(Joules(sum(ask(gpu) for gpu in self._gpus) / _MILLI), "client")
            ask = self._library.nvmlDeviceGetPowerUsage
            return Measured(Watts(sum(ask(gpu) for gpu in self._gpus) / _MILLI), "client")
        except self._library.NVMLError as error:
            return Missing("not_readable", f"the GPU does not tell its power: {error}")

    def _counts(self) -> bool:
        """Whether every GPU counts energy: a sum of counters and gauges would be neither."""
        try:
            for gpu in self._gpus:
                self._library.nvmlDeviceGetTotalEnergyConsumption(gpu)
        except self._library.NVMLError:
            return False
        return True


@final
class PowerSampler:
    """Reads a source from entering to leaving, in a thread of its own."""

    def __init__(self, source: PowerSource, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self._source, self._interval_ns = source, int(interval_s * _NS_PER_S)
        self._looks: list[tuple[int, int, Power]] = []
        self._missing = Missing("not_sampled", f"{source.name} was not looked at yet")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def series(self) -> Reading[PowerSeries]:
        """Return what was read so far, or the source's own reason."""
        looks = tuple(self._looks)
        if not looks:
            return self._missing
        kind: PowerKind = "joules" if isinstance(looks[0][2], Joules) else "watts"
        series = PowerSeries(
            source=self._source.name,
            kind=kind,
            at_ns=tuple((before + after) // 2 for before, after, _ in looks),
            values=tuple(_number(power) for _, _, power in looks),
            half_width_ns=max(-(-(after - before) // 2) for before, after, _ in looks),
        )
        return Measured(series, "client")

    def _run(self) -> None:
        due_ns = monotonic_ns()
        while True:
            due_ns = max(due_ns + self._interval_ns, monotonic_ns())
            if self._stop.wait((due_ns - monotonic_ns()) / _NS_PER_S):
                return
            # What cannot be read at all need not be asked ten times a second.
            if not self._look() and not self._looks:
                return

    def _look(self) -> bool:
        before_ns = monotonic_ns()
        found = self._source.read()
        after_ns = monotonic_ns()
        if isinstance(found, Missing):
            self._missing = found
            return False
        self._looks.append((before_ns, after_ns, found.value))
        if len(self._looks) > _MOST_LOOKS:
            self._looks = self._looks[::2]
            self._interval_ns *= 2
        return True


def _number(power: Power) -> float:
    return power.value_j if isinstance(power, Joules) else power.value_w
