"""`eval choose`: the cheapest candidate that is good enough, asked no more than it takes.

Performs what `campaigns.choosing` says: one engine is up at a time, and what each item came to
goes into a journal, from which an interrupted choice goes on. Each subject's folder holds a run as
`eval` leaves it. Not aware of terminals or statistics: text comes back as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import aa_row, anytime, foreseen
from steelyard.analysis import evaluation as scores
from steelyard.app.benches import benching
from steelyard.app.choosing import again, candidates, texts
from steelyard.app.choosing.again import Again, asked_again
from steelyard.app.choosing.asking import Ground, perform, records, replay
from steelyard.app.choosing.deal import deal
from steelyard.app.choosing.request import ChooseRequest
from steelyard.app.evals import comparing, going_on, rag_request, wording
from steelyard.app.evals.request import tasks_of
from steelyard.app.results.keeping import keeper
from steelyard.campaigns.choosing import REFERENCE, Choosing, Rules
from steelyard.domain.campaign import Gates
from steelyard.domain.choice import Choice, Looked, Rated
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.faults import Faults, faults_of
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, RunSpec
from steelyard.domain.summary import Verdict
from steelyard.platform import atomic, locks
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.store.journal import Journal

PLAN: Final = "choice.json"
RESULT: Final = "result.json"
JOURNAL: Final = "journal.jsonl"


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What is chosen among, by which rules: a folder that holds another one is not gone on with."""

    specs: Mapping[str, RunSpec]
    items: int
    margin: float
    every: bool
    fixed: bool
    seed: int


@final
@dataclass(frozen=True, slots=True)
class Chosen:
    """What to print, and how to exit: 1 where nothing qualifies, 3 where it was not finished."""

    found: Choice
    folder: Path

    @property
    def exit_code(self) -> int:
        """0 something qualifies, 1 nothing does, 3 the budget ended it before that was known."""
        if self.found.chosen is not None:
            return 0
        return 1 if self.found.complete else 3

    def text(self, *, as_json: bool) -> str:
        """Return the choice as a table or as JSON."""
        if as_json:
            return encode(self.found, indent=1)
        return texts.choice_text(self.found, self.folder)


def choose(request: ChooseRequest, emit: Emit) -> Chosen:
    """Ask until the cheapest candidate that is good enough is known."""
    request.check()
    for word in (request.eval.bench.subject, *request.candidates):
        benching.require_subject(request.of(word).bench)
    asked = wording.worded(tasks_of(request.eval, emit), request.eval.wording)
    tasks, _ = rag_request.settled(asked, request.eval.rag)
    dealt = deal(tasks, request.items, request.eval.bench.seed)
    _refuse_hopeless(request, len(dealt.items))
    folder = request.eval.out or benching.new_folder("choices", request.eval.bench.subject)
    _refuse_used(folder)
    targets = candidates.targets(request, dealt, folder, emit)
    items = len(dealt.items)
    gates = Gates(margin=request.margin)
    rules = Rules(items, gates, every=request.every, fixed=request.fixed)
    specs = {label or "reference": target.spec for label, target in targets.items()}
    plan = Plan(specs, items, request.margin, request.every, request.fixed, request.eval.bench.seed)
    _refuse_other(folder, plan)
    labels = [label for label in targets if label != REFERENCE]
    for notice in (texts.foresight(items, labels, request), *wording.notices(dealt.tasks)):
        emit(Noted(notice))
    if notice := texts.forms(dealt):
        emit(Noted(notice))
    executor = Executor(Verifier(), emit, proving=benching.proved)
    with locks.folder_lock(folder):
        atomic.write(folder / PLAN, encode(plan, indent=1).encode())
        with Journal(folder / JOURNAL) as journal, going_on.kept(folder):
            ground = Ground(
                request, emit, folder, dealt, targets, Choosing(labels, rules), journal, executor
            )
            if request.eval.began_ns is not None:
                ground.started_ns = request.eval.began_ns
            replay(ground)
            emit(PhaseStarted("choose", None, targets[REFERENCE].name))
            perform(ground)
            emit(PhaseEnded("choose", ground.spent_s))
            kept = records(ground)
            twin = asked_again(ground, kept.get(REFERENCE))
        found = _choice(ground, kept, twin)
        atomic.write(folder / RESULT, encode(found, indent=1).encode())
    with keeper(emit) as keep:
        for record in filter(None, (*kept.values(), twin.record)):
            keep(record)
        for record in kept.values():
            for advice in comparing.room_notices(record):
                emit(Noted(advice, warning=True))
    return Chosen(found, folder)


