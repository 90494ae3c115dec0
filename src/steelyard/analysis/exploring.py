"""Which kinds of items differ between two runs: a place to look, never a verdict.

Many kinds of few items each: a correction that bounds any false alarm would find nothing, so the
share of false ones among those named is bounded instead. Not aware of how an item's kind is known.
Sources: `stats.families`; McNemar's exact test, to which the samples of an item are one flip, the
way that most of them went; where items of a kind share clusters, the larger p of it and of the
clustered score test of `stats.paired`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.verdict import Marked, differences
from steelyard.domain.evaluation import Explored, Kind
from steelyard.domain.task import item_of
from steelyard.stats.families import benjamini_hochberg
from steelyard.stats.paired import flips, mcnemar_exact, p_loss_above, p_loss_below

RATE: Final = 0.05


@final
@dataclass(frozen=True, slots=True)
class _Seen:
    task: str
    kind: str
    items: int
    lost: int
    won: int
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
            items=one.items,
            lost=one.lost,
            won=one.won,
            p=one.p,
            q=q,
            differs=q <= RATE,
        )
        for one, q in zip(seen, q_values, strict=True)
    ]
    return Explored(RATE, tuple(sorted(rows, key=lambda row: (row.q, row.p))), left_out)


def _kinds(task: str, first: Marked, second: Marked, kinds: Mapping[str, str]) -> Iterator[_Seen]:
    samples, seen, _, _ = differences(first, second)
    grouped: dict[str, dict[str, int]] = {}
    for sample, change in zip(samples, seen, strict=True):
        if sample in kinds:
            grouped.setdefault(kinds[sample], {})[sample] = change
    for kind, changes in grouped.items():
        clusters = [first.clusters.get(sample, sample) for sample in changes]
        yield _seen(task, kind, changes, clusters)


def _seen(task: str, kind: str, changes: Mapping[str, int], clusters: list[str]) -> _Seen:
    net = Counter[str]()
    for sample, change in changes.items():
        net[item_of(sample)] += change
    lost, won = sum(c > 0 for c in net.values()), sum(c < 0 for c in net.values())
    p, found = mcnemar_exact(lost, won), flips(tuple(changes.values()), clusters)
    if found.df is not None:
        # With three flips the score test is too sure, with many of one passage the exact one.
        p = max(p, min(1.0, 2 * min(p_loss_above(found, 0.0), p_loss_below(found, 0.0))))
    return _Seen(task, kind, len(net), lost, won, p)
