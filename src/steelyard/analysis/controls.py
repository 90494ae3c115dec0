"""The controls in force over all runs of a campaign: one value each, or that they differ.

Not aware of how a control was read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, RunRecord


def in_force(runs: Sequence[RunRecord]) -> tuple[AppliedControl, ...]:
    """Return each control as asked and as it was read back, over every run that was measured.

    Where runs differ, the reading is absent and its reason names the values and their counts.
    """
    kept = [control for run in runs if run.outcome == "completed" for control in run.controls]
    names = dict.fromkeys(control.name for control in kept)
    return tuple(_one(name, [c for c in kept if c.name == name]) for name in names)


def _one(name: str, found: Sequence[AppliedControl]) -> AppliedControl:
    asked = dict.fromkeys(control.asked for control in found)
    over = dict.fromkeys(c.overrides for c in found if c.overrides is not None)
    applied = _common([control.applied for control in found])
    return AppliedControl(name, ", ".join(asked), applied, ", ".join(over) or None)


def _common(readings: Sequence[Reading[str]]) -> Reading[str]:
    seen = dict.fromkeys(map(_said, readings))
    if len(seen) == 1:
        return readings[0]
    return Missing("runs_differ", "; ".join(_counted(readings, seen)))


def _counted(readings: Sequence[Reading[str]], seen: Iterable[str]) -> list[str]:
    said = [_said(reading) for reading in readings]
    return [f"{value} in {said.count(value)} of {counted(len(said), 'run')}" for value in seen]


def _said(reading: Reading[str]) -> str:
    return reading.value if isinstance(reading, Measured) else f"not known ({reading})"
