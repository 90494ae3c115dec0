"""The absolute bands of right answers: excellent to failed, or none with its reason.

As a gate does, a band takes the worse bound: items that were not run count as not right, and over
1 % of them there is no band. Nor is there one where most answers were cut while thinking. Not aware
of variants, margins or verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.analysis.marks import NOT_RUN_MAX
from steelyard.domain.metric import Band
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Marks

OVERALL: Final = "overall"
# Limits of excellent, good, acceptable and poor, as shares of right answers.
BANDS: Final[Mapping[str, tuple[float, ...]]] = {
    OVERALL: (0.90, 0.80, 0.70, 0.60),
    "math_words": (0.90, 0.80, 0.70),
    "reading": (0.85, 0.75, 0.65),
    "logic": (0.85, 0.75, 0.65),
    "formats": (0.95, 0.90, 0.80),
}
_NAMES: Final[tuple[Band, ...]] = ("excellent", "good", "acceptable", "poor")
_NO_BANDS: Final = Missing("no_bands", "no bands are agreed on for this family")
_NONE_RUN: Final = Missing("no_items", "no item was run")
_NOT_RUN: Final = Missing("not_run", f"more than {NOT_RUN_MAX:.0%} of the items were not run")
STARVED: Final = "thinking_cut"
_STARVED: Final = Missing(
    STARVED, "most answers ended at their limit while thinking, or soon after it"
)
# Why there is a share of right answers and yet no band.
WITHHELD: Final = frozenset({_NOT_RUN.code, STARVED})


def band(task: str, share: float) -> Reading[Band]:
    """Return the band of a share of right answers; below the last limit it is failed."""
    limits = BANDS.get(task.partition("/")[0])
    if limits is None:
        return _NO_BANDS
    for name, limit in zip(_NAMES, limits, strict=False):
        if share >= limit:
            return Measured(name, "derived")
    return Measured("failed", "derived")


def rated(task: str, marks: Marks, *, starved: bool = False) -> Reading[Band]:
    """Return the band that the marks of a task reach, items not run counted as not right.

    `starved` is what `analysis.thinking` says of the answers behind them.
    """
    if isinstance(marks.right_share.value, Missing):
        return _NONE_RUN
    if starved:
        return _STARVED
    if marks.not_run > NOT_RUN_MAX * (marks.right + marks.wrong + marks.invalid + marks.not_run):
        return _NOT_RUN
    worst = marks.worst_share
    return band(task, worst.value) if isinstance(worst, Measured) else worst


def spanned(task: str, marks: Marks) -> tuple[Band, ...]:
    """Return the bands that the interval of the share reaches, the lowest one first; () for none.

    One of them says that the items are enough to tell bands apart.
    """
    bounds = marks.right_share.low, marks.right_share.high
    if isinstance(rated(task, marks), Missing):
        return ()
    found = [
        found.value
        for bound in bounds
        if isinstance(bound, Measured) and isinstance(found := band(task, bound.value), Measured)
    ]
    return tuple(dict.fromkeys(found))
