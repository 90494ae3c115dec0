"""What an evaluation is asked to do: the options as typed, and the tasks that they name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from steelyard.app.benches.request import BenchRequest
from steelyard.app.evals import (
    own_files,
    standard_sets,
    suites,
)
from steelyard.app.evals.judge import JudgeRequest
from steelyard.app.evals.rag_request import RagRequest
from steelyard.app.evals.wording import Wording
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit
from steelyard.domain.task import Task
from steelyard.tasks import registry

ITEMS: Final = 100


@final
@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What was typed. `bench` holds the subject and all that says how it is reached or served.

    `items` is None where nobody said how many: the usual number, and of a file every row.
    `series` is the folder of the first of several that ask the same: what another one there asked
    is refused, and one that is finished is read again instead of being refused. `began_ns` is the
    moment from which a `budget` counts: None is when it is performed.
    """

    bench: BenchRequest
    tasks: tuple[str, ...]
    items: int | None
    level: int | None
    streams: int
    private_seed: str | None
    out: Path | None
    rag: RagRequest = field(default_factory=RagRequest)
    budget: float | None = None
    file: Path | None = None
    sets: tuple[str, ...] = ()
    columns: Path | None = None
    samples: int = 1
    temperature: float = 0.0
    suite: str | None = None
    series: Path | None = None
    judge: JudgeRequest = field(default_factory=JudgeRequest)
    thinking: int = 0
    wording: Wording = field(default_factory=Wording)
    began_ns: int | None = None


def tasks_of(request: EvalRequest, emit: Emit) -> tuple[Task, ...]:
    """Return what is asked: the file and the sets, if any were named, and the families."""
    if request.file is None and request.columns is not None:
        raise BadInput("--columns says what is in a --file", hint="name the file too")
    words = tuple(word for word in request.tasks if not word.startswith(standard_sets.MARK))
    sets = sets_of(request)
    if request.suite is not None:
        if request.tasks or request.sets or request.file is not None:
            raise BadInput("--suite says what is asked", hint="leave --tasks, --set and --file out")
        words = suites.words(request.suite, request.level)
    generated = bool(words) or (request.file is None and not sets)
    if not generated and (request.level is not None or request.private_seed is not None):
        raise BadInput(
            "a file or set has neither levels nor a private seed",
            hint="leave --level, --private and --private-seed out",
        )
    found = _families(replace(request, tasks=words)) if generated else ()
    wholes = [standard_sets.task(name, emit) for name in dict.fromkeys(sets)]
    if request.file is not None:
        wholes.insert(0, own_files.task(request.file, request.columns, emit))
    seed = request.bench.seed
    some = (own_files.some(whole, request.items, seed) for whole in wholes)
    given = (replace(task, samples=request.samples, thinking=request.thinking) for task in some)
    return (*given, *found)


def sets_of(request: EvalRequest) -> tuple[str, ...]:
    """Return the standard sets that are named, in either way."""
    mark = standard_sets.MARK
    words = (word.removeprefix(mark) for word in request.tasks if word.startswith(mark))
    return (*request.sets, *words)


def _families(request: EvalRequest) -> tuple[Task, ...]:
    """Read NAME[:LEVEL] words; each task is refused here if it cannot be made."""
    found: list[Task] = []
    for word in request.tasks or registry.FAMILIES:
        name, _, level = word.partition(":")
        source = registry.family(name)
        if level and not level.isdecimal():
            raise BadInput(f"{word!r} is no task", hint="write NAME or NAME:LEVEL, e.g. logic:2")
        task = Task(
            name,
            level=int(level) if level else request.level or source.levels[0],
            items=request.items or suites.size(request.suite, word) or ITEMS,
            seed=request.bench.seed,
            revision=source.revision,
            private_seed=request.private_seed,
            samples=request.samples,
            thinking=request.thinking,
        )
        if any((task.family, task.level) == (t.family, t.level) for t in found):
            raise BadInput(f"{name} at level {task.level} was named twice")
        found.append(task)
    return tuple(found)


def refuse_repetition(request: EvalRequest) -> None:
    """Raise `BadInput` for samples that could not but be the same."""
    if request.samples > 1 and not request.temperature:
        raise BadInput(
            f"{request.samples} samples of an item at temperature 0 are the same answer again",
            hint="add --temperature 0.8, or leave --samples out",
        )
