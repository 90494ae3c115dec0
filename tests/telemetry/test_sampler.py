"""The sampler on real processes: whose load is whose, and what looking costs.

Other work may run on the machine at any time, so every case compares with what known processes
used, never with an absolute quiet.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.telemetry import processes
from steelyard.telemetry.sampler import Sampler

PROC = Path("/proc")
TICK_S = 0.1
# Every hog ends by itself, whatever becomes of the test.
HOG = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
IDLE = "import time; time.sleep(20)"
PARENT_OF_A_HOG = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOG!r}])"


@contextmanager
def child(program: str) -> Iterator[int]:
    """A program that is up, in a group of its own, killed with its group at the end."""
    words = [sys.executable, "-c", f"print('up', flush=True)\n{program}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def stranger(program: str) -> Iterator[int]:
    """A program that is nobody's child here: its parent ended at once."""
    shell = '"$0" -c "$1" >/dev/null 2>&1 & echo $!'
    started = subprocess.run(
        ["sh", "-c", shell, sys.executable, program], capture_output=True, text=True, check=True
    )
    pid = int(started.stdout)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


def value(reading: Reading[float] | Reading[int]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def test_a_strangers_load_is_other_and_not_the_engines() -> None:
    with child(IDLE) as engine, stranger(HOG) as hog:
        before = processes.cpu_s(PROC, [hog])
        with Sampler(engine, interval_s=0.1) as sampler:
            time.sleep(1.0)
            used = processes.cpu_s(PROC, [hog]) - before
        vitals = sampler.vitals()
    seconds = (vitals.samples[-1].at_ns - vitals.samples[0].at_ns) / 1e9
    assert used > 0.1
    assert value(vitals.other_cpu_share) * seconds > used - TICK_S
    assert value(vitals.engine_cpu_share) * seconds < TICK_S


def test_what_the_engines_child_burns_is_the_engines() -> None:
    with child(PARENT_OF_A_HOG) as engine:
        until = time.monotonic() + 10
        while len(processes.descendants(processes.parents(PROC), engine)) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        (hog,) = processes.descendants(processes.parents(PROC), engine) - {engine}
        before = processes.cpu_s(PROC, [hog])
        with Sampler(engine, interval_s=0.1) as sampler:
            time.sleep(1.0)
            used = processes.cpu_s(PROC, [hog]) - before
        vitals = sampler.vitals()
    seconds = (vitals.samples[-1].at_ns - vitals.samples[0].at_ns) / 1e9
    assert used > 0.1
    assert abs(value(vitals.engine_cpu_share) * seconds - used) < 2 * TICK_S


def test_what_our_own_child_burns_is_our_own() -> None:
    with child(IDLE) as engine, child(HOG) as hog:
        before = processes.cpu_s(PROC, [hog])
        with Sampler(engine, interval_s=0.2) as sampler:
            time.sleep(1.0)
            used = processes.cpu_s(PROC, [hog]) - before
        samples = sampler.vitals().samples
    spans = [(b.at_ns - a.at_ns) / 1e9 for a, b in pairwise(samples)]
    own = sum(
        value(sample.own_cpu_share) * span for sample, span in zip(samples[1:], spans, strict=True)
    )
    assert own > used - TICK_S


def test_a_child_started_later_is_found_and_its_time_is_not_lost() -> None:
    with child(IDLE) as engine, Sampler(engine, interval_s=0.1) as sampler:
        with child(HOG) as hog:
            time.sleep(0.8)
            used = processes.cpu_s(PROC, [hog])
        time.sleep(0.3)
    looks = sampler.vitals().samples
    seconds = (looks[-1].at_ns - looks[0].at_ns) / 1e9
    spans = [(b.at_ns - a.at_ns) / 1e9 for a, b in pairwise(looks)]
    own = sum(value(x.own_cpu_share) * s for x, s in zip(looks[1:], spans, strict=True))
    assert own > used - TICK_S
    assert seconds > 1.0


def test_peak_memory_is_the_engines_own_high_mark() -> None:
    grow = "x = b'a' * 60_000_000; del x; print('up', flush=True); import time; time.sleep(20)"
    with subprocess.Popen([sys.executable, "-c", grow], stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None
        engine.stdout.readline()
        with Sampler(engine.pid) as sampler:
            pass
        engine.kill()
    vitals = sampler.vitals()
    now = vitals.samples[-1].engine_memory_bytes
    assert value(vitals.peak_memory_bytes) > 60_000_000
    assert value(now) < value(vitals.peak_memory_bytes)


def test_an_engine_that_ends_is_gone_and_not_idle() -> None:
    with child(IDLE) as engine, Sampler(engine, interval_s=0.05) as sampler:
        time.sleep(0.1)
        os.kill(engine, signal.SIGKILL)
        time.sleep(0.2)
    vitals = sampler.vitals()
    last = vitals.samples[-1]
    assert isinstance(last.engine_memory_bytes, Missing)
    assert last.engine_memory_bytes.code == "engine_gone"
    assert isinstance(last.engine_cpu_share, Missing)
    assert isinstance(vitals.peak_memory_bytes, Measured)


def test_looking_costs_a_small_share_of_a_core() -> None:
    with child(IDLE) as engine, Sampler(engine) as sampler:
        time.sleep(1.5)
    samples = sampler.vitals().samples
    seconds = (samples[-1].at_ns - samples[0].at_ns) / 1e9
    assert sampler.cost_s / seconds < 0.1
    assert 3 <= len(samples) <= seconds / 0.25 + 3


def test_a_system_without_proc_says_so_everywhere(tmp_path: Path) -> None:
    with Sampler(os.getpid(), cores=4, interval_s=0.05, root=tmp_path) as sampler:
        time.sleep(0.06)
    vitals = sampler.vitals()
    assert vitals.cores == 4
    for reading in (
        vitals.peak_memory_bytes,
        vitals.engine_cpu_share,
        vitals.other_cpu_share,
        vitals.cpu_temperature_max_c,
        vitals.cpu_frequency_min_hz,
        vitals.swap_growth_bytes,
        vitals.throttle_events,
        vitals.energy_j,
        vitals.samples[0].load_1m,
        vitals.samples[0].other_runnable,
    ):
        assert isinstance(reading, Missing)
        assert reading.detail


def test_this_machines_load_and_swap_are_read() -> None:
    with child(HOG) as engine, Sampler(engine) as sampler:
        time.sleep(0.3)
    sample = sampler.vitals().samples[-1]
    assert value(sample.load_1m) >= 0
    assert value(sample.swap_used_bytes) >= 0
    assert value(sample.other_runnable) >= 0
