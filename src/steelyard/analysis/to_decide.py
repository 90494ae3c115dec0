"""What would decide an undecided verdict: how many items more, and how long those would take.

At the pace that both sides had when they were asked, with as many at a time as there were. Not
aware of how it is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.summary import Verdict


def item_s(sections: Iterable[Section]) -> float:
    """Return how many seconds an item of these tasks took."""
    asked = tuple(sections)
    items = sum(len(section.marks) for section in asked)
    spans_ns = sum(section.ended_ns - section.started_ns for section in asked)
    return spans_ns / 1e9 / max(1, items)


def more_s(verdict: Reading[Verdict], both_s: float) -> Reading[float]:
    """Return how many seconds more it takes, where an item takes `both_s` of the two together."""
    if isinstance(verdict, Missing) or verdict.value.name != "undecided":
        return Missing("not_undecided")
    needed = verdict.value.to_decide_items
    if isinstance(needed, Missing):
        return needed
    return Measured(max(0, needed.value - verdict.value.items) * both_s, "estimated")
