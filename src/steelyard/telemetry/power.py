"""Power and energy, as counters and gauges tell them: GPUs by NVML, packages by RAPL or hwmon.

A machine without a counter, a library or the right to read says so. The scripted source has a
known truth and the faults of real ones: a slow and uneven refresh, a counter started anew, a clock
of its own. Not aware of tokens or baselines. Sources: NVML API reference (energy since the driver
was loaded, from Volta on; power draw before); `telemetry.sensors` for RAPL.
"""

from __future__ import annotations

import importlib
import random
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
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


@final
@dataclass(frozen=True, slots=True)
class Waveform:
    """Power that is `watts[i]` from `edges_ns[i]` to the next edge, and `watts[-1]` after."""

    edges_ns: tuple[int, ...]
    watts: tuple[float, ...]

    def at(self, now_ns: int) -> float:
        """Return the power at a moment."""
        return self.watts[max(0, bisect_right(self.edges_ns, now_ns) - 1)]

    def energy_j(self, start_ns: int, end_ns: int) -> float:
        """Return the exact energy of a span."""
        inside = [edge for edge in self.edges_ns if start_ns < edge < end_ns]
        moments = [start_ns, *inside, end_ns]
        return sum(self.at(a) * (b - a) for a, b in pairwise(moments)) / _NS_PER_S


@final
@dataclass(frozen=True, slots=True)
class Faults:
    """What real sensors do.

    They refresh `rate_hz` times a second, each time early or late by up to `jitter` of that, lose
    their count at `reset_ns`, and stamp by a clock that is `clock_ahead_ns` ahead of ours.
    """

    rate_hz: float = 10.0
    jitter: float = 0.0
    reset_ns: int | None = None
    clock_ahead_ns: int = 0


@final
class Scripted:
    """A source with a known waveform; `clock` says when it is looked at."""

    name: Final = "scripted"

    def __init__(
        self,
        waveform: Waveform,
        kind: PowerKind,
        faults: Faults,
        *,
        clock: Callable[[], int] = monotonic_ns,
        seed: int = 0,
    ) -> None:
        self._waveform, self._kind, self._faults = waveform, kind, faults
        self._clock, self._random = clock, random.Random(seed)
        self._origin_ns = self._refreshed_ns = clock()
        self._next_ns = self._after(self._origin_ns)

    def read(self) -> Reading[Power]:
        """Return what the sensor showed when it last refreshed itself."""
        now_ns = self._clock()
        while self._next_ns <= now_ns:
            self._refresh()
        return Measured(self._power(self._refreshed_ns), "client")

    def series(self, end_ns: int) -> PowerSeries:
        """Return every refresh until `end_ns`, stamped by the sensor's own clock."""
        moments = [self._refreshed_ns]
        while self._next_ns <= end_ns:
            self._refresh()
            moments.append(self._refreshed_ns)
        return PowerSeries(
            source=self.name,
            kind=self._kind,
            at_ns=tuple(moment + self._faults.clock_ahead_ns for moment in moments),
            values=tuple(_number(self._power(moment)) for moment in moments),
        )

    def _refresh(self) -> None:
        self._refreshed_ns, self._next_ns = self._next_ns, self._after(self._next_ns)

    def _after(self, moment_ns: int) -> int:
        wobble = self._random.uniform(-self._faults.jitter, self._faults.jitter)
        return moment_ns + max(1, int(_NS_PER_S / self._faults.rate_hz * (1 + wobble)))

    def _power(self, moment_ns: int) -> Power:
        if self._kind == "watts":
            return Watts(self._waveform.at(moment_ns))
        reset_ns = self._faults.reset_ns
        lost = reset_ns is not None and moment_ns >= reset_ns
        since_ns = reset_ns if lost and reset_ns is not None else self._origin_ns
        return Joules(self._waveform.energy_j(since_ns, moment_ns))


def _number(power: Power) -> float:
    return power.value_j if isinstance(power, Joules) else power.value_w
