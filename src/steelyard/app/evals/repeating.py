"""`eval repeat`: the same items with the same seeds, asked several times, and what stayed the same.

Each time is an evaluation of its own, `OUT/1`, `OUT/2` and so on: an engine of ours is started anew
for it, a server that runs already is asked again. A finished one is not asked again. Not aware of
terminals: text comes back as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import determinism
from steelyard.app.benches import benching
from steelyard.app.benches import request as bench_request
from steelyard.app.evals import comparing, evaluating, going_on, harnessed
from steelyard.app.evals.request import EvalRequest
from steelyard.app.evals.texts import SIMULATED, counted, interval, percent, table
from steelyard.app.stores.stored_texts import shown
from steelyard.domain.codec import encode
from steelyard.domain.determinism import Determinism, Parting, Sameness
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.progress import Emit, Noted, Progress
from steelyard.store.records import read_record

ITEMS: Final = 10


@final
@dataclass(frozen=True, slots=True)
class RepeatRequest:
    """What was typed: what is asked, how many times, and how many differing items are shown."""

    asked: EvalRequest
    times: int
    show: int


@final
@dataclass(frozen=True, slots=True)
class Repeated:
    """What to print, and how to exit: 3 where no item was run in every repeat."""

    found: Determinism
    folder: Path
    show: int

    @property
    def exit_code(self) -> int:
        """0 items were compared, 3 none could be."""
        return 0 if self.found.overall.texts.n else 3

    def text(self, *, as_json: bool) -> str:
        """Return the shares as a table with the items that differ, or everything as JSON."""
        if as_json:
            return encode(self.found, indent=1)
        return "\n".join((*_text(self.found, self.show), f"Records: {self.folder}"))


def repeat(request: RepeatRequest, emit: Emit) -> Repeated:
    """Ask everything so many times, and compare the texts and the marks item by item."""
    if harnessed.named(request.asked.tasks):
        raise BadInput(
            "a harness of somebody else's asks its own way: its items cannot be repeated here",
            hint="name families that `steelyard tasks list` shows",
        )
    asked = _sized(request.asked)
    subject = asked.bench.subject
    folder = asked.out or benching.new_folder("repeats", subject)
    _refuse_used(folder)
    first = folder / "1"
    records = []
    for number in range(1, request.times + 1):
        part = replace(asked, out=folder / str(number), series=first)
        with going_on.kept(folder):
            evaluating.evaluate(part, _announced(f"repeat {number} of {request.times}", emit))
        record = read_record(folder / str(number))
        if record.outcome != "completed":
            raise EngineError(
                f"repeat {number} of {request.times} {record.outcome}: {record.reason}",
                hint=going_on.hint(folder),
            )
        records.append(record)
        for advice in comparing.room_notices(record):
            emit(Noted(advice, warning=True))
    anew = not bench_request.is_address(subject)
    return Repeated(determinism.determinism(records, anew=anew), folder, request.show)


def _announced(words: str, emit: Emit) -> Emit:
    """Return an emitter that says these words before its first event, or never."""
    said = False

    def forward(event: Progress) -> None:
        nonlocal said
        if not said:
            said = True
            emit(Noted(words))
        emit(event)

    return forward


def _sized(asked: EvalRequest) -> EvalRequest:
    """Return it with the usual number of items; a file or a set alone is asked whole."""
    whole = not asked.tasks and (asked.file is not None or asked.sets)
    return asked if asked.items or whole else replace(asked, items=ITEMS)


def _refuse_used(folder: Path) -> None:
    """Raise `BadInput` for a folder that holds anything but repeats."""
    held = folder.glob("*") if folder.is_dir() else [folder] if folder.exists() else []
    if any(not (one.is_dir() and one.name.isdecimal()) for one in held):
        raise BadInput(f"{folder} holds something else", hint="give another --out")


def _text(found: Determinism, show: int) -> Iterator[str]:
    if found.simulated:
        yield SIMULATED
    how = "started anew each time" if found.anew else "the same server asked again"
    yield (
        f"{found.model} on {found.engine}, {len(found.runs)} times: {how}, seed {found.seed}, "
        f"temperature {found.temperature:g}, {found.streams} at a time"
    )
    heads = ("task", "items", "same text", "95 %", "same mark", "95 %", "left out", "parts at")
    rows = [*found.tasks, *([found.overall] if len(found.tasks) > 1 else [])]
    yield table([(*heads, "earliest", ""), *map(_row, rows)])
    if found.overall.left_out:
        yield (
            f"{counted(found.overall.left_out)} left out: not run in every repeat "
            "(the records say why)"
        )
    for one in found.partings[:show]:
        yield from _parting(one)
    if (more := len(found.partings) - show) > 0:
        told = counted(more, "more difference")
        yield f"  {told}: --show lists so many, --json all of them"


def _row(one: Sameness) -> tuple[str, ...]:
    return (
        one.task,
        str(one.texts.n),
        percent(one.texts.value),
        interval(one.texts),
        percent(one.marks.value),
        interval(one.marks),
        str(one.left_out),
        percent(one.parts_at),
        percent(one.earliest),
        "",
    )


def _parting(one: Parting) -> Iterator[str]:
    """Show either text around the first difference, on a line each."""
    marks = ", ".join(one.marks) if len(set(one.marks)) > 1 else f"{one.marks[0]} each time"
    yield f"  {one.task} {one.item}: {marks}; parts at character {one.at} ({one.share:.1%})"
    for number, text in zip(one.repeats, one.texts, strict=True):
        yield f"    {number}: {shown(text)}" if text else f"    {number}: (nothing)"
