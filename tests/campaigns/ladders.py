"""Whole choices played on marks that are known: drawn from a stated truth, or recorded once."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from steelyard.analysis.anytime import Known
from steelyard.campaigns.choosing import REFERENCE, Choosing, Rules
from steelyard.domain.campaign import Gates
from steelyard.stats.families import holm
from steelyard.stats.paired import Flips, p_loss_below

RIGHT = 0.75  # of the reference's answers
ITEMS = 1600

# Shares of items lost and won by each candidate, cheapest first.
LADDERS: Mapping[str, Sequence[tuple[float, float]]] = {
    "a usual ladder of seven": (
        *((0.25, 0.05), (0.10, 0.02), (0.05, 0.02), (0.03, 0.02)),
        *((0.02, 0.015), (0.01, 0.01), (0.004, 0.004)),
    ),
    "a steep one of five": ((0.5, 0.02), (0.3, 0.03), (0.2, 0.03), (0.02, 0.02), (0.01, 0.01)),
    "a gentle one of five": (
        *((0.12, 0.02), (0.04, 0.03), (0.02, 0.015), (0.01, 0.01), (0.004, 0.004)),
    ),
    "five, each at the margin": ((0.05, 0.02),) * 5,
    "a noisy one of five": (
        *((0.12, 0.02), (0.05, 0.035), (0.04, 0.03), (0.03, 0.02), (0.01, 0.01)),
    ),
}


@dataclass(frozen=True)
class Played:
    """What one choice came to: the place of the chosen candidate, and the share not asked."""

    chosen: int | None
    saved: float
    machine: Choosing


def play(rows: Sequence[Sequence[Known]], margin: float = 0.03, *, fixed: bool = False) -> Played:
    """Choose on known marks: the reference's row first, then the candidates', cheapest first."""
    labels = [f"c{number}" for number in range(len(rows) - 1)]
    items = len(rows[0])
    machine = Choosing(labels, Rules(items, Gates(margin=margin), fixed=fixed))
    while (ask := machine.next()) is not None:
        row = rows[0] if ask.label == REFERENCE else rows[1 + labels.index(ask.label)]
        machine.take(ask.label, row[ask.start : ask.stop])
    asked = sum(machine.asked(label) for label in (REFERENCE, *labels))
    chosen = None if machine.chosen is None else labels.index(machine.chosen)
    return Played(chosen, 1 - asked / (items * len(rows)), machine)


def drawn(ladder: Sequence[tuple[float, float]], source: Random) -> list[list[Known]]:
    """Draw the marks of one campaign whose truth is the ladder's."""
    reference: list[Known] = [source.random() < RIGHT for _ in range(ITEMS)]
    rows = [reference]
    for lost, won in ladder:
        rows.append(
            [
                source.random() >= lost / RIGHT if right else source.random() < won / (1 - RIGHT)
                for right in reference
            ]
        )
    return rows


def judged_once(rows: Sequence[Sequence[Known]], margin: float = 0.03) -> int | None:
    """Return what a fixed plan chooses, by its bare formula: Tango's test, corrected by Holm."""
    p_values = []
    for row in rows[1:]:
        lost = sum(bool(ours and not theirs) for ours, theirs in zip(rows[0], row, strict=True))
        won = sum(bool(theirs and not ours) for ours, theirs in zip(rows[0], row, strict=True))
        p_values.append(p_loss_below(Flips(lost, won, len(row)), margin))
    return next((place for place, p in enumerate(holm(p_values)) if p <= 0.025), None)


@dataclass(frozen=True)
class Many:
    """What many choices came to, as shares of them: of requests saved, of false winners, of the
    same choice as all items judged once, and of false winners among those."""

    saved: float
    false: float
    same: float
    false_fixed: float


def campaigns(name: str, rounds: int, seed: int) -> Many:
    """Choose on `rounds` drawn campaigns; a false winner loses the margin or more."""
    ladder, source = LADDERS[name], Random(seed)
    saved, early, fixed = 0.0, list[int | None](), list[int | None]()
    for _ in range(rounds):
        rows = drawn(ladder, source)
        found = play(rows)
        saved += found.saved
        early.append(found.chosen)
        fixed.append(judged_once(rows))
    bad = {place for place, (lost, won) in enumerate(ladder) if lost - won > 0.03 - 1e-9}
    return Many(
        saved / rounds,
        sum(place in bad for place in early) / rounds,
        sum(map(operator.eq, early, fixed)) / rounds,
        sum(place in bad for place in fixed) / rounds,
    )


def recorded() -> list[list[Known]]:
    """Return what the bundled model's ladder really answered: F16 first, then cheapest first."""
    kept = json.loads(Path(__file__).with_name("bundled_ladder.json").read_text())
    names = [kept["reference"], *kept["order"]]
    return [[mark == "1" for mark in kept["right"][name]] for name in names]


def replays(margin: float, rounds: int, seed: int) -> tuple[float, float]:
    """Return how often a choice in shuffled order agrees with the full matrix, and the saving."""
    rows, source = recorded(), Random(seed)
    whole = play(rows, margin, fixed=True).chosen
    same, saved = 0, 0.0
    for _ in range(rounds):
        order = source.sample(range(len(rows[0])), len(rows[0]))
        found = play([[row[at] for at in order] for row in rows], margin)
        same += found.chosen == whole
        saved += found.saved
    return same / rounds, saved / rounds
