"""Does the printed bound hold? Short runs, clean and disturbed, against a server of known truth.

`python benchmarks/certify.py [--runs 400] [--quick] [--seed 0] [--json FILE] [--verbose]`

One pacer has one core, the client the other. First the instrument is calibrated, as every bench
does. Then follow as many clean runs as disturbed ones, in turns: 4 to 32 streams, 16 to 64 tokens,
gaps of 0.3 to 10 ms, drawn at random, each run well under a second. A disturbed one has, by lot:

* hog: a busy loop on the client's core;
* stop: the client is stopped (SIGSTOP) for 20 to 80 ms, once or twice, at random moments;
* storm: bursts of page faults on the client's core, as a collector or a parent at work makes them
  (the client's own collector is off).

Of each run the report prints, for the first token and for gaps, a bound: 95 % of the samples are
off by less. It is covered when the 95th percentile of the true error, by the server's log, is no
larger. A run is flagged when a caution of its record says that the client was late (`CLIENT_…`).
It has to be when that percentile is beyond the bound of a quiet machine (`censored_limit_s`); a
flag is false where 99 % of the true errors are within it. Printed are shares with Wilson's 95 %
intervals. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import psutil

from steelyard.analysis import client_share, validity
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import Device, Environment, RunRecord, RunSpec, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.workload import Workload
from steelyard.loadgen.client import Client
from steelyard.platform import process
from steelyard.runs import calibration
from steelyard.runs.calibration import Compared
from steelyard.scripted import paced
from steelyard.stats.proportions import wilson

Disturbance: TypeAlias = Literal["none", "hog", "stop", "storm"]

DISTURBANCES: Final[tuple[Disturbance, ...]] = ("hog", "stop", "storm")
COVERAGE: Final = 0.95
CAUGHT: Final = 0.99
FALSE: Final = 0.01
LOAD_S: Final = 0.6
EVENTS_PER_S: Final = 20_000  # more than this and the server, in Python too, is what limits
SETTLE_S: Final = 0.05
PRIORITY: Final = 10
HOG: Final = "while True: pass"
STORM: Final = """
import mmap, random, time
while True:
    end = time.monotonic() + random.uniform(0.005, 0.03)
    while time.monotonic() < end:
        with mmap.mmap(-1, 1 << 22) as memory:
            for at in range(0, 1 << 22, 4096):
                memory[at] = 1
    time.sleep(random.uniform(0.005, 0.03))
