"""A bench in front of the scripted engine, opened as often as a test needs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.domain.progress import Progress
from steelyard.domain.run import Controls, Place, RunSpec
from steelyard.domain.stream import Exchange
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload
from steelyard.engines import api, host
from steelyard.loadgen import spool
from steelyard.loadgen.client import Client
from steelyard.runs.bench import Bench, Key
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import questions

FAST = {"ttft_s": 0.002, "gap_s": 0.0005}
SUBJECT = Subject(
    Artifact("m.gguf", "gguf", "ab" * 32), "scripted", "scripted", EngineProfile(slots=2)
)


def spec_of(*work: Workload | Task, streams: int = 2, warmup: int = 1) -> RunSpec:
    """Return a spec with this work."""
    return RunSpec(
        SUBJECT,
        Controls(warmup=warmup),
        workloads=tuple(one for one in work if isinstance(one, Workload)),
        tasks=tuple(one for one in work if isinstance(one, Task)),
        task_streams=streams,
    )


@contextmanager
def bench(
    folder: Path,
    plan: Plan,
    spec: RunSpec,
    known: list[Exchange] | None = None,
    stall_s: float = 60.0,
) -> Iterator[Bench]:
    """Open a session of a run; `known` stands in for what the spool holds of earlier ones."""
    model = folder / "m.gguf"
    model.write_bytes(b"a stand-in")
    file = scripts.write(plan, folder / "plan.json")
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(file))
    place = Place(program, {SUBJECT.artifact.sha256: model}, folder)
    earlier = sent(folder) if known is None else known
    told: list[Progress] = []
    with (
        host.start(api.dialect("scripted"), SUBJECT, spec.controls, place) as engine,
        Client(engine.host, engine.port, folder / "spool.bin") as client,
    ):
        opened = Bench(spec, engine.dialect, engine, client, told.append)
        opened.stall_ns = int(stall_s * 1e9)
        opened.remember(earlier)
        yield opened


def sent(folder: Path) -> list[Exchange]:
    """Return every exchange that the run's spool holds."""
    path = folder / "spool.bin"
    return list(spool.read(path)) if path.exists() else []


def keys(folder: Path) -> list[Key]:
    """Return where each exchange of the spool belongs."""
    return [Key.read(exchange.id) for exchange in sent(folder)]


def key_of(prompt: str) -> str:
    """Return the script's key of a single question."""
    return scripts.prompt_key([("user", prompt)])


def answers(task: Task) -> dict[str, str]:
    """Return the right answer of every item of a task, as the script wants it."""
    return {key_of(question.prompt): question.answer for question in questions(task)}
