"""The asking of a choice: visit the subjects as its machine says, and keep what they answered.

One engine is up at a time. What each item came to goes into a journal, from which an interrupted
choice goes on, and each visit leaves the record of all that its subject was asked so far. Not aware
of what is decided.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast, final

from steelyard.app.benches.benching import Target
from steelyard.app.choosing.deal import Deal
from steelyard.app.choosing.request import ChooseRequest
from steelyard.app.evals import budgeted
from steelyard.app.evals.budgeted import Budget
from steelyard.campaigns.choosing import REFERENCE, Ask, Choosing
from steelyard.domain.errors import EngineError, TimeOver
from steelyard.domain.progress import Advanced, Emit, Noted
from steelyard.domain.run import RunRecord, Section, Stopped
from steelyard.domain.task import Mark, NotRun, Right, item_of
from steelyard.platform import clock
from steelyard.runs.execute import Executor, Session
from steelyard.store.journal import Journal
from steelyard.store.records import RECORD_NAME, read_record, write_record

_NS_PER_S: Final = 1e9


@final
@dataclass(slots=True)
class Ground:
    """One choice under way: its subjects, its machine and its clock."""

    request: ChooseRequest
    emit: Emit
    folder: Path
    deal: Deal
    targets: dict[str, Target]
    machine: Choosing
    journal: Journal
    executor: Executor
    started_ns: int = field(default_factory=clock.monotonic_ns)
    earlier_s: float = 0.0
    item_s: dict[str, float] = field(default_factory=dict)

    @property
    def spent_s(self) -> float:
        """Seconds since it began, over all sessions."""
        return self.earlier_s + (clock.monotonic_ns() - self.started_ns) / _NS_PER_S

    @property
    def budget(self) -> Budget | None:
        """What is left of the time, where one was given."""
        seconds = self.request.budget
        return None if seconds is None else budgeted.of_a_choice(seconds, lambda: self.spent_s)

    def place(self, label: str) -> Path:
        """Return the folder of one subject's run."""
        return self.folder / (label or "reference")


def perform(ground: Ground) -> None:
    """Visit one subject after the other, as the machine says."""
    if (within := ground.budget) is not None:
        ends_ns = within.ends_ns(clock.monotonic_ns())
        ground.executor = replace(ground.executor, ends_ns=ends_ns)
    while (ask := ground.machine.next()) is not None:
        if in_time(ground, ask) is None:
            ground.machine.close()
            return
        _visit(ground, ask.label)


def _visit(ground: Ground, label: str) -> None:
    """Bring a subject up, ask as long as it is its turn, and write its record."""
    target = ground.targets[label]
    with target.open(ground.executor) as session:
        if session.bench is not None:
            session.bench.stall_ns = round(ground.request.eval.bench.timeout * _NS_PER_S)
            with suppress(TimeOver):  # the part that it broke off counts as not asked
                _again(ground, session, label)
                while (ask := ground.machine.next()) is not None and ask.label == label:
                    part = in_time(ground, ask)
                    if part is None:
                        break
                    _asked(ground, session, part)
    if session.found.outcome != "completed" and (within := ground.budget) and within.left_s <= 0:
        return  # an engine that was not up in time has not failed
    record = _written(ground, session, label)
    if record.outcome == "completed":
        return
    if label == REFERENCE:
        raise EngineError(
            f"the reference could not be asked: {record.reason}",
            hint="nothing can be chosen without it; what was asked is kept",
        )
    ground.emit(Noted(f"{label} is left out: {record.reason}", warning=True))
    ground.machine.drop(label, record.reason)


def _again(ground: Ground, session: Session, label: str) -> None:
    """Take over what an earlier visit was answered, so that the record holds all of it."""
    for task, items in ground.deal.part(0, ground.machine.asked(label)):
        session.judge(task, items)


