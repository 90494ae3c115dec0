"""A stage for whole sweeps: real files of a ladder, and a script with planted truth for them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import door
from tests.llamalib import tiny

from steelyard.domain.task import Task
from steelyard.models import ladder
from steelyard.runs.places import SCRIPT
from steelyard.scripted import plan as scripts
from steelyard.tasks.registry import FAMILIES, questions

QUANTS = ("Q8_0", "Q4_K_M", "Q2_K")
SHAPE = tiny.Shape(context=4096)


@dataclass(frozen=True)
class Stage:
    """A ladder's folder, and a home of its own for the database."""

    ladder: Path
    home: Path

    def argv(self, *words: str) -> list[str]:
        """Return the command line of `steelyard WORDS`."""
        return [sys.executable, "-m", "steelyard.cli.main", *words]

    @property
    def env(self) -> dict[str, str]:
        """Return the environment in which it runs."""
        return {**os.environ, "STEELYARD_HOME": str(self.home)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `steelyard WORDS` to its end in this process."""
        return door.steelyard(self.home, *words, env=self.env)

    def process(self, *words: str, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run it in a process of its own, as a user would."""
        return subprocess.run(
            self.argv(*words),
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def file(self, quant: str) -> Path:
        """Return the file of one quant."""
        return self.ladder / f"tiny-{quant}.gguf"


def build(folder: Path, *, items: int, **script: object) -> Stage:
    """Make a ladder and its script: every item known, Q2_K wrong on a planted share."""
    stage = Stage(folder / "ladder", folder / "home")
    stage.ladder.mkdir(parents=True)
    stage.home.mkdir()
    source = tiny.write(stage.file("F16"), SHAPE)
    for quant in QUANTS:
        ladder.quantise(source, quant, stage.file(quant))
    write_script(stage, items=items, **script)
    return stage


def write_script(stage: Stage, *, items: int, **script: object) -> None:
    """Write what the scripted engine is to do for this ladder."""
    planned: dict[str, object] = {
        "ttft_s": 0.002,
        "gap_s": 0.0005,
        "answers": answers(items),
        "wrong_rate": 0.2,
        "variants": {"*Q2_K*": {"wrong_rate": 0.6, "speed": 2.0}, "*Q4_K_M*": {"speed": 1.5}},
        **script,
    }
    scripts.write(scripts.Plan(**planned), stage.ladder / SCRIPT)  # type: ignore[arg-type]


def answers(items: int) -> dict[str, str]:
    """Return the right answer of every item that a sweep with `--items ITEMS` asks."""
    return {
        scripts.prompt_key([("user", question.prompt)]): question.answer
        for family in FAMILIES
        for question in questions(Task(family, items=items))
    }


def children_of(pid: int) -> list[int]:
    """Return the processes whose ancestor is `pid`, by reading /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: list[int] = []
    wave = [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found
