"""Each variant on each family of tasks: right answers, their level, flips, and the verdict.

Two scales stand side by side and must not be taken for one another: the level is how good the
answers are, the verdict what became of the reference's. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Marks, SweepSummary, VariantRow, Verdict
from steelyard.reports.figures import NOTHING, Display, percent
from steelyard.reports.story import NO_VERDICT, interval, verdict_word

TITLE: Final = "Task by task"
EVERY: Final = "all tasks"
_LOSS: Final = Display("points", 100, 1, signed=True)


@final
@dataclass(frozen=True, slots=True)
class TaskLine:
    """One variant on one family, or on all, as text. `known` is False where nothing was run."""

    label: str
    task: str
    right: str
    level: str
    lost: str
    won: str
    loss: str
    against: str
    known: bool = True


def explained(summary: SweepSummary) -> str:
    """Say what the two scales are."""
    return (
        "The level says how good the answers are in themselves, from excellent to failed; "
        f"{against(summary)} says whether any of its right answers are lost. A poor level without "
        "a loss is the model's own. Lost and won: items right with one of the two only. Bounds are "
        "corrected for all that is compared; of one family they are shown and never gated."
    )


def against(summary: SweepSummary) -> str:
    """Name the column of the verdict."""
    return f"against {summary.reference_label}"


def families(summary: SweepSummary) -> tuple[str, ...]:
    """Return the families that any variant was asked."""
    return tuple(sorted({name for row in summary.per_quant for name in row.family_marks}))


def lines(summary: SweepSummary, row: VariantRow) -> Iterator[TaskLine]:
    """Yield a variant's line over all tasks, then one for each family."""
    yield _line(row, EVERY, row.marks, row.bands.get("overall"), row.verdict)
    for family in families(summary):
        none = Missing("not_judged", "only candidates are judged")
        seen = row.family_verdicts.get(family)
        verdict: Reading[Verdict] = none if seen is None else Measured(seen, "derived")
        yield _line(row, family, row.family_marks.get(family), row.bands.get(family), verdict)


def _line(
    row: VariantRow,
    task: str,
    marks: Marks | None,
    level: str | None,
    verdict: Reading[Verdict],
) -> TaskLine:
    share = marks.right_share.value if marks is not None else None
    right = percent(share.value) if isinstance(share, Measured) else NOTHING
    lost = won = loss = NOTHING
    if isinstance(verdict, Measured):
        seen = verdict.value
        lost, won = str(seen.flips_lost), str(seen.flips_won)
        loss = f"{_LOSS.text(seen.loss)} {interval(seen.low, seen.high)}"
    word = verdict_word(verdict, row.role)
    return TaskLine(
        label=row.variant.label,
        task=task.replace("_", " "),
        right=right,
        level=level or NOTHING,
        lost=lost,
        won=won,
        loss=loss,
        against=NOTHING if word == NO_VERDICT else word,
        known=right != NOTHING,
    )
