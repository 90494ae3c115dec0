"""A stage for benches: servers of known truth, and `steelyard bench` run as a user runs it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import door, proofs, unhurried

from steelyard.app import calibrating
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
        """Return the environment in which it runs."""
        return {**os.environ, "STEELYARD_HOME": str(self.home)}

    def words(self, *words: object, out: str = "out") -> list[str]:
        """Return the words after `steelyard`."""
        return ["bench", *(str(word) for word in words), "--out", str(self.work / out)]

    def argv(self, *words: object, out: str = "out") -> list[str]:
        """Return the command line of a process of its own."""
        return [sys.executable, "-m", "steelyard.cli.main", *self.words(*words, out=out)]

    def run(self, *words: object, out: str = "out") -> Ended:
        """Run the command line in this process, which saves starting one."""
        return self._ended(self.ask(*self.words(*words, out=out)), out)

    def process(self, *words: object, out: str = "out", timeout_s: float = 120) -> Ended:
        """Run it in a process of its own."""
        done = subprocess.run(
            self.argv(*words, out=out),
            env=self.env,
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return self._ended((done.returncode, done.stdout, done.stderr), out)

    def ask(self, *words: str) -> tuple[int, str, str]:
        """Run any command line of `steelyard` here: exit code, output, errors."""
        done = door.steelyard(Path.cwd(), *words)
        return done.returncode, done.stdout, done.stderr

    def _ended(self, found: tuple[int, str, str], out: str) -> Ended:
        code, said, err = found
        assert "Traceback" not in err, err  # never what a user sees
        return Ended(code, said, err, self.work / out)


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
        """Return all answers that have ended, in the order in which they were asked for."""
        self.health()  # a control call writes the log
        return sorted(paced.records(self.truth), key=lambda one: one.received_ns)

    def health(self) -> dict[str, Any]:
        """Return what it says of itself."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.loads(answer.read())
        return found


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


@functools.cache
def _instrument() -> bytes:
    """Calibrate once for all benches."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEELYARD_HOME", folder)
        unhurried.calibration_has_time(patch)
        calibrating.instrument(lambda _: None)
        return calibrating.path().read_bytes()


@contextmanager
def built(folder: Path) -> Iterator[Bench]:
    """Make a home and a place to work in, and let this process know no other home."""
    found = Bench(folder / "home", folder / "work")
    found.home.mkdir(parents=True)
    found.work.mkdir()
    proofs.lend(found.home)
    (found.home / "instrument.json").write_bytes(_instrument())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEELYARD_HOME", str(found.home))
        patch.delenv("OPENAI_API_KEY", raising=False)
        yield found
