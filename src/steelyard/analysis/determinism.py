"""Do repeats of the same items with the same seeds give the same texts and the same marks? Pure.

The text of an item is all that the model said to it: thinking, answer and tools called, question
by question. Ids of calls are left out, since servers draw them. An item that was not run in one of
the repeats says nothing of any; one without a known answer has a text and no mark. Intervals:
clustered Wilson, `stats.proportions`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, final

from steelyard.analysis.clusters import cluster_key
from steelyard.domain.determinism import Determinism, Parting, Sameness
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, NotRun
from steelyard.stats.proportions import share_estimate

OVERALL: Final = "overall"
_BEFORE: Final = 24  # characters shown in front of a difference, and from it on
_AFTER: Final = 36
_UNKNOWN: Final = "no_known_answer"
_ALIKE: Final = Missing("not_applicable", "no text differs")


@final
@dataclass(frozen=True, slots=True)
class _Item:
    """What every repeat made of one item."""

    task: str
    id: str
    cluster: str
    texts: tuple[str, ...]
    marks: tuple[Mark, ...]

    @property
    def same_text(self) -> bool:
        return len(set(self.texts)) == 1

    @property
    def same_mark(self) -> bool:
        return all(mark.outcome == self.marks[0].outcome for mark in self.marks)


def determinism(records: Sequence[RunRecord], *, anew: bool) -> Determinism:
    """Compare repeats of one spec, in the order in which they were asked.

    Raises `ValueError` for fewer than two, or for repeats of different specs.
    """
    if len(records) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise ValueError("one repeat has nothing to be compared with")
    spec = records[0].spec
    if any(record.spec != spec for record in records):
        raise ValueError("these are no repeats of one spec")
    found = {task.section: _items(records, task.section) for task in spec.tasks}
    partings = [
        _parting(item) for items, _ in found.values() for item in items if not item.same_text
    ]
    whole = [item for items, _ in found.values() for item in items]
    left_out = sum(missed for _, missed in found.values())
    return Determinism(
        runs=tuple(record.id for record in records),
        model=spec.subject.artifact.name,
        engine=spec.subject.engine,
        simulated=records[0].simulated,
        anew=anew,
        seed=spec.campaign_seed,
        temperature=spec.controls.sampling.temperature,
        streams=spec.task_streams,
        tasks=tuple(_sameness(name, *each, partings) for name, each in found.items()),
        overall=_sameness(OVERALL, whole, left_out, partings),
        partings=tuple(partings),
    )


def identical(first: RunRecord, second: RunRecord, tasks: Iterable[str]) -> Estimate | None:
    """Return the share of items with the same text in both, over tasks that ask the same items.

    None where subject, seed or sampling differ: then the texts may, and it says nothing.
    """
    mine, theirs = (
        (spec.subject, spec.campaign_seed, spec.repeat, spec.controls.sampling)
        for spec in (first.spec, second.spec)
    )
    if mine != theirs:
        return None
    items = [item for name in tasks for item in _items([first, second], name)[0]]
    return _share([item.same_text for item in items], items)


def of_pair(first: RunRecord, second: RunRecord) -> tuple[Estimate, Estimate]:
    """Return the shares of items with the same text, and with the same mark, in both runs."""
    items = [i for task in first.spec.tasks for i in _items([first, second], task.section)[0]]
    marked = [item for item in items if all(map(_marked, item.marks))]
    texts, marks = [item.same_text for item in items], [item.same_mark for item in marked]
    return _share(texts, items), _share(marks, marked)


def _items(records: Sequence[RunRecord], name: str) -> tuple[list[_Item], int]:
    """Return the items of a task that every repeat ran, and how many are left out."""
    sections = [_section(record, name) for record in records]
    known = [section for section in sections if section is not None]
    every = sorted({item for section in known for item in section.marks})
    if len(known) < len(records):
        return [], len(every)
    run = [item for item in every if all(_ran(section.marks.get(item)) for section in known)]
    texts = [_texts(section.attempts) for section in known]
    return [
        _Item(
            name,
            item,
            cluster_key(name, known[0].clusters.get(item, item)),
            tuple(said.get(item, "") for said in texts),
            tuple(section.marks[item] for section in known),
        )
        for item in run
    ], len(every) - len(run)


def _section(record: RunRecord, name: str) -> Section | None:
    tasks = (section for section in record.sections if section.kind == "task")
    return next((section for section in tasks if section.name == name), None)


def _ran(mark: Mark | None) -> bool:
    return mark is not None and (_marked(mark) or getattr(mark.outcome, "why", "") == _UNKNOWN)


def _marked(mark: Mark) -> bool:
    return not isinstance(mark.outcome, NotRun)


def _texts(attempts: Sequence[Attempt]) -> dict[str, str]:
    """Return all that was said to each item; of tries that broke off, the last whole one counts."""
    said: dict[str, dict[int, str]] = {}
    for attempt in attempts:
        if attempt.outcome.kind == "completed":
            said.setdefault(attempt.sample, {})[attempt.ask] = "\n".join(_parts(attempt))
    return {item: "\n".join(asks[ask] for ask in sorted(asks)) for item, asks in said.items()}


def _parts(attempt: Attempt) -> Iterator[str]:
    yield from filter(None, (attempt.reasoning, attempt.text))
    yield from (f"{call.name}({call.arguments})" for call in attempt.calls)


def _sameness(
    name: str, items: Sequence[_Item], left_out: int, partings: Sequence[Parting]
) -> Sameness:
    marked = [item for item in items if all(map(_marked, item.marks))]
    shares = [one.share for one in partings if name in (one.task, OVERALL)]
    return Sameness(
        task=name,
        left_out=left_out,
        texts=_share([item.same_text for item in items], items),
        marks=_share([item.same_mark for item in marked], marked),
        parts_at=_derived(statistics.median(shares) if shares else None),
        earliest=_derived(min(shares, default=None)),
    )


def _share(hits: Sequence[bool], items: Sequence[_Item]) -> Estimate:
    return share_estimate(hits, [item.cluster for item in items])


def _derived(value: float | None) -> Reading[float]:
    return _ALIKE if value is None else Measured(value, "derived")


def _parting(item: _Item) -> Parting:
    """Find where the first of the later repeats leaves what the first repeat said."""
    first = item.texts[0]
    others = {
        number: _first_difference(first, text)
        for number, text in enumerate(item.texts[1:], 2)
        if text != first
    }
    number = min(others, key=lambda n: (others[n], n))
    at = others[number]
    begin, end = max(0, at - _BEFORE), at + _AFTER
    return Parting(
        task=item.task,
        item=item.id,
        at=at,
        share=at / max(map(len, item.texts)),
        repeats=(1, number),
        texts=(first[begin:end], item.texts[number - 1][begin:end]),
        marks=tuple(_said(mark) for mark in item.marks),
    )


def _first_difference(first: str, other: str) -> int:
    pairs = enumerate(zip_longest(first, other))
    return next(at for at, (mine, theirs) in pairs if mine != theirs)


def _said(mark: Mark) -> str:
    why = getattr(mark.outcome, "why", "")
    return f"{mark.outcome.kind} ({why})" if why else mark.outcome.kind
