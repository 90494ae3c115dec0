"""What is known of each family of tasks: the verdict on it, its flips, how the share rates.

A warning may rest on it, no gate does. Not aware of runs or of reports. Source: DESIGN §2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steelyard.analysis import verdict
from steelyard.analysis.bands import BANDS, OVERALL, WITHHELD, rated
from steelyard.analysis.roster import Entrant, Roster
from steelyard.analysis.thinking import starved
from steelyard.analysis.verdict import Marked
from steelyard.domain.campaign import Gates
from steelyard.domain.metric import Band
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.summary import VariantRow


def add(rows: Sequence[VariantRow], seats: Roster, gates: Gates) -> tuple[VariantRow, ...]:
    """Return the rows with verdicts and flips by family of each candidate, and all ratings.

    The rows are the roster's entrants, in its order.
    """
    reference = _split(seats.reference.marked)
    twin = _split(seats.twin.marked)
    candidates = {e.variant.label: _split(e.marked) for e in seats.candidates}
    floors = {
        family: verdict.floor(marked, twin.get(family, Marked()), gates)
        for family, marked in reference.items()
    }
    sides = {
        f"{label}/{family}": (reference[family], marked)
        for label, families in candidates.items()
        for family, marked in families.items()
        if family in reference
    }
    judged = verdict.judge_shown(
        sides, gates, {key: floors[key.rpartition("/")[2]] for key in sides}
    )

    def added(row: VariantRow, entrant: Entrant) -> VariantRow:
        found = _bands(row, entrant)
        rated = replace(
            row,
            bands={name: b.value for name, b in found.items() if isinstance(b, Measured)},
            unrated={
                n: b for n, b in found.items() if isinstance(b, Missing) if b.code in WITHHELD
            },
        )
        if row.role != "candidate":
            return rated
        families = sorted(candidates.get(row.variant.label, {}))
        keys = {family: f"{row.variant.label}/{family}" for family in families}
        return replace(
            rated,
            family_verdicts={f: judged[key] for f, key in keys.items() if key in judged},
            family_flips={
                family: verdict.flipped(*sides[key], gates.confidence)
                for family, key in keys.items()
                if key in judged
            },
        )

    return tuple(map(added, rows, seats.entrants))


def family_of(item: str) -> str:
    """Return the family of an item's key, which begins with its section's name."""
    return item.partition("/")[0]


def _split(marked: Marked) -> Mapping[str, Marked]:
    families: dict[str, set[str]] = {}
    for item in marked.marks:
        families.setdefault(family_of(item), set()).add(item)
    return {name: verdict.only(marked, families[name]) for name in sorted(families)}


def _bands(row: VariantRow, entrant: Entrant) -> dict[str, Reading[Band]]:
    sections: dict[str, list[Section]] = {OVERALL: list(entrant.tasks)}
    for section in entrant.tasks:
        sections.setdefault(family_of(section.name), []).append(section)
    return {
        name: rated(name, marks, starved=starved(sections.get(name, ())))
        for name, marks in {OVERALL: row.marks, **row.family_marks}.items()
        if name in BANDS
    }
