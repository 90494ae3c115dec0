"""Two evaluations side by side, each named by its folder or by the beginning of its run's id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from steelyard.analysis import evaluation as scores
from steelyard.analysis import gap
from steelyard.app.evals import (
    contrasts,
    going_on,
    kinds,
    own_files,
    texts,
    wording,
)
from steelyard.app.results import results
from steelyard.app.results.comparison import axes
from steelyard.app.results.files import COULD_NOT_MEASURE, Told
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Contrast
from steelyard.domain.judging import WITHOUT_A_MARK
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.store.records import RECORD_NAME, read_record

_SAME_ITEMS: Final = "run both with the same --tasks, --level, --seed and --private-seed"


def compare(
    first: str,
    second: str,
    margin: float,
    *,
    again: str | None = None,
    explore: bool = False,
    by_level: bool = False,
    as_json: bool,
) -> Told:
    """Pair two evaluations, each named by its folder or by the beginning of its run's id.

    `again` names the first once more, for an A/A floor.
    """
    mine, theirs = record_named(first), record_named(second)
    if mine.id == theirs.id:
        raise BadInput(f"{first} and {second} are one and the same run")
    if mine.simulated != theirs.simulated:
        raise BadInput("one run is simulated and the other measured: they share nothing")
    try:
        differs = (
            *_differing(mine, theirs),
            *scores.resettled(mine, theirs),
            *scores.rethought(mine, theirs),
        )
        found = scores.contrast(mine, theirs, margin, differs, _again(mine, theirs, again))
    except ValueError:
        why = "; ".join(f"{task}: {each}" for task, each in scores.shared(mine, theirs)[1].items())
        raise BadInput(
            f"runs {mine.id} and {theirs.id} share no task with the same items ({why})",
            hint=_way(mine, theirs),
        ) from None
    if explore:
        found = kinds.explored(found, mine, theirs)
    code = 0 if _compared(found, mine, theirs) else COULD_NOT_MEASURE
    if as_json:
        return Told(encode(found, indent=1), code)
    notices = [notice for record in (mine, theirs) for notice in room_notices(record)]
    text = "\n".join((contrasts.contrast_text(found, by_level=by_level), *notices))
    return Told(text, code)


def _compared(found: Contrast, *records: RunRecord) -> bool:
    """Say whether there is a verdict, a loss of a judge's score, or none because none can be."""
    if isinstance(found.overall.verdict, Measured) or found.judged:
        return True
    why = (scores.evaluate(record).overall.marks.not_run_why.keys() for record in records)
    return all(WITHOUT_A_MARK & codes for codes in why)


def room_notices(record: RunRecord) -> Iterator[str]:
    """Say of a run whose answers mostly ended at their limit how to give them room."""
    found = scores.evaluate(record)
    if advice := texts.room_advice(found.overall):
        yield f"{found.model}: {advice}"


def _way(first: RunRecord, second: RunRecord) -> str:
    """Say how two runs that share no items are set beside each other."""
    if gap.in_order(first, second) is not None:
        return (
            "`steelyard eval gap` sets public items beside private ones; to compare subjects, ask "
            "both the same ones"
        )
    return _SAME_ITEMS


def _differing(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    return (*axes(first, second), *wording.differing(first, second))


def _again(first: RunRecord, second: RunRecord, named: str | None) -> RunRecord | None:
    """Return the run that repeats the first; `BadInput` for one that is something else."""
    if named is None:
        return None
    found = record_named(named)
    if found.id in (first.id, second.id):
        raise BadInput(f"--again names run {found.id}, which is compared already")
    if other := _differing(first, found):
        raise BadInput(
            f"run {found.id} does not repeat run {first.id}: other {'; '.join(other)}",
            hint="run the first once more, with everything the same, and name that run",
        )
    if not scores.shared(first, found)[0]:
        raise BadInput(
            f"runs {first.id} and {found.id} share no task with the same items",
            hint=_SAME_ITEMS,
        )
    return found


def record_named(named: str) -> RunRecord:
    """Return the record in a folder, or the stored one whose id begins so."""
    folder = Path(named)
    if folder.is_dir():
        if not (folder / RECORD_NAME).exists():
            if (folder / going_on.SPEC).exists():
                raise BadInput(
                    f"the evaluation in {folder} is not finished: it was interrupted before its "
                    "record was written",
                    hint=going_on.hint(folder),
                )
            raise BadInput(f"{folder} holds no record", hint="name the folder of an `eval`")
        record = read_record(folder)
        own_files.restore(folder, record.spec.tasks)
        return record
    with results.opened() as store:
        return results.named(store, named)
