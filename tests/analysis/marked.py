"""Sets of marks with known flips, to judge."""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.analysis.verdict import Marked
from steelyard.domain.task import (
    Invalid,
    Mark,
    NotRun,
    Outcome,
    Right,
    Wrong,
    item_of,
    sample_key,
)

OUTCOMES: dict[str, Outcome] = {
    "r": Right(),
    "w": Wrong(),
    "t": Invalid("truncated"),
    "-": NotRun("the engine died"),
}


def marked(letters: str, *, cluster: int = 1) -> Marked:
    """One letter is one item: r right, w wrong, t truncated, - not run."""
    ids = [f"task/{number:05d}" for number in range(len(letters))]
    marks = {i: Mark(OUTCOMES[letter]) for i, letter in zip(ids, letters, strict=True)}
    clusters = {i: f"c{number // cluster}" for number, i in enumerate(ids)}
    return Marked(marks, clusters)


def sampled(letters: str, each: int) -> Marked:
    """One letter is one sample; so many in a row are those of one item, a cluster of its own."""
    keys = [sample_key(f"task/{n // each:05d}", n % each) for n in range(len(letters))]
    marks = {key: Mark(OUTCOMES[letter]) for key, letter in zip(keys, letters, strict=True)}
    return Marked(marks, {key: item_of(key) for key in keys})


def flipped(right: int, wrong: int, lost: int, won: int) -> tuple[Marked, Marked]:
    """A reference and a variant that differ in known flips."""
    reference = "r" * (right + lost) + "w" * (wrong + won)
    variant = "r" * right + "w" * lost + "w" * wrong + "r" * won
    return marked(reference), marked(variant)


def with_constraints(held: Sequence[Sequence[bool]]) -> Marked:
    """Items whose format constraints held or not."""
    marks = {
        f"task/{n:05d}": Mark(Right(), constraints={f"c{k}": ok for k, ok in enumerate(flags)})
        for n, flags in enumerate(held)
    }
    return Marked(marks, {i: i for i in marks})
