"""Loss intervals as small drawings on one common axis: zero, floor, margin, interval, point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured
from steelyard.domain.summary import VariantRow, Verdict

WIDTH: Final = 150.0


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """Horizontal places in a drawing that is `WIDTH` wide; an unknown floor is drawn at zero."""

    zero: float
    floor: float
    margin: float
    low: float
    high: float
    loss: float
    words: str


def marks(rows: Sequence[VariantRow]) -> tuple[Mark | None, ...]:
    """Return a mark for each row, all on the axis that holds every interval and the margin."""
    verdicts = [_verdict(row) for row in rows]
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return (None,) * len(rows)
    least = min(0.0, *(verdict.low for verdict in known))
    most = max(max(verdict.margin, verdict.high) for verdict in known)
    span = (most - least) or 1.0
    return tuple(None if v is None else _mark(v, least, span) for v in verdicts)


def _verdict(row: VariantRow) -> Verdict | None:
    return row.verdict.value if isinstance(row.verdict, Measured) else None


def _mark(verdict: Verdict, least: float, span: float) -> Mark:
    def at(share: float) -> float:
        return round(5 + (share - least) / span * (WIDTH - 10), 1)

    return Mark(
        zero=at(0.0),
        floor=at(0.0 if verdict.no_floor else verdict.floor),
        margin=at(verdict.margin),
        low=at(verdict.low),
        high=at(verdict.high),
        loss=at(verdict.loss),
        words=f"loss {verdict.loss * 100:.1f} points, interval {verdict.low * 100:.1f} to"
        f" {verdict.high * 100:.1f}, margin {verdict.margin * 100:.1f}",
    )
