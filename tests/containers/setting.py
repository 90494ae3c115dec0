"""A setting with container tools: stand-ins on PATH, images on the shelf, what is left of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import proofs

from steelyard.engines import api
from steelyard.engines.api import Contained
from steelyard.engines.images import Image

ROOT = Path(__file__).parents[2]
STANDIN = Path(__file__).with_name("standin.py")
SHORT = ("--requests", "4", "--prompts", "synthetic:in=40,out=8", "--warmup", "0")
WHEEL = [sys.executable, "-m", "steelyard.llamalib.server"]


def images(engine: str) -> tuple[Image, ...]:
    """Return the images that an engine's dialect names."""
    dialect = api.dialect(engine)
    assert isinstance(dialect, Contained)
    return dialect.images


@dataclass(frozen=True)
class Setting:
    """Stand-ins in a folder of their own; nothing else named docker or podman can be found."""

    root: Path

    @property
    def home(self) -> Path:
        """Where the stand-in keeps what it holds."""
        return self.root / "standin"

    @property
    def steelyard(self) -> Path:
        """Steelyard's own data."""
        return self.root / "steelyard"

    @property
    def env(self) -> dict[str, str]:
        """Return an environment in which they are found."""
        return {
            **os.environ,
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "STANDIN_HOME": str(self.home),
            "STEELYARD_HOME": str(self.steelyard),
            "PYTHONPATH": str(ROOT),
        }

    def installs(self, *tools: str) -> Setting:
        """Put stand-ins on PATH."""
        folder = self.root / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        for tool in tools:
            # A link keeps the name by which it knows which of the two it is.
            launcher = folder / tool
            launcher.write_text(f"#!{sys.executable}\n{STANDIN.read_text()}")
            launcher.chmod(0o755)
        return self

    def shelve(
        self,
        named: str,
        serve: list[str],
        *,
        digest: str = "",
        shelf: str = "images.json",
        **more: Any,
    ) -> Setting:
        """Lay an image where it can be run (`images.json`) or pulled (`registry.json`)."""
        path = self.home / shelf
        known = json.loads(path.read_text()) if path.exists() else {}
        known[named] = {
            "id": "sha256:" + "1d" * 32,
            "digest": digest,
            "serve": serve,
            "layers": [30_000_000, 12_000_000],
            **more,
        }
        path.write_text(json.dumps(known))
        return self

    def shelve_engine(
        self, engine: str, *, shelf: str = "images.json", device: str = "cpu"
    ) -> Image:
        """Lay an engine's own image there, with its server in it."""
        image = next(each for each in images(engine) if each.device == device)
        serve = WHEEL
        if engine != "llamacpp":
            serve = [sys.executable, "-m", "tests.containers.server", engine]
        self.shelve(
            image.reference, serve, digest=image.digest or "sha256:" + "ab" * 32, shelf=shelf
        )
        return image

    def fail(self, how: str) -> None:
        """Have the tools fail from now on; empty for no more."""
        (self.home / "fails").write_text(how)

    def calls(self, *words: str) -> list[list[str]]:
        """Return the calls so far that begin with these words."""
        path = self.home / "calls.jsonl"
        every = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return [call[1:] for call in every if tuple(call[1 : 1 + len(words)]) == words]

    def states(self) -> list[dict[str, Any]]:
        """Return the containers that are there."""
        return [json.loads(p.read_text()) for p in self.home.glob("containers/[!g]*/state.json")]

    def run(self, *words: object, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `steelyard WORDS` in a process of its own."""
        return subprocess.run(
            self.argv(*words),
            env=self.env,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def begin(self, *words: object) -> subprocess.Popen[str]:
        """Begin it, in a group of its own as a terminal would."""
        with (self.root / "said").open("w") as said:
            return subprocess.Popen(
                self.argv(*words),
                env=self.env,
                cwd=self.root,
                stdout=said,
                stderr=said,
                text=True,
                start_new_session=True,
            )

    def argv(self, *words: object) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "steelyard.cli.main", *(str(word) for word in words)]

    def bench(
        self, subject: object, *words: object, out: str = "out", lent: bool = True, **more: Any
    ) -> Any:
        """Run a short bench in a container; with no proof `lent` it proves the engine first."""
        self.calibrated()
        if not lent:
            (self.steelyard / "proofs").unlink()
        return self.run("bench", subject, *SHORT, *words, "--out", out, **more)

    def record(self, out: str = "out") -> dict[str, Any]:
        """Return the record of a bench."""
        found: dict[str, Any] = json.loads((self.root / out / "record.json").read_text())
        return found

    def calibrated(self) -> None:
        """Take over what another test's bench found out about the clock: it takes seconds."""
        proofs.lend(self.steelyard)
        if KNOWN.get("path") and not (self.steelyard / "instrument.json").exists():
            shutil.copy(KNOWN["path"], self.steelyard / "instrument.json")

    def nothing_is_left(self) -> None:
        """Fail unless containers, their servers and their shims are gone."""
        assert eventually(lambda: not self.states()), self.states()
        assert eventually(lambda: not self.family()), self.family()

    def family(self) -> list[str]:
        """Return the processes that name this setting's folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                env = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and f"STANDIN_HOME={self.home}".encode() in env.split(b"\0"):
                found.append(words)
        return found


KNOWN: dict[str, Path] = {}


def eventually(said: Callable[[], Any], limit_s: float = 20.0) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if said():
            return True
        time.sleep(0.05)
    return False


def kill(child: subprocess.Popen[str], number: signal.Signals) -> int:
    """Send a signal to a process's group and wait for its end."""
    os.killpg(child.pid, number)
    return child.wait(30)
