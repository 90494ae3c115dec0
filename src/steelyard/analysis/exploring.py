"""Which kinds of items differ between two runs: a place to look, never a verdict.

Many kinds of few items each: a correction that bounds any false alarm would find nothing, so the
share of false ones among those named is bounded instead. Not aware of how an item's kind is known.
Sources: `stats.families`; McNemar's exact test; where items of a kind share clusters, the larger p
of it and of the clustered score test of `stats.paired`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.verdict import Marked, differences
from steelyard.domain.evaluation import Explored, Kind
from steelyard.stats.families import benjamini_hochberg
from steelyard.stats.paired import flips, mcnemar_exact, p_loss_above, p_loss_below

RATE: Final = 0.05


@final
@dataclass(frozen=True, slots=True)
class _Seen:
    task: str
    kind: str
    changes: tuple[int, ...]
    p: float


def explore(
    sides: Mapping[str, tuple[Marked, Marked]],
    kinds: Mapping[str, str],
    left_out: Mapping[str, str],
) -> Explored:
    """Compare two sides kind by kind; `kinds` maps an item of `sides` to its kind."""
    seen = [found for task, both in sides.items() for found in _kinds(task, *both, kinds)]
    q_values = benjamini_hochberg([one.p for one in seen])
    rows = [
        Kind(
            task=one.task,
            kind=one.kind,
            items=len(one.changes),
            lost=sum(change > 0 for change in one.changes),
            won=sum(change < 0 for change in one.changes),
            p=one.p,
            q=q,
            differs=q <= RATE,
        )
        for one, q in zip(seen, q_values, strict=True)
    ]
    return Explored(RATE, tuple(sorted(rows, key=lambda row: (row.q, row.p))), left_out)


def _kinds(task: str, first: Marked, second: Marked, kinds: Mapping[str, str]) -> Iterator[_Seen]:
    items, seen, _, _ = differences(first, second)
    grouped: dict[str, list[tuple[int, str]]] = {}
    for item, change in zip(items, seen, strict=True):
        if item in kinds:
            owner = first.clusters.get(item, item)
            grouped.setdefault(kinds[item], []).append((change, owner))
    for kind, members in grouped.items():
        changes = tuple(change for change, _ in members)
        yield _Seen(task, kind, changes, _p(changes, [owner for _, owner in members]))


def _p(changes: tuple[int, ...], clusters: list[str]) -> float:
    exact = mcnemar_exact(sum(c > 0 for c in changes), sum(c < 0 for c in changes))
    found = flips(changes, clusters)
    if found.df is None:
        return exact
    # With three flips the score test is too sure of itself, with many of one passage the exact one.
    return max(exact, min(1.0, 2 * min(p_loss_above(found, 0.0), p_loss_below(found, 0.0))))
