"""`eval`: tasks with known answers, asked of any subject that a bench takes.

The smallest loss that the items could show is told before anything is asked. A folder that holds
the same evaluation half finished is gone on with: no answered question is asked again. Not aware
of terminals: text comes back as text.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, final

from steelyard.analysis import evaluation as scores
from steelyard.analysis import unrun
from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.benching import Target
from steelyard.app.benches.request import BenchRequest
from steelyard.app.evals import (
    able,
    budgeted,
    cost,
    depths,
    going_on,
    judge,
    judge_texts,
    kinds,
    own_files,
    rag_request,
    rag_texts,
    room,
    suites,
    texts,
    wording,
)
from steelyard.app.evals.budgeted import Budget
from steelyard.app.evals.distinct import distinct, least_ruled_out
from steelyard.app.evals.judge import Appointed
from steelyard.app.evals.rehearsal import Rehearsal
from steelyard.app.evals.request import EvalRequest, refuse_repetition, sets_of, tasks_of
from steelyard.app.results import tables
from steelyard.app.results.forms import with_forms
from steelyard.app.results.keeping import keeper
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Evaluation
from steelyard.domain.judging import WITHOUT_A_MARK
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.run import RunRecord, RunSpec, Section
from steelyard.domain.task import Item, NotRun, Task
from steelyard.domain.workload import Sampling
from steelyard.models import disk
from steelyard.platform import atomic, clock, locks
from steelyard.runs import doubtful, embedding, judges
from steelyard.runs.embedding import Met
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.retrieval import Library
from steelyard.store.records import RECORD_NAME, read_record, write_record
from steelyard.tasks import registry

_NS_PER_S: Final = 1e9
_FILES_BYTES: Final = 16 * 1024 * 1024


@final
@dataclass(frozen=True, slots=True)
class Evaluated:
    """What to print, and how to exit: 3 where the tasks did not come to their end.

    `kinds` says how many items of each kind were right, `forms` how much the form of a prompt
    mattered, where that was asked; `answers` is where the answers to a file's questions lie.
    `unjudged` says that a judge has more to do.
    """

    found: Evaluation
    folder: Path
    kinds: str = ""
    forms: str = ""
    answers: Path | None = None
    unjudged: bool = False

    @property
    def exit_code(self) -> int:
        """0 all tasks were asked, or as much as a budget allowed; 3 over 1 % of it was not run."""
        marks = self.found.overall.marks
        asked = marks.right_share.n > 0 or bool(WITHOUT_A_MARK & marks.not_run_why.keys())
        asked = asked and not marks.not_run_why.keys() & doubtful.HOPELESS
        whole = self.found.outcome == "completed" and not self.unjudged
        return 0 if whole and asked and not unrun.too_many(marks) else 3

    def text(self, *, as_json: bool, by_level: bool = False) -> str:
        """Return the result as tables, with a row for each level as well, or as JSON."""
        if as_json:
            return encode(self.found, indent=1)
        where = f"Record: {self.folder / RECORD_NAME}"
        said = "" if self.answers is None else f"Answers: {self.answers}"
        parts = (
            texts.evaluation_text(self.found, by_level=by_level),
            judge_texts.judging_text(self.found),
            self.kinds,
            depths.text(self.found.lengths),
            rag_texts.retrieval_text(self.found.retrieval, self.found.beside_first),
            self.forms,
            said,
            going_on.missed(self.found.overall.marks, self.folder),
            where,
        )
        return "\n".join(filter(None, parts))


@final
@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is asked of what, where it goes, and what of a suite is left out, with the reason."""

    target: Target
    drawn: Mapping[Task, Sequence[Item]]
    left_out: Mapping[str, str]
    met: Met | None
    folder: Path
    judge: Appointed | None


def evaluate(request: EvalRequest, emit: Emit) -> Evaluated:
    """Ask every item of every task, or as many as the budget allows, and count what came back."""
    budget = _budget(request)
    ready = _prepared(request, budget, emit)
    budget = None if budget is None else budget.ready()
    record = None if request.series is None else _finished(ready.folder)
    if record is None:
        with locks.folder_lock(ready.folder):
            record = _record(request, ready, budget, emit)
        with keeper(emit) as keep:
            keep(record)
    return _counted(record, ready.drawn, ready.folder)


