"""The forms of a stored task that was asked in several: which item is which form of which other.

The ids of a varied task tell. Those of the robustness family do not: its items are drawn again, for
the same task gives the same items on every machine. Not aware of how the result is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from steelyard.analysis.robustness import CLEAN, Place, robustness
from steelyard.app.results.comparison import CONFIDENCE
from steelyard.domain.errors import BadInput
from steelyard.domain.evaluation import Evaluation
from steelyard.domain.forms import Robustness
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Item, Task, item_of, sample_key
from steelyard.tasks import varying
from steelyard.tasks.registry import drawn
from steelyard.tasks.robustness import Robustness as Family


def with_forms(found: Evaluation, record: RunRecord) -> Evaluation:
    """Add to an evaluation what the forms of its prompts came to."""
    told = {section.name: of_section(record, section) for section in record.sections}
    return replace(
        found, forms={name: each for name, each in told.items() if isinstance(each, Robustness)}
    )


def origins(task: Task, items: Iterable[Item]) -> dict[str, str]:
    """Return the id of the clean item that each item of a task is, or is a form of."""
    if task.family == Family.name:
        return {item: place.origin for item, place in _placed(items).items()}
    return {item.id: varying.origin_of(item.id) for item in items}


def of_section(record: RunRecord, section: Section) -> Robustness | str | None:
    """Return what the forms come to; None for another task, a text if they cannot be told apart."""
    named = [task for task in record.spec.tasks if task.section == section.name]
    if any(task.vary for task in named):
        return robustness(section.marks, _named(section.marks), CONFIDENCE)
    asked = [task for task in named if task.family == Family.name]
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


def _named(samples: Iterable[str]) -> dict[str, Place]:
    """Place the samples of a varied task by their ids; each is compared with its like."""
    places = {}
    for sample in samples:
        item, again = item_of(sample), sample.removeprefix(item_of(sample))
        places[sample] = Place(f"{varying.origin_of(item)}{again}", varying.form_of(item))
    return places


def _placed(items: Iterable[Item]) -> dict[str, Place]:
    """Place each form with the clean item that it follows; two of those may share a cluster."""
    places: dict[str, Place] = {}
    clean, cluster = "", ""
    for item in items:
        form = str(getattr(item, "kind", "")).partition("/")[2]
        if form == CLEAN or item.cluster != cluster:
            clean, cluster = item.id, item.cluster
        places[item.id] = Place(clean, form)
    return places
