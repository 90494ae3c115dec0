"""`summary.csv`: one row for each variant, base units in the headings, reasons in the last column.

An absent number is an empty cell and its reason stands under `missing`. Text that a spreadsheet
would take for a formula is quoted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.domain.reading import Measured
from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.reports.by_family import NO_FLOOR, of_family, of_verdicts
from steelyard.reports.columns import Cell, Column
from steelyard.reports.declared import Metrics
from steelyard.reports.overall import columns, of_thinking
from steelyard.reports.story import verdict_word

_UNIT_WORDS: Final = {"tok/s": "tps", "1/s": "per_s", "points": "share", "J": "joules"}
# Names that carry their unit in front or inside.
_UNIT_WITHIN: Final = ("seconds_per_", "joules_per_", "_per_second")
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def write(summary: SweepSummary, *, metrics: Metrics) -> str:
    """Return the file's text; lines end as RFC 4180 has it."""
    explained = (*columns(summary, metrics), *_by_family(summary), *of_thinking(summary))
    found = (*explained, *of_verdicts(summary))
    families = _families(summary)
    out = io.StringIO()
    writer = csv.writer(out)
    names = (name for column in found for name in _headings(column))
    timed = any(isinstance(row.raw, Measured) for row in summary.per_quant)
    states = ("sidecar",) if timed else ()
    writer.writerow([*_TEXT_HEADINGS, *states, *names, *_words(families), "missing"])
    for place, row in enumerate(summary.per_quant):
        cells = [(column, column.cells[place]) for column in found]
        numbers = (value for column, cell in cells for value in _values(column, cell))
        state = [_sidecar(row)] if timed else []
        # Why there is no verdict is told once, of the loss; a verdict may lack its floor alone.
        lacking = (one for one in cells[len(explained) :] if _lacks_floor(one[1]))
        why = _reasons([*cells[: len(explained)], *lacking])
        words = _said(row, families)
        writer.writerow([*_texts(row, summary), *state, *numbers, *words, why])
    return out.getvalue().encode("utf-8", "replace").decode("utf-8")


_TEXT_HEADINGS: Final = (
    "label", "quant", "role", "sha256", "outcome", "quality", "verdict",
    "on_frontier", "recommended_as", "simulated", "include_polluted",
)  # fmt: skip


def _families(summary: SweepSummary) -> list[str]:
    return sorted({name for row in summary.per_quant for name in row.family_marks})


def _by_family(summary: SweepSummary) -> Iterator[Column]:
    for family in _families(summary):
        yield from of_family(summary, family)


def _words(families: Sequence[str]) -> Iterator[str]:
    """Name the columns of levels and verdicts, which are words."""
    yield "band"
    yield from (f"band.{family}" for family in families)
    yield from (f"verdict.{family}" for family in families)


def _said(row: VariantRow, families: Sequence[str]) -> Iterator[str]:
    yield row.bands.get("overall", "")
    yield from (row.bands.get(family, "") for family in families)
    verdicts = (row.family_verdicts.get(family) for family in families)
    yield from ("" if seen is None else seen.name for seen in verdicts)


def heading(column: Column) -> str:
    """Return a column's name for machines: key and base unit, once."""
    unit = _UNIT_WORDS.get(column.unit, column.unit)
    name, _, rest = column.key.partition(".")
    told = name.endswith(f"_{unit}") or any(part in name for part in _UNIT_WITHIN)
    if unit and unit not in ("count", "bpw") and not told:
        name = f"{name}_{unit}"
    return f"{name}.{rest}" if rest else name


def _headings(column: Column) -> Iterator[str]:
    name = heading(column)
    yield name
    if _has_interval(column):
        yield f"{name}.low"
        yield f"{name}.high"


def _values(column: Column, cell: Cell) -> Iterator[str]:
    numbers = (cell.raw, cell.low, cell.high) if _has_interval(column) else (cell.raw,)
    for number in numbers:
        yield "" if number is None else number_text(number)


def _has_interval(column: Column) -> bool:
    return any(cell.low is not None for cell in column.cells)


def number_text(value: float) -> str:
    """Return a number so that it reads back as the same one."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _texts(row: VariantRow, summary: SweepSummary) -> list[str]:
    label = row.variant.label
    picks = [pick.name for pick in summary.recommendation if pick.label == label]
    texts = [
        label,
        row.variant.quant,
        row.role,
        row.variant.artifact.sha256,
        row.outcome,
        row.quality,
        verdict_word(row.verdict, row.role) if isinstance(row.verdict, Measured) else "",
        "yes" if row.on_frontier else "no",
        " ".join(picks if row.role != "aa" else ()),
        "yes" if summary.simulated else "no",
        "yes" if summary.include_polluted else "no",
    ]
    return [inert(text) for text in texts]


def _sidecar(row: VariantRow) -> str:
    """Return the state of a file's raw speeds, or why there are none."""
    return row.raw.value.state if isinstance(row.raw, Measured) else inert(str(row.raw))


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _lacks_floor(cell: Cell) -> bool:
    return cell.why is not None and cell.why.code == NO_FLOOR


def _reasons(cells: list[tuple[Column, Cell]]) -> str:
    return inert(
        "; ".join(
            f"{heading(column)}: {cell.why.code} ({cell.why})"
            for column, cell in cells
            if cell.why is not None
        )
    )
