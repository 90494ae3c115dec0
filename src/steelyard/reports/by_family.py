"""The columns of single families of tasks, and what the verdicts on each and on all rest on.

Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from steelyard.domain.metric import Better
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import SweepSummary, VariantRow, Verdict
from steelyard.reports.columns import (
    NOT_TAKEN,
    Column,
    Found,
    Measure,
    column,
    of_estimate,
    of_loss,
    of_reading,
)

NO_FLOOR: Final = "no_floor"


def of_family(summary: SweepSummary, family: str) -> tuple[Column, Column]:
    """Return the right answers of one family, and the share of its items that flipped."""
    rows, name = summary.per_quant, family.replace("_", " ")
    measures = (
        Measure(
            f"right_share.{family}", f"Right, {name}", "share", "higher",
            "Right answers by all items of the family that were run.",
            lambda row: _family_share(row, family),
        ),
        Measure(
            f"flips.{family}", f"Flipped, {name}", "share", "lower",
            "Items of the family that are right on one side only: lost and won against the "
            "reference.",
            lambda row: _family_flips(row, family),
        ),
    )  # fmt: skip
    right, flips = (column(measure, rows, {}) for measure in measures)
    return right, flips


def of_verdicts(summary: SweepSummary) -> tuple[Column, ...]:
    """Return what verdicts rest on, of all tasks and of each family."""
    rows = summary.per_quant
    families = sorted({name for row in rows for name in row.family_verdicts})
    measures = [
        Measure(
            f"{key}{end}", key.replace("_", " "), unit, better, "", _verdict_reader(key, family)
        )
        for family, end in (("", ""), *((name, f".{name}") for name in families))
        for key, unit, better in _OF_VERDICT
        if family or key != "loss"
    ]
    return tuple(column(measure, rows, {}) for measure in measures)


def _verdict_reader(key: str, family: str) -> Callable[[VariantRow], Found]:
    def read(row: VariantRow) -> Found:
        seen: Reading[Verdict] = row.verdict
        if family:
            known = row.family_verdicts.get(family)
            seen = NOT_TAKEN if known is None else Measured(known, "derived")
        if isinstance(seen, Missing):
            return Found(seen)
        found = seen.value
        if key == "to_decide":
            return of_reading(found.to_decide_items)
        if key == "loss":
            return of_loss(seen)
        if key == "floor" and found.no_floor:
            return Found(Missing(NO_FLOOR, found.no_floor))
        return Found(Measured(float(getattr(found, key)), "derived"))

    return read


def _family_share(row: VariantRow, family: str) -> Found:
    marks = row.family_marks.get(family)
    return Found(NOT_TAKEN) if marks is None else of_estimate(marks.right_share)


def _family_flips(row: VariantRow, family: str) -> Found:
    if row.role == "reference":
        return Found(Missing("is_reference", "the others are compared with it"))
    flips = row.family_flips.get(family)
    return Found(NOT_TAKEN) if flips is None else of_estimate(flips)


_OF_VERDICT: Final[tuple[tuple[str, str, Better], ...]] = (
    ("loss", "points", "lower"),
    ("flips_lost", "count", "lower"),
    ("flips_won", "count", "higher"),
    ("items", "count", "higher"),
    ("margin", "points", "neither"),
    ("floor", "points", "neither"),
    ("p_adjusted", "", "neither"),
    ("to_decide", "count", "lower"),
)