def _counted(record: RunRecord, drawn: Mapping[Task, Sequence[Item]], folder: Path) -> Evaluated:
    """Count what came back; write the answers to a file's questions down."""
    found = depths.with_lengths(scores.evaluate(record), record)
    found = with_forms(found, record)
    forms = wording.guard_text(record), tables.forms_text(record)
    told = kinds.counts_text(record, drawn), "\n".join(filter(None, forms))
    answers = own_files.write_answers(folder, record)
    return Evaluated(found, folder, *told, answers, unjudged=judges.unfinished(record))


def _drawn(tasks: Sequence[Task], budget: Budget | None) -> dict[Task, Sequence[Item]]:
    """Return the items of each task; raise `BadInput` where that alone takes all the time."""
    found: dict[Task, Sequence[Item]] = {}
    for task in tasks:
        found[task] = registry.generate(task)
        if budget is not None:
            budget.require()
    return found


def _prepared(request: EvalRequest, budget: Budget | None, emit: Emit) -> _Prepared:
    """Draw the items, meet or plan what answers them, and say what may be seen."""
    refuse_repetition(request)
    if request.out is not None:
        _refuse_used(request.out, request.series)  # before a file is read or a set fetched
    if sets_of(request):
        benching.require_subject(request.bench)
    asked = wording.worded(tasks_of(request, emit), request.wording)
    tasks, met = rag_request.settled(asked, request.rag)
    beyond: dict[Task, str] = {}
    if request.suite is not None:
        tasks, beyond = wording.fitting(tasks)
    drawn = _drawn(tasks, budget)
    if request.suite is None:
        able.require_here(tasks)
    else:
        drawn, longer = able.fitting(drawn, request.bench.subject)
        beyond |= longer
        if not drawn:
            raise BadInput("no family of the suite can be asked", hint="; ".join(beyond.values()))
    bench = _bench(request, drawn)
    folder = request.out or benching.new_folder("evals", bench.subject)
    _refuse_used(folder, request.series)
    appointed = _judge(request, tasks, bench, folder, emit)
    target, refused = _target(request, bench, drawn, folder, emit)
    drawn = {task: each for task, each in drawn.items() if task not in refused}
    left_out = able.by_family(beyond | refused, drawn)
    if request.suite is not None:
        left_out |= suites.without(request.suite, request.level)
    _refuse_other(folder, target.spec)
    if request.series is not None:
        _refuse_other(request.series, target.spec)
    for family, why in left_out.items():
        emit(Noted(f"{family} is not asked: {why}", warning=True))
    for notice in _foresight(request, drawn, target):
        emit(Noted(notice))
    if budget is not None:  # before an engine is started for nothing
        budget.require()
    return _Prepared(target, drawn, left_out, met, folder, appointed)


def _judge(
    request: EvalRequest, tasks: Sequence[Task], bench: BenchRequest, folder: Path, emit: Emit
) -> Appointed | None:
    """Meet the judge, where one is asked."""
    asked = request.judge, tasks, bench, request.streams, folder, emit
    if request.series is not None and any(map(judges.scorers, tasks)):
        raise BadInput(
            "`eval repeat` compares what was said, and asks no judge",
            hint="name a YAML file with another scorer with --columns",
        )
    if request.judge.judge is not None and request.budget is not None:
        raise BadInput(
            "--budget says how long the subject is asked, and a judge takes its time after that",
            hint="leave --budget out; --items says how many are asked and judged",
        )
    return judge.appointed(*asked)


def _record(request: EvalRequest, ready: _Prepared, budget: Budget | None, emit: Emit) -> RunRecord:
    """Ask, then have it judged; an interrupt leaves what was answered so far in the folder."""
    record = _unjudged(ready.folder) or _asked(request, ready, budget, emit)
    if ready.judge is not None and record.outcome == "completed":
        with going_on.kept(ready.folder):
            record = judge.judged(record, ready.judge, emit)
        write_record(ready.folder, record)
    return record


