"""A stage for benches: servers of known truth, and `steelyard bench` run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steelyard.domain.bench import BenchSummary, Level
from steelyard.platform import process
from steelyard.reports import bench_json
from steelyard.scripted import paced
from steelyard.scripted.paced import Paced

HOST = "127.0.0.1"
# Short prompts: what is tested is the load, not the prose.
SHORT = ("--prompts", "synthetic:in=32,out=8")


@dataclass(frozen=True)
class Ended:
    """A bench that has ended: how, what it printed, and its folder."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def summary(self) -> BenchSummary:
        """Return the summary that lies in its folder."""
        path = self.folder / "bench_summary.json"
        return bench_json.read(path.read_text(encoding="utf-8"), source=str(path))

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the loads of its only subject."""
        (found,) = self.summary.measurements
        return found.levels

    @property
    def level(self) -> Level:
        """Return its only load."""
        (found,) = self.levels
        return found


@dataclass(frozen=True)
class Bench:
    """A home that is calibrated already, and an empty folder for what is measured."""

    home: Path
    work: Path

    @property
    def env(self) -> dict[str, str]:
        """Return the environment in which it runs: no key, no proxy."""
        kept = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
        return {**kept, "STEELYARD_HOME": str(self.home), "COLUMNS": "120"}

    def argv(self, *words: object, out: str = "out") -> list[str]:
        """Return the command line of `steelyard bench WORDS --out OUT`."""
        plain = [str(word) for word in words]
        start = [sys.executable, "-m", "steelyard.cli.main", "bench"]
        return [*start, *plain, "--out", str(self.work / out)]

    def run(self, *words: object, out: str = "out", timeout_s: float = 120) -> Ended:
        """Run it to its end; a traceback is never what a user sees."""
        done = subprocess.run(
            self.argv(*words, out=out),
            env=self.env,
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr, self.work / out)

    def ask(self, *words: str) -> str:
        """Run another command of `steelyard` in the same home and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "steelyard.cli.main", *words],
            env=self.env,
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(frozen=True)
class Server:
    """A pacer that is up, and what it says that it sent."""

    pid: int
    port: int
    truth: Path

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://{HOST}:{self.port}"

    def sent(self) -> list[Paced]:
        """Return its answers in the order in which they were asked for; it must have ended."""
        return sorted(paced.read_all(self.truth), key=lambda one: one.received_ns)


@contextmanager
def pacer(folder: Path, *flags: object) -> Iterator[Server]:
    """Start a pacer on a free port and end it; two of one test need folders of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    said, truth = folder / "pacer.out", folder / "truth"
    argv = [sys.executable, "-m", "steelyard.scripted.pacer", "--port", "0"]
    argv += ["--truth", str(truth), *(str(flag) for flag in flags)]
    with process.start(argv, log=said) as child:
        while not said.exists() or b"\n" not in said.read_bytes():
            assert child.returncode() is None, said.read_text()
            time.sleep(0.01)
        port = int(said.read_text().split("\n")[0].rpartition(":")[2])
        yield Server(child.pid, port, truth)


def calibrated(home: Path) -> Path:
    """Calibrate once, so that the benches of a module need not."""
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", "calibrate"],
        env={**os.environ, "STEELYARD_HOME": str(home)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return home
