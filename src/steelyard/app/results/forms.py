"""The forms of a stored robustness task: its items are drawn again to tell which is which.

A record keeps marks by item id; the same task gives the same items on every machine. Not aware of
how the result is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.analysis.robustness import CLEAN, Place, Robustness, robustness
from steelyard.app.results.comparison import CONFIDENCE
from steelyard.domain.errors import BadInput
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import sample_key
from steelyard.runs.judged import name_of
from steelyard.tasks.registry import Drawn, drawn
from steelyard.tasks.robustness import Robustness as Family


def of_section(record: RunRecord, section: Section) -> Robustness | str | None:
    """Return what the forms come to; None for another task, a text if they cannot be told apart."""
    asked = [
        task
        for task in record.spec.tasks
        if task.family == Family.name and name_of(task) == section.name
    ]
    if section.kind != "task" or not asked:
        return None
    places: dict[str, Place] = {}
    for task in asked:
        try:
            items = drawn(task)
        except BadInput as refused:
            return str(refused)
        places |= {
            sample_key(item, number): Place(sample_key(place.origin, number), place.form)
            for item, place in _placed(items).items()
            for number in range(task.samples)
        }
    return robustness(section.marks, places, CONFIDENCE)


def _placed(items: Iterable[Drawn]) -> dict[str, Place]:
    """Place each form with the clean item that it follows; two of those may share a cluster."""
    places: dict[str, Place] = {}
    clean, cluster = "", ""
    for item in items:
        form = item.kind.partition("/")[2]
        if form == CLEAN or item.cluster != cluster:
            clean, cluster = item.id, item.cluster
        places[item.id] = Place(clean, form)
    return places
