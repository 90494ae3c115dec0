"""`eval power`: how likely so many items show a loss, and how many it takes, before any is asked.

By McNemar's exact test, the one whose p `eval compare` prints. Of several comparisons in one table
each is tested at its share of the error (Bonferroni), so that the plan is never too bold for Holm's
correction. Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.app.evals.texts import percent, table
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.reports.figures import NOTHING
from steelyard.stats.power import MOST_ASKED, items_for_power, mcnemar_power

_ALPHA: Final = 0.05
_SIZES: Final = (50, 100, 200, 400, 800, 1600)
_POWERS: Final = (0.8, 0.9)


@final
@dataclass(frozen=True, slots=True)
class Planned:
    """What was typed: shares of items that flip to wrong and to right, and comparisons at once."""

    lost: float
    won: float
    items: tuple[int, ...]
    compared: int


@final
@dataclass(frozen=True, slots=True)
class Power:
    """The power at numbers of items, and the items that a power takes; powers are shares.

    `alpha` is the two-sided error of each comparison, all of them together 0.05 at most.
    """

    lost: float
    won: float
    compared: int
    alpha: float
    at: tuple[tuple[int, float], ...]
    needed: tuple[tuple[float, Reading[int]], ...] = field(default_factory=tuple)


def power_text(planned: Planned, *, as_json: bool) -> str:
    """Say what the planned items show and what other numbers of them would."""
    found = power(planned)
    return encode(found, indent=1) if as_json else "\n".join(_lines(found, planned.items))


def power(planned: Planned) -> Power:
    """Compute it; raises `BadInput` for shares that are no loss."""
    if planned.lost + planned.won > 1:
        raise BadInput("more than all items would flip", hint="--lost and --won are per cent")
    if planned.lost <= planned.won:
        raise BadInput(
            f"{percent(Measured(planned.lost, 'derived'))} lost and no fewer won is no loss",
            hint="--lost is more than --won: their difference is the loss to be seen",
        )
    alpha = _ALPHA / planned.compared
    sizes = sorted({*_SIZES, *planned.items})
    return Power(
        lost=planned.lost,
        won=planned.won,
        compared=planned.compared,
        alpha=alpha,
        at=tuple((n, mcnemar_power(n, planned.lost, planned.won, alpha)) for n in sizes),
        needed=tuple((share, _needed(planned, share, alpha)) for share in _POWERS),
    )


def _needed(planned: Planned, share: float, alpha: float) -> Reading[int]:
    found = items_for_power(planned.lost, planned.won, share, alpha)
    if found is None:
        return Missing("too_many", f"more than {MOST_ASKED:,} items")
    return Measured(found, "derived")


def _lines(found: Power, asked: tuple[int, ...]) -> Iterator[str]:
    loss = found.lost - found.won
    yield (
        f"{found.lost:.1%} of the items flip to wrong and {found.won:.1%} to right: {loss:.1%} lost"
    )
    together = f", each of {found.compared} at once (Bonferroni)" if found.compared > 1 else ""
    yield f"McNemar's exact test, two-sided, error {found.alpha:.2%}{together}"
    rows = [(f"{n:,}", f"{share:.0%}", "← planned" if n in asked else "") for n, share in found.at]
    yield table([("items", "power", ""), *rows])
    for share, items in found.needed:
        said = f"{items.value:,} items" if isinstance(items, Measured) else f"{NOTHING} ({items})"
        yield f"a power of {share:.0%} takes {said}"
    yield "Items that share a passage or a template count for less: plan more of those"
