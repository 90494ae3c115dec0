"""One run beside another: paired right answers and speeds, or the reasons why not.

Two runs may differ in one thing (the file, the engine, its profile, the controls); where more
differs, no number says which of them did it, so the comparison is refused. It knows no A/A floor
and corrects for no other comparison: a sweep does. Not aware of the store or of terminals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.clusters import clusters_of
from steelyard.analysis.marks import count
from steelyard.analysis.metrics.speeds import speeds
from steelyard.domain.caution import Doubt, doubted, quality
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.private import shown
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.subject import Artifact
from steelyard.domain.summary import Marks, Speed
from steelyard.domain.task import Mark, NotRun, Right
from steelyard.stats.paired import PairedLoss, loss_interval, mcnemar_exact

CONFIDENCE: Final = 0.95
_SAME: Final = "nothing"
_ENDPOINT: Final = "endpoint"  # the format of an artifact that nobody saw: a server holds it


@final
@dataclass(frozen=True, slots=True)
class PairedRight:
    """Right answers on the items that both runs answered; `p` is McNemar's, exact, two-sided.

    Marks cover all items of either run; `loss` is the share of `loss.items` pairs that the second
    run lost, net of what it won. `left_out` pairs were not run on one side.
    """

    first: Marks
    second: Marks
    loss: PairedLoss
    p: float
    left_out: int


@final
@dataclass(frozen=True, slots=True)
class SpeedPair:
    """One speed of both runs under the same circumstances; each carries its own n."""

    section: str
    first: Speed
    second: Speed


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """What the second run has over the first; `differs` names the one thing between them.

    `polluted` runs are compared whole, as asked; `untimed` says why no speeds are.
    """

    first_id: str
    second_id: str
    first_name: str
    second_name: str
    differs: str
    right: Reading[PairedRight]
    speeds: tuple[SpeedPair, ...]
    polluted: tuple[str, ...] = ()
    simulated: bool = False
    untimed: str = ""


def compare(first: RunRecord, second: RunRecord, *, include_polluted: bool = False) -> Comparison:
    """Compare two runs; raise `BadInput` with every reason why they cannot be compared."""
    differing = list(axes(first, second))
    polluted = tuple(r.id for r in (first, second) if quality(r.cautions) == "POLLUTED")
    untimed = "" if include_polluted else _doubts(first, second, "clock")
    right = _paired(first, second)
    reasons = [*_obstacles(first, second)]
    if len(differing) > 1:
        reasons.append(f"more than one thing differs: {'; '.join(differing)}")
    # A doubtful clock leaves the answers as they are; where there are none, nothing is left.
    rest = untimed if isinstance(right, Missing) else _doubts(first, second, "answers")
    if rest and not include_polluted:
        reasons.append(f"polluted: {rest}")
    if reasons:
        raise BadInput(
            f"runs {first.id} and {second.id} cannot be compared: {' · '.join(reasons)}",
            hint="compare runs of one sweep, or run both under the same spec on one machine",
        )
    return Comparison(
        first_id=first.id,
        second_id=second.id,
        first_name=first.spec.subject.artifact.name,
        second_name=second.spec.subject.artifact.name,
        differs=differing[0] if differing else _SAME,
        right=right,
        speeds=() if untimed else tuple(_speed_pairs(first, second)),
        polluted=polluted if include_polluted else (),
        simulated=first.simulated,
        untimed=untimed,
    )


def _doubts(first: RunRecord, second: RunRecord, of: Doubt) -> str:
    """Name the runs of which a part is in doubt, with the codes; "" for none."""
    found = {record.id: doubted(record.cautions, of) for record in (first, second)}
    return ", ".join(f"{run} ({', '.join(codes)})" for run, codes in found.items() if codes)


def _obstacles(first: RunRecord, second: RunRecord) -> Iterator[str]:
    if first.id == second.id:
        yield "they are one and the same run"
    if first.simulated != second.simulated:
        yield "one is simulated and the other measured"
    if first.device.id != second.device.id:
        yield f"other devices: {first.device.cpu} and {second.device.cpu}"
    for record in (first, second):
        if record.outcome != "completed":
            yield f"{record.id} {record.outcome}: {record.reason or 'no reason kept'}"
    mine, theirs = ({t.section: t for t in r.spec.tasks} for r in (first, second))
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            yield f"task {name} is not the same: {_changes(mine[name], theirs[name])}"
    if first.spec.campaign_seed != second.spec.campaign_seed and first.spec.workloads:
        yield "other campaign seeds, so other prompts"
    names = ({s.name for s in r.sections} for r in (first, second))
    if not set.intersection(*names):
        yield "they share no task and no workload"


def axes(first: RunRecord, second: RunRecord) -> Iterator[str]:
    """Name each thing that a comparison may be about and that differs."""
    mine, theirs = first.spec, second.spec
    if mine.subject.artifact.sha256 != theirs.subject.artifact.sha256:
        yield _artifact(mine.subject.artifact, theirs.subject.artifact)
    builds = first.environment.engine_build, second.environment.engine_build
    engines = [(r.spec.subject.engine, r.spec.subject.runtime) for r in (first, second)]
    if engines[0] != engines[1]:
        yield f"the engine ({'/'.join(engines[0])} → {'/'.join(engines[1])})"
    elif all(isinstance(b, Measured) for b in builds) and builds[0] != builds[1]:
        yield "the engine's build"
    if mine.subject.profile != theirs.subject.profile:
        yield f"the engine profile ({_changes(mine.subject.profile, theirs.subject.profile)})"
    if mine.controls != theirs.controls:
        yield f"the controls ({_changes(mine.controls, theirs.controls)})"
    if mine.task_streams != theirs.task_streams:
        yield f"requests at a time ({mine.task_streams} → {theirs.task_streams})"


def _artifact(first: Artifact, second: Artifact) -> str:
    """Name a file, or what stands in for one: of a server that address and model are known by."""
    change = f"{first.name} → {second.name}"
    if not first.format == second.format == _ENDPOINT:
        return f"the file ({change})"
    if first.name == second.name:
        return f"the server ({first.name} at another address)"
    return f"the model that a server names ({change})"


def _changes(first: object, second: object) -> str:
    mine, theirs = plain(first), plain(second)
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return f"{mine} → {theirs}"
    keys = [k for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)]
    told = (f"{k} {shown(k, getattr(first, k))} → {shown(k, getattr(second, k))}" for k in keys)
    return ", ".join(told)


def _paired(first: RunRecord, second: RunRecord) -> Reading[PairedRight]:
    mine, theirs = _tasks(first), _tasks(second)
    shared = [(mine[name], theirs[name]) for name in sorted(mine.keys() & theirs.keys())]
    if not shared:
        return Missing("no_shared_task", "they share no task")
    marks = [_keyed(sections) for sections in zip(*shared, strict=True)]
    clusters = clusters_of(section for pair in shared for section in pair)
    both = sorted(marks[0].keys() & marks[1].keys())
    run = [item for item in both if not any(isinstance(m[item].outcome, NotRun) for m in marks)]
    if not run:
        return Missing("no_paired_items", "no item was answered in both runs")
    differences = [_right(marks[0][item]) - _right(marks[1][item]) for item in run]
    half = (1 - CONFIDENCE) / 2
    loss = loss_interval(differences, [clusters.get(item, item) for item in run], half, half)
    found = PairedRight(
        first=count(marks[0], clusters, CONFIDENCE),
        second=count(marks[1], clusters, CONFIDENCE),
        loss=loss,
        p=mcnemar_exact(loss.lost, loss.won),
        left_out=len(marks[0].keys() | marks[1].keys()) - len(run),
    )
    return Measured(found, "derived")


def _tasks(record: RunRecord) -> Mapping[str, Section]:
    return {section.name: section for section in record.sections if section.kind == "task"}


def _keyed(sections: tuple[Section, ...]) -> dict[str, Mark]:
    """Key marks by task and item: two tasks may use one id."""
    return {f"{s.name}/{item}": mark for s in sections for item, mark in s.marks.items()}


def _right(mark: Mark) -> int:
    return isinstance(mark.outcome, Right)


def _speed_pairs(first: RunRecord, second: RunRecord) -> Iterator[SpeedPair]:
    by_name: list[dict[str, list[Section]]] = [{}, {}]
    for found, record in zip(by_name, (first, second), strict=True):
        for section in record.sections:
            found.setdefault(section.name, []).append(section)
    for name in by_name[0]:
        mine, theirs = (
            {speed.metric: speed for speed in speeds(found.get(name, ()))} for found in by_name
        )
        for metric in mine:
            if metric in theirs:
                yield SpeedPair(name, mine[metric], theirs[metric])
