"""Servers that are up before a sweep comes to them: scripted ones, whose truth is known."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import ports
from tests.app import stage
from tests.app.stage import Stage

from steelyard.platform import process
from steelyard.scripted import plan as scripts
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan


@dataclass(frozen=True)
class Up:
    """A server that is up, and the log of what it answered."""

    port: int
    truth: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def answered(self) -> int:
        """How many requests for an answer it has had."""
        return len(truth.read(self.truth)) if self.truth.exists() else 0


def script(folder: Path, *, items: int, **fields: object) -> Path:
    """Write the script of a server: every item known, and what differs between its models."""
    planned: dict[str, object] = {
        "ttft_s": 0.002,
        "gap_s": 0.0005,
        "answers": stage.answers(items),
        "wrong_rate": 0.2,
        "variants": {"swift*": {"speed": 3.0}, "broken*": {"wrong_rate": 0.6, "speed": 4.0}},
        **fields,
    }
    folder.mkdir(parents=True, exist_ok=True)
    return scripts.write(Plan(**planned), folder / "plan.json")  # type: ignore[arg-type]


@contextmanager
def serving(
    folder: Path, plan: Path, *names: str, port: int = 0, context: int = 4096
) -> Iterator[Up]:
    """Start a scripted server of these models, and end it."""
    up = Up(port or ports.free(), folder / "truth.jsonl")
    argv = [sys.executable, "-m", "steelyard.scripted", "--port", str(up.port)]
    argv += ["--plan", str(plan), "--truth", str(up.truth), "--alias", names[0]]
    argv += ["--also", ",".join(names[1:]), "--parallel", "4", "--ctx-size", str(4 * context)]
    with process.start(argv, log=folder / f"server-{up.port}.log") as child:
        _wait(up.port, child)
        yield up


def _wait(port: int, child: process.Child) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert child.returncode() is None
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server did not come up")


def build(folder: Path) -> Stage:
    """Return a home of its own; there is no ladder here."""
    made = Stage(folder / "nothing", folder / "home")
    made.home.mkdir(parents=True)
    return made
