"""The heat map: variants × measures. Rated cells wear their rating, the others their rank.

A rating is absolute (the metric's declared limits). Where none is declared, five shades say where
a variant stands among the others of this sweep. The number stands in every cell, so that nothing
is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.summary import VariantRow
from steelyard.reports.columns import Cell, Column
from steelyard.reports.headlines import headlines

SHADES: Final = 5
_LEFT_OUT: Final = frozenset(
    {"file_bytes", "right", "wrong", "invalid", "not_run", "tokens_per_right", "right_per_second"}
)


@final
@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell: text, a style class, and in words what the colour says."""

    text: str
    style: str
    meaning: str


@final
@dataclass(frozen=True, slots=True)
class HeatMap:
    """The map as rows of cells, with the columns they stand under."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[VariantRow, tuple[HeatCell, ...]], ...]


def heat_map(rows: Sequence[VariantRow], found: Sequence[Column]) -> HeatMap:
    """Colour every measure that has a direction and at least one number.

    Of the speeds, the headlines are shown, and of every other rated one the first.
    """
    speeds = {column.key for column in _speeds(found)}
    shown = tuple(
        column
        for column in found
        if column.key not in _LEFT_OUT
        and (column.at is None or column.key in speeds)
        and column.better != "neither"
        and any(cell.raw is not None for cell in column.cells)
    )
    coloured = [_coloured(column) for column in shown]
    return HeatMap(
        shown,
        tuple((row, tuple(cells[place] for cells in coloured)) for place, row in enumerate(rows)),
    )


def _speeds(found: Sequence[Column]) -> list[Column]:
    chosen = headlines(found)
    told = {column.at.metric for column in chosen if column.at}
    for column in found:
        if column.at and column.rated and column.at.metric not in told:
            told.add(column.at.metric)
            chosen.append(column)
    return chosen


def _coloured(column: Column) -> tuple[HeatCell, ...]:
    known = sorted({cell.raw for cell in column.cells if cell.raw is not None})
    if column.better == "lower":
        known.reverse()
    return tuple(_cell(cell, column, known) for cell in column.cells)


def _cell(cell: Cell, column: Column, known: Sequence[float]) -> HeatCell:
    if cell.raw is None:
        return HeatCell(cell.text, "absent", str(cell.why))
    if column.rated:
        band = cell.band or "none"
        return HeatCell(cell.text, f"band-{band}", f"rating: {band}")
    place = known.index(cell.raw)
    if len(known) == 1:
        return HeatCell(cell.text, "shade-3", "the same for all")
    shade = 1 + round(place / (len(known) - 1) * (SHADES - 1))
    return HeatCell(cell.text, f"shade-{shade}", f"place {len(known) - place} of {len(known)}")
