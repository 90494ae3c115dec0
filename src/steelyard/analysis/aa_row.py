"""What the reference asked once more says of verdicts that were reached without it.

The floor is not known while a choice is under way, so it decides nothing of what is asked or taken.
At the end it names: a loss within it is what another run of the reference may differ by, so it is
no loss shown, and nothing within it is called worse. Nobody is let in by it. Sources: DESIGN §2;
`analysis.verdict`.
"""

from __future__ import annotations

from dataclasses import replace

from steelyard.analysis.verdict import QUALIFYING, reason_of, verdict_of
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Verdict


def named(verdict: Verdict, floor: Reading[float]) -> Verdict:
    """Return a verdict that was reached without an A/A row, by the name that it has with one."""
    if isinstance(floor, Missing) or not _renamed(verdict, floor.value):
        return verdict
    low, high, margin = verdict.low, verdict.high, verdict.margin
    name = verdict_of(low, high, margin, floor.value)
    needed: Reading[int] = verdict.to_decide_items
    if name == "undecided":
        needed = Missing("within_floor", "the reference itself differs by as much from run to run")
    return replace(
        verdict,
        name=name,
        floor=floor.value,
        reason=reason_of(name, low, high, margin, floor.value),
        to_decide_items=needed,
        no_floor="",
    )


def named_all(found: Reading[Verdict], floor: Reading[float]) -> Reading[Verdict]:
    """Return the same of a verdict that may be missing."""
    if isinstance(found, Missing):
        return found
    return Measured(named(found.value, floor), "derived")


def _renamed(verdict: Verdict, floor: float) -> bool:
    if verdict.name == "worse":
        return verdict.low <= floor
    return verdict.name in QUALIFYING