def _asked(ground: Ground, session: Session, ask: Ask) -> None:
    """Ask some items, write down what they came to, and tell the machine."""
    began_ns = clock.monotonic_ns()
    marks: dict[str, Mark] = {}
    for task, items in ground.deal.part(ask.start, ask.stop):
        section = session.judge(task, items)
        marks |= {f"{task.section}/{item}": mark for item, mark in section.marks.items()}
    seconds = (clock.monotonic_ns() - began_ns) / _NS_PER_S
    known = [
        _known(marks[f"{ground.deal.tasks[dealt.task].section}/{dealt.item.id}"])
        for dealt in ground.deal.items[ask.start : ask.stop]
    ]
    ground.item_s[ask.label] = seconds / len(known)
    ground.journal.append(
        {
            "label": ask.label,
            "start": ask.start,
            "known": known,
            "seconds": seconds,
            "spent_s": ground.spent_s,
        }
    )
    ground.machine.take(ask.label, known)
    asked = ground.machine.asked(ask.label)
    ground.emit(Advanced("choose", asked, f"items, {ask.label or 'reference'}"))


def _known(mark: Mark) -> bool | None:
    return None if isinstance(mark.outcome, NotRun) else isinstance(mark.outcome, Right)


def in_time(ground: Ground, ask: Ask) -> Ask | None:
    """Return as many of these items as there is time for; None where it is over."""
    within = ground.budget
    if within is None:
        return ask
    pace = ground.item_s.get(ask.label)
    count = budgeted.allowed(within, pace, ground.request.eval.streams)
    return replace(ask, stop=min(ask.stop, ask.start + count)) if count else None


def replay(ground: Ground) -> None:
    """Tell the machine what the journal holds of earlier sessions."""
    for event in ground.journal.events:
        known = cast("list[bool | None]", event["known"])
        label = str(event["label"])
        ground.machine.take(label, known)
        ground.item_s[label] = float(cast("float", event["seconds"])) / len(known)
        ground.earlier_s = float(cast("float", event["spent_s"]))


def only_asked(record: RunRecord, deal: Deal, count: int) -> RunRecord:
    """Return the record with what belongs to the first `count` items of the deal, and no more.

    A part of a choice holds several tasks. Of one that was broken off, those that came first were
    answered whole, and count as little as the others.
    """
    counted = {(deal.tasks[one.task].section, one.item.id) for one in deal.items[:count]}
    return replace(
        record,
        sections=tuple(
            _only(section, {item for name, item in counted if name == section.name})
            for section in record.sections
            if section.name in {name for name, _ in counted}
        ),
    )


def _only(section: Section, items: Collection[str]) -> Section:
    found = section.retrieval
    return replace(
        section,
        retrieval=None
        if found is None
        else replace(
            found,
            items={key: each for key, each in found.items.items() if key in items},
            failed={key: why for key, why in found.failed.items() if key in items},
        ),
        attempts=tuple(a for a in section.attempts if item_of(a.sample) in items),
        marks={key: mark for key, mark in section.marks.items() if item_of(key) in items},
        clusters={key: each for key, each in section.clusters.items() if item_of(key) in items},
    )


def _written(ground: Ground, session: Session, label: str) -> RunRecord:
    record = ground.executor.made(session)
    asked, planned = ground.machine.asked(label), ground.machine.rules.items
    record = only_asked(record, ground.deal, asked)
    if asked < planned and record.outcome == "completed":
        looked = not ground.request.fixed
        why = "the choice asked no more of it" if looked else "the budget was spent"
        record = replace(record, stopped=Stopped(asked, planned, why, looked))
    write_record(ground.place(label), record)
    return record


def records(ground: Ground) -> dict[str, RunRecord]:
    """Return the last record of every subject that was asked anything."""
    found: dict[str, RunRecord] = {}
    for label in ground.targets:
        place = ground.place(label)
        if not ground.machine.asked(label):
            continue
        if not (place / RECORD_NAME).exists() or _short(ground, label):
            # What it takes to read back what was answered is no asking, and is not broken off.
            with ground.targets[label].open(replace(ground.executor, ends_ns=None)) as session:
                if session.bench is not None:
                    _again(ground, session, label)
            _written(ground, session, label)
        found[label] = read_record(place)
    return found


def _short(ground: Ground, label: str) -> bool:
    """Say whether the record is older than the journal: a session ended without one."""
    record = read_record(ground.place(label))
    return sum(len(section.marks) for section in record.sections) < ground.machine.asked(label)