def _unjudged(folder: Path) -> RunRecord | None:
    """Return the record of an evaluation in which only the judge has more to do."""
    ended = read_record(folder) if (folder / RECORD_NAME).exists() else None
    if ended is None or ended.outcome != "completed" or not judges.may_go_on(ended):
        return None
    return None if _more_to_ask(ended) else ended


def _asked(request: EvalRequest, ready: _Prepared, budget: Budget | None, emit: Emit) -> RunRecord:
    """Ask, and return the record; the subject's engine has ended."""
    target, folder, stopped = ready.target, ready.folder, None
    drawn, left_out = ready.drawn, dict(ready.left_out)
    ends_ns = None if budget is None else budget.ends_ns(clock.monotonic_ns())
    executor = Executor(Verifier(), emit, proving=benching.proved, ends_ns=ends_ns)
    before = read_record(folder) if (folder / RECORD_NAME).exists() else None
    started_ns = clock.monotonic_ns()
    atomic.write(folder / going_on.SPEC, encode(target.spec, indent=1).encode())
    own_files.keep(folder, target.spec.tasks)
    count = sum(map(len, ready.drawn.values())) * request.samples
    emit(PhaseStarted("eval", count, target.name))
    with (
        going_on.kept(folder),
        _library(folder, ready.met) as library,
        target.open(executor) as session,
    ):
        session.library = library
        if session.bench is not None:
            session.bench.stall_ns = round(request.bench.timeout * _NS_PER_S)
            if request.suite is not None:
                drawn, barred = able.unbarred(session, drawn, emit)
                left_out |= barred
            if budget is not None:
                with Rehearsal(folder, partial(_counted, drawn=drawn)) as rehearsal:
                    stopped = budgeted.ask(
                        session, drawn, request.streams, budget, emit,
                        lambda: rehearsal.of(executor.made(session)),
                        None if before is None else budgeted.Before.of(before),
                    )  # fmt: skip
            else:
                for task in drawn:
                    session.judge(task)
    emit(PhaseEnded("eval", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    if library.refusal is not None:  # of the endpoint that embeds: nothing of the subject's
        raise library.refusal
    found = session.found
    if budget is not None and not found.sections and (stopped or budget.left_s <= 0):
        cut = 0 if stopped is None else stopped.cut
        raise budgeted.too_small(budget, going_on.hint(folder), begun=cut)
    if stopped is not None:
        if before is not None and _answered(found.sections) < _answered(before.sections):
            raise budgeted.not_taken_over(stopped, going_on.hint(folder))
        begun = {section.name for section in found.sections}
        left_out |= budgeted.unreached(stopped, tuple(drawn), begun)
    found.stopped, found.left_out = stopped, left_out
    return executor.record(session)


def _answered(sections: Iterable[Section]) -> int:
    """Return how many answers were marked."""
    marks = (mark for section in sections for mark in section.marks.values())
    return sum(not isinstance(mark.outcome, NotRun) for mark in marks)


def _bench(request: EvalRequest, drawn: Mapping[Task, Sequence[Item]]) -> BenchRequest:
    """Return how the subject is reached or served: with room for the longest of the items."""
    counted = not bench_request.is_address(request.bench.subject)
    context = max(
        room.context(each, task.thinking) + rag_request.room_tokens(task, counted=counted)
        for task, each in drawn.items()
    )
    return replace(
        request.bench,
        prompts=f"synthetic:in={context},out=1",
        concurrency=str(request.streams),
        shorter=room.hint(tuple(drawn)),
    )


def _target(
    request: EvalRequest,
    bench: BenchRequest,
    drawn: Mapping[Task, Sequence[Item]],
    folder: Path,
    emit: Emit,
) -> tuple[Target, dict[Task, str]]:
    """Return the subject with the tasks to be asked, and which of a suite it cannot take, and why.

    Raises `BadInput` where it cannot take what was named.
    """
    target = benching.target(bench.subject, bench, bench_asked.read(bench), folder, emit, 0)
    if request.suite is None:
        refused: dict[Task, str] = {}
        items = [item for each in drawn.values() for item in each]
        able.require(target, items, tuple(drawn))
    else:
        refused = able.refused(target, drawn)
    tasks = tuple(task for task in drawn if task not in refused)
    if not tasks:
        raise BadInput("no family of the suite can be asked", hint="; ".join(refused.values()))
    spec = replace(
        target.spec,
        controls=replace(target.spec.controls, sampling=Sampling(request.temperature)),
        workloads=(),
        tasks=tasks,
        task_streams=request.streams,
    )
    return replace(target, spec=spec), refused


def _foresight(
    request: EvalRequest, drawn: Mapping[Task, Sequence[Item]], target: Target
) -> Iterator[str]:
    """Say what so many items can show, and what long ones cost."""
    items = [item for each in drawn.values() for item in each]
    different = distinct(drawn)
    if not different.items and request.judge.judge is None:
        yield texts.unscored(len(items))
    elif not different.items:
        yield texts.only_scored(len(items))
    elif request.budget is not None:
        threads = target.spec.controls.threads
        count = len(items) * request.samples
        yield budgeted.foresight(
            request.budget,
            count,
            target.variant,
            threads,
            thinking=request.thinking,
            different=different,
        )
    elif request.series is None:
        yield texts.foresight(different)
        if few := texts.too_few(least_ruled_out(drawn)):
            yield few
    yield from room.notices(items, request.streams)
    yield from cost.notices(drawn, target)
    yield from wording.notices(tuple(drawn))


def _budget(request: EvalRequest) -> Budget | None:
    if request.budget is None:
        return None
    budgeted.require_enough(request.budget)
    now_ns = clock.monotonic_ns()
    began_ns = now_ns if request.began_ns is None else request.began_ns
    slow = max(1.0, (now_ns - began_ns) / _NS_PER_S / max(time.process_time(), 1e-3))
    return Budget(request.budget, lambda: (clock.monotonic_ns() - began_ns) / _NS_PER_S, slow=slow)


@contextmanager
def _library(folder: Path, met: Met | None) -> Iterator[Library]:
    """Give what finds passages, with an embedder where an endpoint was met."""
    if met is None:
        yield Library(folder)
        return
    with embedding.opened(met) as embed:
        yield Library(folder, embed)


def _finished(folder: Path) -> RunRecord | None:
    """Return the record of an evaluation that came to its end."""
    ended = read_record(folder) if (folder / RECORD_NAME).exists() else None
    if ended is None or ended.outcome != "completed" or _goes_on(ended):
        return None
    return ended


def _goes_on(record: RunRecord) -> bool:
    """Say whether there is more to ask, or to judge."""
    return _more_to_ask(record) or judges.may_go_on(record)


def _more_to_ask(record: RunRecord) -> bool:
    """Say whether the asking was stopped, or items were not run for reasons that may pass."""
    return record.stopped is not None or bool(unrun.passing(unrun.not_run(record.sections)))


def _refuse_used(folder: Path, series: Path | None) -> None:
    """Raise `BadInput` for a folder that cannot be written to or holds something else.

    That may be a finished evaluation.
    """
    disk.require(folder, _FILES_BYTES, what="an evaluation")
    if series is None and _finished(folder) is not None:
        raise BadInput(f"{folder} holds a finished evaluation", hint="give another --out")
    if not (folder / going_on.SPEC).exists() and any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")


def _refuse_other(folder: Path, spec: RunSpec) -> None:
    """Raise `BadInput` for a folder that holds another evaluation, half finished."""
    begun = folder / going_on.SPEC
    if not begun.exists():
        return
    other = decode(RunSpec, begun.read_bytes(), source=str(begun))
    before = {task.section: task.source for task in other.tasks}
    for task in spec.tasks:
        held = before.get(task.section)
        if task.source is not None and held is not None and held != task.source:
            raise BadInput(
                f"{task.source.name} is not what {folder} was begun with: its rows, columns or "
                "scorer have changed",
                hint="give another --out, or put the file back as it was",
            )
    if other != spec:
        raise BadInput(
            f"{folder} holds another evaluation: other items, settings or subject",
            hint="give another --out",
        )
