"""Pass@k: how often at least one of k samples of an item is right.

Each item has an estimate of its own, of the samples that were run; the mean over items is told
with an interval clustered as the items are. Items with fewer than k samples that were run say
nothing and are left out: n counts the others. Not aware of programs: any task can be sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.reading import Missing
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, NotRun, Right, item_of
from steelyard.stats.pass_at_k import pass_at_k
from steelyard.stats.proportions import mean_share_estimate

KS: Final = (1, 5, 10)
_ONE_SAMPLE: Final = Missing(
    "seed_ignored", "all samples of an item are the same text: several are no more than one"
)


def passing(
    marks: Mapping[str, Mark], clusters: Mapping[str, str], confidence: float = 0.95
) -> dict[str, Estimate]:
    """Return an estimate for each k, as text, that some item was asked often enough for."""
    asked: dict[str, list[Mark]] = {}
    for sample in sorted(marks):
        asked.setdefault(item_of(sample), []).append(marks[sample])
    most = max(map(len, asked.values()), default=0)
    return {str(k): _passing(asked, clusters, k, confidence) for k in KS if k <= most}


def withheld(found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return pass@1 alone: samples that are all alike say no more, and the others say why."""
    none = Estimate(_ONE_SAMPLE, _ONE_SAMPLE, _ONE_SAMPLE, 0)
    return {k: each if k == "1" else none for k, each in found.items()}


def _passing(
    asked: Mapping[str, list[Mark]], clusters: Mapping[str, str], k: int, confidence: float
) -> Estimate:
    shares: list[float] = []
    owners: list[str] = []
    trials = 0
    for item, marks in asked.items():
        known = [mark for mark in marks if not isinstance(mark.outcome, NotRun)]
        if len(known) < k:
            continue
        right = sum(isinstance(mark.outcome, Right) for mark in known)
        shares.append(pass_at_k(len(known), right, k))
        owners.append(clusters.get(item, item))
        trials += len(known)
    return mean_share_estimate(shares, owners, trials, confidence)