"""


@dataclass(frozen=True)
class Shape:
    """What one run sends."""

    streams: int
    requests: int
    tokens: int
    ttft_ms: float
    gap_ms: float

    @property
    def seconds(self) -> float:
        """How long it takes at least."""
        each_ms = self.ttft_ms + (self.tokens - 1) * self.gap_ms
        return self.requests / self.streams * each_ms / 1e3


@dataclass(frozen=True)
class Held:
    """A printed bound beside the truth, in milliseconds; `quiet_ms` is that of a quiet machine.

    `p95_ms` and `p99_ms` are of the true errors, `beyond_ms` the 95th percentile of how far the
    truth lies outside the ranges.
    """

    bound_ms: float
    quiet_ms: float
    p95_ms: float
    p99_ms: float
    beyond_ms: float

    @property
    def covered(self) -> bool:
        """Whether the bound holds."""
        return self.p95_ms <= self.bound_ms


@dataclass(frozen=True)
class Run:
    """One run and what came of it."""

    shape: Shape
    disturbance: Disturbance
    samples: int
    ttft: Held
    gap: Held
    flags: tuple[str, ...]

    @property
    def covered(self) -> bool:
        """Whether both true errors are within their bounds."""
        return self.ttft.covered and self.gap.covered

    @property
    def beyond(self) -> bool:
        """Whether the truth is beyond the bound of a quiet machine."""
        return self.ttft.p95_ms > self.ttft.quiet_ms or self.gap.p95_ms > self.gap.quiet_ms

    @property
    def inside(self) -> bool:
        """Whether the truth is within that."""
        return self.ttft.p99_ms <= self.ttft.quiet_ms and self.gap.p99_ms <= self.gap.quiet_ms


@dataclass
class Bench:
    """A pacer, one client, and the cores that they have."""

    folder: Path
    client: Client
    port: int
    instrument: Instrument
    client_core: list[int]
    draw: random.Random
    number: int = 0
    waiting: list[tuple[Shape, Disturbance, list[str]]] = field(default_factory=list)

    def drive(self, shape: Shape, disturbance: Disturbance) -> None:
        """Run one load under one disturbance; what came of it is read afterwards."""
        names = [str(self.number + one) for one in range(shape.requests)]
        self.number += shape.requests
        request = calibration.request(self.port, shape.tokens, shape.ttft_ms, shape.gap_ms)
        self.client.set_streams(shape.streams)
        with self._disturbed(shape, disturbance):
            for name in names:
                self.client.submit(name, request)
            for _ in self.client.answers():
                pass
        self.waiting.append((shape, disturbance, names))

    @contextlib.contextmanager
    def _disturbed(self, shape: Shape, disturbance: Disturbance) -> Iterator[None]:
        match disturbance:
            case "none":
                yield
            case "hog" | "storm":
                words = [sys.executable, "-c", HOG if disturbance == "hog" else STORM]
                log = self.folder / "disturbance.log"
                with process.start(words, log=log, affinity=self.client_core) as child:
                    until_busy(child.pid)
                    yield
            case "stop":
                over = threading.Event()
                plan = [
                    (self.draw.uniform(0, 0.8 * shape.seconds), self.draw.uniform(0.02, 0.08))
                    for _ in range(self.draw.choice((1, 2)))
                ]
                thread = threading.Thread(target=stop_at, args=(self.client.pid, plan, over))
                thread.start()
                try:
                    yield
                finally:
                    over.set()
                    thread.join()


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("client and server need a core each; this process may use one only")
    runs = min(options.runs, 20) if options.quick else options.runs
    busy = psutil.cpu_percent(2.0)
    print(f"{runs} clean and {runs} disturbed runs; {busy:.0f} % of the machine busy before")
    with tempfile.TemporaryDirectory() as name:
        found, instrument = certify(Path(name), runs, options.seed, cores)
    report = summary(found, instrument)
    print("\n".join(report.lines))
    if options.verbose:
        print("\n".join(map(told, found)))
    if options.json:
        raw = {"instrument": str(instrument), "runs": [asdict(one) for one in found]}
        options.json.write_text(json.dumps(raw, indent=1))
    return 1 if report.missed else 0


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description="Coverage of the printed bound.")
    flags.add_argument("--runs", type=int, default=400, help="of each kind")
    flags.add_argument("--quick", action="store_true", help="20 of each kind")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--json", type=Path, help="write all runs there")
    flags.add_argument("--verbose", action="store_true", help="print each run")
    return flags


def certify(
    folder: Path, runs: int, seed: int, cores: Sequence[int]
) -> tuple[list[Run], Instrument]:
    """Calibrate, then drive as many clean runs as disturbed ones."""
    instrument = calibration.calibrate(folder / "calibration", lambda _: None)
    log = folder / "truth"
    draw = random.Random(seed)
    client_core = list(cores[:1])
    with calibration.pacer(folder, log) as port:
        steady(folder, list(cores[-1:]))
        with Client(calibration.HOST, port, folder / "spool.bin", affinity=client_core) as client:
            bench = Bench(folder, client, port, instrument, client_core, draw)
            for _ in range(runs):
                for disturbance in draw.sample(("none", draw.choice(DISTURBANCES)), 2):
                    bench.drive(shape(draw), disturbance)
                    time.sleep(SETTLE_S)
            exchanges = {one.id: one for one in client.exchanges()}
    known_truth = paced.read(log)
    found = []
    for load, disturbance, names in bench.waiting:
        compared = [calibration.compare(exchanges[name], known_truth) for name in names]
        found.append(judged(load, disturbance, [one for one in compared if one], instrument))
    return found, instrument


def shape(draw: random.Random) -> Shape:
    """Draw one load that takes well under a second and leaves the server at ease."""
    gap_ms = round(10 ** draw.uniform(-0.52, 1), 2)
    most = int(min(32, EVENTS_PER_S * gap_ms / 1e3))
    streams = draw.randint(4, max(4, most))
    tokens = draw.randint(16, 64)
    tokens = max(16, min(tokens, int(1e3 * LOAD_S / 2 / gap_ms)))
    load = Shape(streams, streams, tokens, round(draw.uniform(1, 10), 2), gap_ms)
    rounds = max(2, min(8, int(LOAD_S / load.seconds)))
    return replace(load, requests=rounds * streams)


def judged(
    load: Shape, disturbance: Disturbance, compared: Sequence[Compared], instrument: Instrument
) -> Run:
    """Set the printed bound of a run beside the truth."""
    assert len(compared) == load.requests, (load, len(compared))
    attempts = [one.attempt for one in compared]
    bound = client_share.bound(attempts, instrument)
    gaps = [gap for one in compared for gap in one.gaps_s]
    outside = [gap for one in compared for gap in one.gaps_beyond_s]
    return Run(
        shape=load,
        disturbance=disturbance,
        samples=len(compared) + len(gaps),
        ttft=held(
            *(bound.ttft_s, instrument.ttft_error_s),
            *([one.ttft_s for one in compared], [one.ttft_beyond_s for one in compared]),
        ),
        gap=held(bound.gap_s, instrument.gap_error_s, gaps, outside),
        flags=flags(load, attempts, instrument),
    )


def held(
    bound: Reading[float], own: Reading[float], errors: Sequence[float], outside: Sequence[float]
) -> Held:
    sizes = np.abs(errors)
    return Held(
        bound_ms=1e3 * known(bound),
        quiet_ms=1e3 * client_share.censored_limit_s(own),
        p95_ms=1e3 * float(np.quantile(sizes, 0.95)),
        p99_ms=1e3 * float(np.quantile(sizes, 0.99)),
        beyond_ms=1e3 * float(np.quantile(outside, 0.95)),
    )


def flags(load: Shape, attempts: Sequence[Attempt], instrument: Instrument) -> tuple[str, ...]:
    """Return what the record of such a run says of the client."""
    work = Workload("bench", 1, load.tokens, load.requests, load.streams)
    untold = Missing("not_asked")
    record = RunRecord(
        id="certified",
        spec=RunSpec(Subject(Artifact("pacer", "gguf", ""), "scripted"), workloads=(work,)),
        outcome="completed",
        reason="",
        started_at="",
        device=Device("", "", 1, 0, ""),
        environment=Environment("", "", {}),
        controls=(),
        proofs=(),
        load_s=untold,
        first_request_s=untold,
        sections=(_section(work.name, load, attempts),),
        vitals=untold,
        cautions=(),
        simulated=True,
        instrument=instrument,
    )
    codes = (caution.code for caution in validity.cautions(record))
    return tuple(code for code in codes if code.startswith("CLIENT_"))


def _section(name: str, load: Shape, attempts: Sequence[Attempt]) -> Section:
    return Section(
        name=name,
        kind="workload",
        outcome="completed",
        started_ns=min(attempt.sent_ns for attempt in attempts),
        ended_ns=max(attempt.done_ns for attempt in attempts),
        attempts=tuple(attempts),
        streams=load.streams,
    )


@dataclass(frozen=True)
class Report:
    """What is printed, and which goals were missed."""

    lines: tuple[str, ...]
    missed: tuple[str, ...]


def summary(found: Sequence[Run], instrument: Instrument) -> Report:
    """Count, with intervals, and compare with the goals."""
    lines = [
        f"the instrument's own error: first token {1e6 * known(instrument.ttft_error_s):.1f} µs, "
        f"gaps {1e6 * known(instrument.gap_error_s):.1f} µs, {instrument.stamps} stamps",
        "",
    ]
    missed: list[str] = []

    def share(
        name: str, of: Sequence[Run], holds: Callable[[Run], bool], least: float | None
    ) -> None:
        """Print one share; `least` is its goal, 0 for none, None for at most `FALSE`."""
        if not of:
            lines.append(f"{name:46} none")
            return
        hits = sum(map(holds, of))
        low, high = wilson(hits, len(of))
        goal = f"at most {FALSE}" if least is None else f"at least {least}" if least else ""
        lines.append(f"{name:46} {hits:4d} of {len(of):<4d} [{low:.3f}, {high:.3f}]  {goal}")
        if hits > FALSE * len(of) if least is None else hits < least * len(of):
            missed.append(name)

    for kind in ("none", *DISTURBANCES):
        of = [one for one in found if one.disturbance == kind]
        word = "clean" if kind == "none" else kind
        share(f"covered, first token, {word}", of, lambda one: one.ttft.covered, COVERAGE)
        share(f"covered, gaps, {word}", of, lambda one: one.gap.covered, COVERAGE)
    clean = [one for one in found if one.disturbance == "none"]
    hit = [one for one in found if one.disturbance != "none"]
    share("covered, both, clean", clean, lambda one: one.covered, COVERAGE)
    share("covered, both, disturbed", hit, lambda one: one.covered, COVERAGE)
    beyond = [one for one in hit if one.beyond]
    share("flagged, of the disturbed beyond", beyond, lambda one: bool(one.flags), CAUGHT)
    share("falsely flagged, clean", clean, lambda one: bool(one.flags) and one.inside, None)
    share("disturbed and beyond", hit, lambda one: one.beyond, 0.0)
    share("clean and beyond (something else disturbed)", clean, lambda one: one.beyond, 0.0)
    share("clean and flagged", clean, lambda one: bool(one.flags), 0.0)
    lines.append("")
    lines.append("all goals kept" if not missed else f"missed: {'; '.join(missed)}")
    return Report(tuple(lines), tuple(missed))


def told(run: Run) -> str:
    load = run.shape
    words = f"{run.disturbance:6} {load.streams:3d} × {load.tokens:<3d} {load.gap_ms:5.2f} ms"
    for name, one in (("first", run.ttft), ("gaps", run.gap)):
        words += f"  {name} {one.p95_ms:8.4f} ≤ {one.bound_ms:8.4f} (outside {one.beyond_ms:7.4f})"
    return f"{words}  {'covered' if run.covered else 'MISSED '} {' '.join(run.flags)}"


def known(reading: Reading[float]) -> float:
    assert not isinstance(reading, Missing), reading
    return reading.value


def steady(folder: Path, core: list[int]) -> None:
    """Give the pacer a core, and the right to it where we may: its stamps are the truth."""
    for one in psutil.process_iter(["cmdline"]):
        if str(folder / "truth") in (one.info["cmdline"] or ()):
            os.sched_setaffinity(one.pid, core)
            try:
                os.sched_setscheduler(one.pid, os.SCHED_FIFO, os.sched_param(PRIORITY))
            except PermissionError:
                print("the server has ordinary priority: some of its stamps are not exact")


def until_busy(pid: int) -> None:
    """Wait until a child has used a hundredth of a second."""
    child = psutil.Process(pid)
    while sum(child.cpu_times()[:2]) < 0.05:
        time.sleep(0.005)


def stop_at(pid: int, plan: Sequence[tuple[float, float]], over: threading.Event) -> None:
    """Stop a process at each moment for a while; leave it running."""
    begun = time.monotonic()
    for after_s, for_s in sorted(plan):
        if over.wait(max(0.0, begun + after_s - time.monotonic())):
            return
        os.kill(pid, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
