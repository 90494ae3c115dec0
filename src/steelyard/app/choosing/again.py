"""The A/A row of a choice: the reference once more, on the first items that it was asked.

It comes after the candidates and decides nothing of what is asked: it tells how far the reference
lies from itself. A run of its own, so an interrupted one goes on. Not aware of verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.analysis.verdict import Marked, floor
from steelyard.app.choosing.asking import Ground, in_time, only_asked
from steelyard.campaigns.choosing import LOOK, REFERENCE, Ask
from steelyard.domain.errors import TimeOver
from steelyard.domain.progress import Advanced, Noted
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import RunRecord, Stopped
from steelyard.domain.task import Mark
from steelyard.platform import clock
from steelyard.store.records import write_record

ITEMS: Final = 200
PLACE: Final = "again"
_NS_PER_S: Final = 1e9
_NO_TIME: Final = Missing("no_aa_row", "the budget was spent before it")


@final
@dataclass(frozen=True, slots=True)
class Again:
    """What it came to: `items` were asked, and a loss up to `floor` is none that is shown."""

    floor: Reading[float]
    items: int = 0
    record: RunRecord | None = None


def asked_again(ground: Ground, reference: RunRecord | None) -> Again:
    """Ask the reference once more, as far as there is time, and set it beside itself."""
    count = min(ITEMS, ground.machine.asked(REFERENCE))
    if not ground.request.aa:
        return Again(Missing("no_aa_row", "--no-aa left it out"))
    if reference is None or not count:
        return Again(Missing("no_aa_row", "the reference was asked nothing"))
    if in_time(ground, Ask(REFERENCE, 0, min(LOOK, count))) is None:  # before an engine is started
        return Again(_NO_TIME)
    record, items = _asked(ground, count)
    if record.outcome != "completed":
        ground.emit(Noted(f"no A/A row: {record.reason}", warning=True))
        return Again(Missing("no_aa_row", record.reason), items, record)
    if not items:
        return Again(_NO_TIME)
    twin = _marked(record)
    first = Marked({k: m for k, m in _marked(reference).marks.items() if k in twin.marks})
    return Again(floor(first, twin, ground.machine.rules.gates), items, record)


def _asked(ground: Ground, count: int) -> tuple[RunRecord, int]:
    whole = ground.targets[REFERENCE]
    place = replace(whole.place, folder=ground.folder / PLACE)
    target = replace(whole, place=place, spec=replace(whole.spec, replica=1))
    done = 0
    with target.open(ground.executor) as session:
        if session.bench is not None:
            session.bench.stall_ns = round(ground.request.eval.bench.timeout * _NS_PER_S)
            with suppress(TimeOver):  # the part that it broke off counts as not asked
                while done < count:
                    ask = in_time(ground, Ask(REFERENCE, done, min(done + LOOK, count)))
                    if ask is None:
                        break
                    began_ns = clock.monotonic_ns()
                    for task, items in ground.deal.part(ask.start, ask.stop):
                        session.judge(task, items)
                    done = ask.stop
                    spent_s = (clock.monotonic_ns() - began_ns) / _NS_PER_S
                    ground.item_s[REFERENCE] = spent_s / (ask.stop - ask.start)
                    ground.emit(Advanced("choose", done, "items, the reference again"))
    record = only_asked(ground.executor.made(session), ground.deal, done)
    if record.outcome == "completed":
        why = "an A/A row asks no more"
        record = replace(record, stopped=Stopped(done, ground.machine.rules.items, why, False))
    write_record(place.folder, record)
    return record, done


def _marked(record: RunRecord) -> Marked:
    """Return all marks; each item of a deal is a cluster of its own."""
    marks: Mapping[str, Mark] = {
        f"{section.name}/{item}": mark
        for section in record.sections
        if section.kind == "task"
        for item, mark in section.marks.items()
    }
    return Marked(marks)