def _choice(ground: Ground, kept: Mapping[str, RunRecord], twin: Again) -> Choice:
    machine, request = ground.machine, ground.request
    labels = [label for label in ground.targets if label != REFERENCE]
    looked = tuple(_looked(ground, label, kept.get(label), twin.floor) for label in labels)
    return Choice(
        reference=ground.targets[REFERENCE].name,
        reference_run=kept[REFERENCE].id if REFERENCE in kept else "",
        chosen=machine.chosen,
        margin=request.margin,
        confidence=_confidence(ground),
        items=machine.rules.items,
        reference_items=machine.asked(REFERENCE),
        requests=sum(machine.asked(label) for label in ground.targets) + twin.items,
        planned=machine.rules.items * len(ground.targets),
        anytime=not request.fixed,
        complete=not any(one.ending in ("budget", "not_measured") for one in looked),
        simulated=any(record.simulated for record in kept.values()),
        tasks=tuple(task.section for task in ground.deal.tasks),
        candidates=looked,
        seconds=ground.spent_s,
        rated=_rated(kept.get(REFERENCE)),
        faults=_faults(kept, twin),
        floor=twin.floor,
        again_run="" if twin.record is None else twin.record.id,
        again_items=twin.items,
    )


def _confidence(ground: Ground) -> float:
    """Return what the intervals hold with: half of what is missing to one errs on either side."""
    gates = ground.machine.rules.gates
    return gates.confidence if ground.request.fixed else 1 - 2 * anytime.error(gates)


def _rated(record: RunRecord | None) -> Rated | None:
    """Return the share of right answers, of those that were asked, and its band."""
    if record is None:
        return None
    overall = scores.evaluate(record).overall
    return Rated(overall.marks.right_share, overall.band)


def _faults(kept: Mapping[str, RunRecord], twin: Again) -> dict[str, Faults]:
    found = {label or "reference": faults_of(record) for label, record in kept.items()}
    return found if twin.record is None else {**found, again.PLACE: faults_of(twin.record)}


def _looked(ground: Ground, label: str, record: RunRecord | None, floor: Reading[float]) -> Looked:
    verdict, target = ground.machine.verdict(label), ground.targets[label]
    size: Reading[int] = Missing("served", "a server of somebody else's holds it")
    if target.variant is not None:
        size = Measured(target.variant.artifact.size_bytes, "derived")
    return Looked(
        label=label,
        name=target.name,
        size_bytes=size,
        ending=ground.machine.ending(label),
        verdict=aa_row.named_all(verdict, floor),
        items=ground.machine.asked(label),
        run=record.id if record is not None else "",
        more_s=_more_s(ground, label),
        rated=_rated(record),
        visible=_visible(ground, verdict),
    )


def _visible(ground: Ground, found: Reading[Verdict]) -> Reading[float]:
    """Return the smallest loss that items which flip as often as these did call worse."""
    if isinstance(found, Missing):
        return found
    seen, gates = found.value, ground.machine.rules.gates
    if not seen.items:
        return Missing("no_items", "no item was run on both sides")
    flips = max(1, seen.flips_lost + seen.flips_won) / seen.items
    least = foreseen.worse_from(seen.items, flips, len(ground.targets) - 1, gates)
    return Measured(least, "estimated")


def _more_s(ground: Ground, label: str) -> Reading[float]:
    """Return how much longer it would take until an undecided one is decided."""
    match ground.machine.verdict(label):
        case Measured(value=verdict) if verdict.name == "undecided":
            pass
        case _:
            return Missing("not_undecided")
    each = ground.item_s.get(label)
    if isinstance(verdict.to_decide_items, Missing) or each is None:
        return Missing("unknown", "how many items it would take cannot be told")
    more = verdict.to_decide_items.value - ground.machine.asked(label)
    ahead = verdict.to_decide_items.value - ground.machine.asked(REFERENCE)
    reference_s = max(0, ahead) * ground.item_s.get(REFERENCE, each)
    return Measured(max(0, more) * each + reference_s, "estimated")


def _refuse_hopeless(request: ChooseRequest, items: int) -> None:
    """Raise `BadInput` for a margin that so few items cannot show, not even of equals."""
    gates = Gates(margin=request.margin)
    least = anytime.least_margin(items, len(request.candidates), gates)
    if least >= request.margin and not request.fixed:
        raise BadInput(
            f"{items:,} items, each of a cluster of its own, cannot show a loss below "
            f"{request.margin:.1%}: even if nothing flipped, {least:.1%} could be lost",
            hint="a larger --items-max or --margin, or fewer candidates",
        )


def _refuse_used(folder: Path) -> None:
    if (folder / RESULT).exists():
        ended = decode(Choice, (folder / RESULT).read_bytes(), source=str(folder / RESULT))
        if ended.complete:
            raise BadInput(f"{folder} holds a finished choice", hint="give another --out")
    elif not (folder / PLAN).exists() and any(folder.glob("*")):
        raise BadInput(f"{folder} is not empty", hint="give another --out, or leave it out")


def _refuse_other(folder: Path, plan: Plan) -> None:
    begun = folder / PLAN
    if begun.exists() and decode(Plan, begun.read_bytes(), source=str(begun)) != plan:
        raise BadInput(f"{folder} holds another choice, half finished", hint="give another --out")
