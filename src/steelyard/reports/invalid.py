"""What was invalid or not run of each variant, and why: counts, both bounds, what to do.

Told only of variants that have any. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.bands import OVERALL
from steelyard.analysis.failure_hints import hints
from steelyard.analysis.thinking import more_room
from steelyard.domain.reading import Measured
from steelyard.domain.summary import Marks, SweepSummary, VariantRow
from steelyard.reports.figures import percent, said

TITLE: Final = "What was invalid or not run"
ABOUT: Final = (
    "Invalid is the model's doing and counts as not right. Not run is the engine's or ours: it is "
    "neither, so both bounds stand beside the share, and a verdict takes the worse."
)
_INVALID: Final = {
    "truncated": "cut at the limit",
    "unparsable": "not readable",
    "refused": "refused",
    "call_as_text": "a tool called in mere text",
}


@final
@dataclass(frozen=True, slots=True)
class Spoilt:
    """One variant: what was not marked right or wrong, in words, and what to do about it."""

    label: str
    found: str
    hints: tuple[str, ...] = ()


def lines(summary: SweepSummary) -> tuple[Spoilt, ...]:
    """Return a line for each variant with any invalid or not run."""
    return tuple(_spoilt(row) for row in summary.per_quant if _has_any(row.marks))


def sentences(summary: SweepSummary) -> Iterator[str]:
    """Yield what was found, variants alike in one text, and then each hint once."""
    found = lines(summary)
    labels: dict[str, list[str]] = {}
    for one in found:
        labels.setdefault(one.found, []).append(one.label)
    yield from (f"{', '.join(names)}: {words}" for words, names in labels.items())
    yield from dict.fromkeys(each for one in found for each in one.hints)


def _has_any(marks: Marks) -> bool:
    return bool(marks.invalid or marks.not_run)


def _spoilt(row: VariantRow) -> Spoilt:
    marks, parts = row.marks, []
    whole = marks.right + marks.wrong + marks.invalid + marks.not_run
    if marks.invalid:
        parts.append(f"{marks.invalid:,} of {whole:,} invalid{_why(marks.invalid_why)}")
    if marks.not_run:
        low, high = said(marks.worst_share, percent), said(marks.best_share, percent)
        parts.append(
            f"{marks.not_run:,} of {whole:,} not run{_why(marks.not_run_why)}: right is from {low} "
            f"(all of them wrong) to {high} (all right)"
        )
    return Spoilt(row.variant.label, "; ".join(parts), tuple(_hints(row)))


def _why(codes: Mapping[str, int]) -> str:
    told = (f"{count:,} {_word(code)}" for code, count in codes.items())
    return f" ({', '.join(told)})" if codes else ""


def _word(code: str) -> str:
    return _INVALID.get(code, code.replace("_", " "))


def _hints(row: VariantRow) -> Iterator[str]:
    yield from hints(row.marks.not_run_why)
    # Where thinking is marked, the reason that there is no level says so already.
    if isinstance(row.thinking, Measured) and OVERALL not in row.unrated:
        yield from filter(None, [more_room(row.thinking.value)])
