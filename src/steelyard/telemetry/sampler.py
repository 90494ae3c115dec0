"""The sampler: looks at the machine a few times a second while a run goes on.

A thread of the parent, never of the timed path. Who belongs to the engine's tree is looked up
again only as often as that costs under half a percent of a core, since it takes a pass over
every process of the machine. Not aware of requests.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.vitals import Vitals
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry import machine, processes, series
from steelyard.telemetry.sensors import Energy, Frequency, Temperature, Throttling

DEFAULT_INTERVAL_S: Final = 0.25
_SCAN_COST_SHARE: Final = 0.005
_NS_PER_S: Final = 1e9
_GONE: Final = Missing("engine_gone", "the engine's process had ended")
_NO_MEMORY: Final = Missing("not_exposed", "this system does not tell a process's memory")
_ROOT: Final = Path("/")


@final
class Sampler:
    """Samples from entering to leaving; `vitals()` then tells what was seen."""

    def __init__(
        self,
        engine_pid: int,
        cores: int | None = None,
        interval_s: float = DEFAULT_INTERVAL_S,
        root: Path = _ROOT,
    ) -> None:
        self._pid = engine_pid
        self._cores = cores or os.cpu_count() or 1
        self._interval_ns = int(interval_s * _NS_PER_S)
        self._proc = root / "proc"
        self._sensors = (Temperature(root), Frequency(root), Throttling(root), Energy(root))
        self._started = processes.read_stat(self._proc / str(engine_pid))
        self._engine: frozenset[int] = frozenset()
        self._own: frozenset[int] = frozenset()
        self._own_memory: Reading[int] = _NO_MEMORY
        self._scan_after_ns = 0
        self._looks: list[series.Look] = []
        self._cost_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._looks.append(self._look())
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
        self._looks.append(self._look())

    @property
    def cost_s(self) -> float:
        """CPU seconds that looking has taken so far."""
        return self._cost_s

    @property
    def temperature_c(self) -> Reading[float]:
        """The CPU's temperature at the last look."""
        return self._looks[-1].cpu_temperature_c if self._looks else _GONE

    def vitals(self) -> Vitals:
        """Return the series so far and what follows from it."""
        return series.vitals(tuple(self._looks), self._cores)

    def _run(self) -> None:
        due_ns = monotonic_ns()
        while True:
            # Looks that came too late are left out, not caught up with.
            due_ns = max(due_ns + self._interval_ns, monotonic_ns())
            if self._stop.wait((due_ns - monotonic_ns()) / _NS_PER_S):
                return
            self._looks.append(self._look())

    def _look(self) -> series.Look:
        before_s = time.thread_time()
        at_ns = monotonic_ns()
        if at_ns >= self._scan_after_ns and self._proc.is_dir():
            self._scan(at_ns)
        proc, alive = self._proc, self._alive()
        memory = processes.memory(proc, self._engine) if alive else None
        temperature, frequency, throttling, energy = self._sensors
        look = series.Look(
            at_ns=at_ns,
            busy_s=machine.busy_s(proc),
            engine_cpu_s=_cpu(proc, self._engine) if alive else _GONE,
            own_cpu_s=_cpu(proc, self._own),
            engine_memory_bytes=_GONE if memory is None else Measured(memory.resident, "client"),
            engine_peak_bytes=_GONE if memory is None else Measured(memory.peak, "client"),
            engine_swap_bytes=_GONE if memory is None else Measured(memory.swapped, "client"),
            swap_used_bytes=machine.swap_used_bytes(proc),
            load_1m=machine.load_1m(proc),
            other_runnable=self._other_runnable(),
            cpu_temperature_c=temperature.read(),
            cpu_frequency_hz=frequency.read(),
            throttled=throttling.read(),
            energy_uj=energy.read(),
            own_memory_bytes=self._own_memory,
        )
        self._cost_s += time.thread_time() - before_s
        return look

    def _scan(self, at_ns: int) -> None:
        parent_of = processes.parents(self._proc)
        self._engine = processes.descendants(parent_of, self._pid)
        self._own = processes.descendants(parent_of, os.getpid()) - self._engine
        if (held := processes.memory(self._proc, self._own)) is not None:
            self._own_memory = Measured(held.resident, "client")
        took_ns = monotonic_ns() - at_ns
        self._scan_after_ns = at_ns + int(took_ns / _SCAN_COST_SHARE)

    def _alive(self) -> bool:
        """Whether the process is still the one that was there at the start."""
        now = processes.read_stat(self._proc / str(self._pid))
        return (
            now is not None
            and self._started is not None
            and now.started == self._started.started
            and now.state != "Z"
        )

    def _other_runnable(self) -> Reading[int]:
        everybody = machine.runnable(self._proc)
        if isinstance(everybody, Missing):
            return everybody
        ours = processes.runnable(self._proc, self._engine | self._own)
        return Measured(max(0, everybody.value - ours), "derived")


def _cpu(proc: Path, pids: frozenset[int]) -> Reading[float]:
    return Measured(processes.cpu_s(proc, pids), "client")
