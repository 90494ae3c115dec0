"""The last wall around scorers: one that fails takes its item with it, and no other.

Its failure is our doing or a plug-in's, so the item is `not_run`; what failed and where is kept,
never its message, which may quote the answer. The answer is kept as any other and can be marked
again. Not aware of which scorers there are.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from steelyard.domain.task import Answer, Ask, Item, Mark, NotRun, Trial

FAILED: Final = "scorer_failed"


def step(item: Item, answer: Answer) -> Ask | Mark | Trial:
    """Give an item its answer."""
    try:
        return item.on(answer)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        return failed(error)


def tried(trial: Trial) -> Mark:
    """Try an answer out."""
    try:
        return trial.mark()
    except Exception as error:  # noqa: BLE001 - as above
        return failed(error)


def failed(error: Exception) -> Mark:
    """Return the mark of an item whose scorer raised an error."""
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"
    return Mark(NotRun(FAILED), {FAILED: f"{type(error).__name__} at {place}"})
