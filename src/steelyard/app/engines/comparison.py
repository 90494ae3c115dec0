"""`engines compare`: the same prompts at temperature 0 on several engines, and whether it is so.

First every engine is started once and asked what it makes of every prompt; where two differ, or one
cannot say, nothing is measured. Then each is run like any other run: items with marks, and a short
load for the speeds. Puts the rooms together; not aware of terminals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import sameness
from steelyard.analysis.clusters import clusters_of
from steelyard.analysis.marks import count
from steelyard.analysis.metrics.registry import METRICS
from steelyard.analysis.metrics.speeds import speeds
from steelyard.analysis.sameness import EngineComparison, EngineRow
from steelyard.app import calibrating, proving, subjects
from steelyard.app.benches import benching
from steelyard.app.results import history
from steelyard.app.results.files import Told
from steelyard.app.results.keeping import keeper
from steelyard.domain.caution import quality
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.ids import plain
from steelyard.domain.load import Closed
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, RunRecord, RunSpec, Section
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import GenerationRequest, Workload
from steelyard.engines.api import PromptFacts
from steelyard.engines.host import RunningEngine
from steelyard.llamalib.kernels import cores
from steelyard.models import disk, memory
from steelyard.platform import atomic, clock, locks
from steelyard.reports import sameness as report
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import default_threads, place_for
from steelyard.tasks.registry import family, generate

_FAMILIES: Final = ("reading", "formats", "logic", "math_words")
_CONTEXT: Final = 1024
_SPEED: Final = Synthetic(128, 64)
_SPEED_REQUESTS: Final = 12
_FILES_BYTES: Final = 16 * 1024 * 1024
_CONFIDENCE: Final = 0.95
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class CompareOrder:
    """What `engines compare` was asked for."""

    subjects: tuple[str, ...]
    prompts: int
    seed: int
    threads: int | None
    out: Path | None


@final
@dataclass(frozen=True, slots=True)
class _Side:
    """One subject: what is run, and where its bytes lie."""

    name: str
    spec: RunSpec
    variant: Variant
    path: Path

    def session(self, executor: Executor, folder: Path) -> AbstractContextManager[Session]:
        """Return the run, which begins when it is entered."""
        place = place_for(self.spec.subject, folder, {self.variant.artifact.sha256: self.path})
        return executor.session(self.spec, self.variant, place)


@final
@dataclass(frozen=True, slots=True)
class _Measured:
    """A run that has ended, and its answers as tokens by prompt."""

    record: RunRecord
    answers: Mapping[str, tuple[int, ...]]


def compare(order: CompareOrder, emit: Emit, *, as_json: bool) -> Told:
    """Compare engines; exit 1 where they do not get the same prompt."""
    sides = _sides(order, emit)
    folder = order.out or Path("benches") / f"engines-{clock.wall_time()[:19].replace(':', '')}"
    if any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")
    disk.require(folder, _FILES_BYTES, what="a comparison of engines")
    with locks.folder_lock(folder):
        found = _compared(order, sides, folder, emit)
        metrics = dict(METRICS)
        atomic.write(folder / "compare.json", json.dumps(plain(found), indent=1).encode())
        atomic.write(folder / "compare.md", report.markdown(found, metrics).encode())
    text = json.dumps(plain(found), indent=1) if as_json else report.text(found, metrics)
    failed = any(row.outcome != "completed" for row in found.engines)
    where = "" if as_json else f"\n\nAll files: {folder}/"
    return Told(text + where, 1 if found.refused else 3 if failed else 0)


def _compared(
    order: CompareOrder, sides: Sequence[_Side], folder: Path, emit: Emit
) -> EngineComparison:
    executor = Executor(Verifier(), emit)
    requests = _requests(sides[0].spec.tasks)
    shown = {}
    for number, side in enumerate(sides):
        emit(PhaseStarted("prompts", None, side.name))
        started_ns = clock.monotonic_ns()
        shown[side.name] = _shown(side, requests, executor, folder / "prompts" / str(number))
        emit(PhaseEnded("prompts", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    differs = sameness.differences({name: list(facts.values()) for name, facts in shown.items()})
    if differs:
        return EngineComparison(order.prompts, differs)
    executor = replace(executor, instrument=calibrating.instrument(emit), proving=proving.proved)
    measured = [
        _run(side, executor, folder / str(number), emit) for number, side in enumerate(sides)
    ]
    with keeper(emit) as keep:
        for each in measured:
            keep(each.record)
    rows = [
        _row(side.name, each, measured[0], shown[side.name])
        for side, each in zip(sides, measured, strict=True)
    ]
    return EngineComparison(order.prompts, (), tuple(rows))


def _sides(order: CompareOrder, emit: Emit) -> tuple[_Side, ...]:
    """Find every subject and its engine before anything is started."""
    if len(set(order.subjects)) < max(2, len(order.subjects)):
        raise BadInput(
            "a comparison takes two subjects or more, none of them twice",
            hint="for example bundled@llamacpp FOLDER@mlx",
        )
    tasks = _tasks(order.prompts, order.seed)
    found = []
    for subject in order.subjects:
        chosen = subjects.choose_one(subject)
        path, facts = chosen.files[0]
        if facts.context_tokens and facts.context_tokens < _CONTEXT:
            raise BadInput(
                f"{subject} was trained for {facts.context_tokens:,} tokens of context; the "
                f"prompts need {_CONTEXT:,}",
                hint="compare engines on a model with a longer context",
            )
        variant = subjects.verified(facts.quant, path, emit)
        runtime = benching.engine_runtime(chosen.engine, variant.artifact, None)
        profile = EngineProfile(context_tokens=_CONTEXT)
        memory.require(facts, profile, history=history.memory_here())
        spec = RunSpec(
            Subject(variant.artifact, chosen.engine, runtime, profile),
            Controls(seed=order.seed, threads=order.threads or default_threads(cores())),
            workloads=(_speed_load(),),
            tasks=tasks,
            campaign_seed=order.seed,
        )
        place_for(spec.subject, Path(), {variant.artifact.sha256: path})  # is the engine here?
        found.append(_Side(subject, spec, variant, path.absolute()))
    return tuple(found)


def _tasks(prompts: int, seed: int) -> tuple[Task, ...]:
    """Spread the prompts over the families, as evenly as they go."""
    shares = [prompts // len(_FAMILIES) + (at < prompts % len(_FAMILIES)) for at in range(4)]
    return tuple(
        Task(name, items=share, seed=seed, revision=family(name).revision)
        for name, share in zip(_FAMILIES, shares, strict=True)
        if share
    )


def _speed_load() -> Workload:
    return Workload(
        "bench",
        prompt_tokens=_SPEED.input_tokens,
        output_tokens=_SPEED.output_tokens,
        requests=_SPEED_REQUESTS,
        load=Closed(1),
        prompts=_SPEED,
    )


def _requests(tasks: Sequence[Task]) -> dict[str, GenerationRequest]:
    """Return the first question of every item, keyed as its answers are."""
    found = {}
    for task in tasks:
        for item in generate(task):
            ask = item.start()
            key = f"{task.section}/{item.id}"
            found[key] = GenerationRequest(ask.messages, max_tokens=ask.max_tokens, stream=False)
    return found


def _shown(
    side: _Side, requests: Mapping[str, GenerationRequest], executor: Executor, folder: Path
) -> dict[str, PromptFacts]:
    """Start the engine and have it show what it makes of every prompt."""
    facts: dict[str, PromptFacts] = {}
    with side.session(executor, folder) as session:
        engine = session.bench.engine if session.bench is not None else None
        if isinstance(engine, RunningEngine):
            facts = {key: engine.prompt_facts(request) for key, request in requests.items()}
    if len(facts) < len(requests):
        raise EngineError(
            f"{side.name} did not show its prompts: {session.found.reason or 'it is not up'}",
            hint=f"its log: {folder / 'engine.log'}",
        )
    return facts


def _run(side: _Side, executor: Executor, folder: Path, emit: Emit) -> _Measured:
    total = sum(w.requests for w in side.spec.workloads) + sum(t.items for t in side.spec.tasks)
    emit(PhaseStarted("run", total, side.name))
    answers: dict[str, tuple[int, ...]] = {}
    with side.session(executor, folder) as session:
        for workload in side.spec.workloads:
            session.measure(workload)
        for task in side.spec.tasks:
            session.judge(task)
        if session.bench is not None:
            answers = {
                # mlx-lm drops the space that an answer begins with; the words are what is compared.
                key: session.bench.engine.tokenise(attempt.text.lstrip(" "))
                for key, attempt in _attempts(session.found.sections).items()
            }
    record = executor.record(session)
    elapsed = record.elapsed_s.value if isinstance(record.elapsed_s, Measured) else 0.0
    emit(PhaseEnded("run", elapsed))
    return _Measured(record, answers)


def _attempts(sections: Sequence[Section]) -> dict[str, Attempt]:
    """Return the answers to the first question of each item."""
    return {
        f"{section.name}/{attempt.sample}": attempt
        for section in sections
        if section.kind == "task"
        for attempt in section.attempts
        if attempt.ask == 0 and isinstance(attempt.outcome, Completed)
    }


def _row(
    name: str, own: _Measured, first: _Measured, shown: Mapping[str, PromptFacts]
) -> EngineRow:
    record = own.record
    sections = [section for section in record.sections if section.kind == "task"]
    marks = {f"{s.name}/{item}": mark for s in sections for item, mark in s.marks.items()}
    clusters = clusters_of(sections)
    return EngineRow(
        name=name,
        engine=record.spec.subject.engine,
        build=record.environment.engine_build,
        run_id=record.id,
        outcome=record.outcome,
        reason=record.reason,
        marks=count(marks, clusters, _CONFIDENCE),
        speeds=speeds(record.sections),
        agrees=None if own is first else sameness.agreement(first.answers, own.answers),
        miscounted=_miscounted(record, shown),
        polluted=quality(record.cautions) == "POLLUTED",
    )


def _miscounted(record: RunRecord, shown: Mapping[str, PromptFacts]) -> int:
    """Count the prompts whose tokens the engine counted otherwise than it had rendered them."""
    off = 0
    for key, attempt in _attempts(record.sections).items():
        tokens = shown[key].tokens
        if isinstance(attempt.usage, Measured) and isinstance(tokens, Measured):
            off += attempt.usage.value.prompt_tokens != len(tokens.value)
    return off
