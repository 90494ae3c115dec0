"""What was asked of a subject at levels that are too easy or too hard for it, and what to ask.

The levels that there are come from the families themselves. Not aware of how marks are counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from steelyard.analysis.bands import OVERALL
from steelyard.analysis.ceilings import Asked, levels, remarks
from steelyard.domain.errors import SteelyardError
from steelyard.domain.evaluation import Contrast, Evaluation
from steelyard.domain.summary import Estimate
from steelyard.tasks import registry

_AT_LEVEL: Final = re.compile(r"(\w+)/l(\d+)")


def of_evaluation(found: Evaluation) -> tuple[str, ...]:
    """Say what is too easy or too hard for the subject of an evaluation."""
    shares = {score.task: score.marks.right_share for score in found.families}
    return _of(found.model, found.overall.marks.right_share, shares, found.pooled)


def of_contrast(found: Contrast) -> tuple[str, ...]:
    """Say the same of the first of two, which the second is compared with."""
    shares = {one.task: one.first_share for one in found.families}
    pooled = {family: one.tasks for family, one in found.pooled.items()}
    return _of("the first", found.overall.first_share, shares, pooled)


def _of(
    who: str,
    whole: Estimate,
    shares: Mapping[str, Estimate],
    pooled: Mapping[str, Sequence[str]],
) -> tuple[str, ...]:
    near = {family: _levels(tasks) for family, tasks in pooled.items()}
    families = [
        Asked(family, share, *near.get(family, (None, None))) for family, share in shares.items()
    ]
    harder = [one.harder for one in families if one.harder is not None]
    easier = [one.easier for one in families if one.easier is not None]
    every = Asked(OVERALL, whole, max(harder, default=None), min(easier, default=None))
    return remarks(who, every, families)


def _levels(tasks: Sequence[str]) -> tuple[int | None, int | None]:
    """Return the next harder level than all of a family's tasks, and the next easier one."""
    found = [_near(task) for task in tasks]
    harder, easier = (list(side) for side in zip(*found, strict=True)) if found else ([], [])
    return (
        max((level for level in harder if level), default=None) if all(harder) else None,
        min((level for level in easier if level), default=None) if all(easier) else None,
    )


def _near(task: str) -> tuple[int | None, int | None]:
    """Return the levels beside that of a task; None for a file's, a set's or an unknown one."""
    named = _AT_LEVEL.match(task)
    if named is None:
        return None, None
    try:
        there = registry.family(named[1]).levels
    except SteelyardError:
        return None, None
    return levels(int(named[2]), there)
