"""A judge for a file's answers: met before anything is asked, and started when all is answered.

It never runs beside the subject: that engine has ended by then, so no time that was measured holds
any of the judge's. Its own folder lies in the evaluation's, and what it has said is not asked
again. Not aware of terminals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, final

from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.benches.benching import Target
from steelyard.app.benches.request import BenchRequest
from steelyard.app.evals.room import CHARS_PER_TOKEN, LEAST_ANSWER, LEAST_CONTEXT
from steelyard.app.evals.texts import counted
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.judging import Judging
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.run import RunRecord, RunSpec
from steelyard.domain.task import Task
from steelyard.judging.case import ANSWER_TOKENS, REVISION, Matter
from steelyard.platform import atomic, clock
from steelyard.runs import judge_trial, judges
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.places import without_folders

FOLDER: Final = "judge"
SPEC: Final = "spec.json"
_JUDGE_TOKENS: Final = 3  # of a judge's, for each of the subject's, at the most
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """The options as typed, None for what was not."""

    judge: str | None = None
    judge_model: str | None = None
    judge_engine: str | None = None
    judge_key_env: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Appointed:
    """A judge that can be asked, and the longest silence of one request, in seconds."""

    target: Target
    timeout_s: float


def appointed(
    typed: JudgeRequest,
    tasks: Sequence[Task],
    subject: BenchRequest,
    streams: int,
    folder: Path,
    emit: Emit,
) -> Appointed | None:
    """Return the judge that was named, or None where no scorer asks one.

    Raises `BadInput` for a judge without answers, answers without a judge, one that cannot be found
    or reached, or another than the folder was begun with.
    """
    judged = [task for task in tasks if judges.scorers(task)]
    if not judged or typed.judge is None:
        _refuse(typed, judged)
        return None
    request = _bench(typed.judge, typed, subject, streams, _room(judged))
    mine = folder / FOLDER
    target = benching.target(
        request.subject, request, bench_asked.read(request), mine, emit, turn=0
    )
    spec = replace(
        target.spec,
        workloads=(),
        tasks=tuple(replace(task, samples=1) for task in judged),
        task_streams=streams,
    )
    _refuse_other(folder, mine / SPEC, spec)
    count = sum(len(judges.scorers(task)) for task in judged)
    told = counted(count, "answer")
    emit(Noted(f"{target.name} will judge up to {told}, once everything is answered"))
    return Appointed(replace(target, spec=spec), request.timeout)


def judged(record: RunRecord, who: Appointed, emit: Emit) -> RunRecord:
    """Return the record with its waiting answers judged; what the judge cannot do waits on."""
    record = judges.undone(record)
    waits = judges.waiting(record)
    if not waits:
        return record
    target, place = who.target, who.target.place
    atomic.write(place.folder / SPEC, encode(target.spec, indent=1).encode())
    executor = Executor(Verifier(), emit, proving=benching.proved)
    emit(PhaseStarted("run", sum(len(one.matters) for one in waits), f"judge {target.name}"))
    started_ns = clock.monotonic_ns()
    judging = Judging(
        judge=target.spec.subject,
        revision=REVISION,
        rubrics={one.task.section: one.scorer.rubric_sha256 for one in waits},
        bound="words",
        outcome="completed",
        pass_marks={
            one.task.section: one.scorer.pass_mark
            for one in waits
            if one.scorer.pass_mark is not None
        },
    )
    with target.open(executor) as session:
        if session.bench is not None:
            session.bench.stall_ns = round(who.timeout_s * _NS_PER_S)
            bound, trial = judge_trial.bound(session.bench)
            judging = replace(judging, bound=bound, trial=trial)
            for one in waits:
                session.judge(one.task, one.cases(bound))
    emit(PhaseEnded("run", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return _with(record, judging, session, target)


def _with(record: RunRecord, judging: Judging, session: Session, target: Target) -> RunRecord:
    found = session.found
    judging = replace(
        judging,
        outcome=found.outcome,
        reason=without_folders(found.reason, target.place),
        attempts={section.name: section.attempts for section in found.sections},
        build=found.build,
    )
    record = replace(record, judging=judging, simulated=record.simulated or session.simulated)
    return judges.with_scores(record, judges.unanswered(found.sections))


def _refuse(typed: JudgeRequest, judged: Sequence[Task]) -> None:
    """Raise `BadInput` where answers have no judge, or an option has nothing to say."""
    if judged and typed.judge is None:
        raise BadInput(
            f"the scorer of {judged[0].family} asks a judge, and none is named",
            hint="add --judge SUBJECT: a model file, a name or the address of a server",
        )
    for field in fields(typed):
        if getattr(typed, field.name) is not None:
            raise BadInput(
                f"--{field.name.replace('_', '-')} is for a --file whose scorer is `judge`",
                hint="leave it out, or write `scorer: {judge: {rubric: …}}` beside the file",
            )


def _refuse_other(folder: Path, begun: Path, spec: RunSpec) -> None:
    if begun.exists() and decode(RunSpec, begun.read_bytes(), source=str(begun)) != spec:
        raise BadInput(
            f"{folder} was begun with another judge, or with other settings of it",
            hint="give another --out, or name the judge that it was begun with",
        )


def _bench(
    who: str, typed: JudgeRequest, subject: BenchRequest, streams: int, tokens: int
) -> BenchRequest:
    """Return how the judge is reached or served: with room for all that it is shown."""
    encrypted = who.startswith("https:")
    request = BenchRequest(
        who,
        engine=typed.judge_engine,
        model=typed.judge_model,
        api_key_env=typed.judge_key_env,
        cacert=subject.cacert if encrypted else None,
        insecure=subject.insecure and encrypted,
        timeout=subject.timeout,
        seed=subject.seed,
        concurrency=str(streams),
    )
    if not bench_request.is_address(who):
        tokens = min(tokens, _trained(request) or tokens)
    return replace(request, prompts=f"synthetic:in={tokens},out=1")


def _trained(request: BenchRequest) -> int:
    """Return the most that a file's context leaves to ask for; 0 where it does not say."""
    from steelyard.app import subjects  # a server needs none of it

    subject = bench_request.with_engine(request.subject, request)
    chosen = subjects.choose(subject)
    context = chosen.files[0][1].context_tokens
    return max(1, benching.tokens_in(context) - LEAST_ANSWER) if context else 0


def _room(tasks: Sequence[Task]) -> int:
    """Bound the tokens of the longest case and its reply, for an answer as long as it may be."""
    longest = 0
    for task in tasks:
        for question, scorer in judges.scorers(task).values():
            matter = Matter(
                question.prompt, "", scorer.rubric, scorer.accepted, question.system
            ).messages(again=True)
            shown = sum(len(message.content) for message in matter) // CHARS_PER_TOKEN
            longest = max(longest, shown + _JUDGE_TOKENS * question.max_tokens)
    return max(LEAST_CONTEXT, longest + ANSWER_TOKENS)
