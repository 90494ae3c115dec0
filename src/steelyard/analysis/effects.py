"""How large a paired difference is, and whether two sides are shown to be alike.

Beside the verdict, never in place of it. Equivalence takes the verdict's own error on each side,
so what is called alike never loses the margin or more by the verdict. Samples of one item are no
independent flips, for which the interval of the odds is made. Not aware of runs or tasks.
Sources: `stats.effects`, `stats.paired`, `stats.families`, `stats.bootstrap`,
`stats.betabinomial`, `stats.likely`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from steelyard.analysis.verdict import Marked, Pairs
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Effect, Equivalence
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Right, item_of
from steelyard.stats import betabinomial, bootstrap, likely
from steelyard.stats.effects import cohens_h, odds_of_flips
from steelyard.stats.families import holm
from steelyard.stats.paired import lower_bound, p_not_equivalent, upper_bound

_SEED: Final = 0
_ALONE: Final = Missing("own_clusters", "no item shares a cluster with another")
SAMPLED: Final = Missing("sampled", "samples of an item hang together")


def effects(sides: Mapping[str, tuple[Marked, Pairs]], gates: Gates) -> dict[str, Effect]:
    """Size each pair, given as its first side and what is paired; they share one error budget."""
    alpha = (1 - gates.confidence) / 2
    raw = [p_not_equivalent(pairs.worst, pairs.best, gates.margin) for _, pairs in sides.values()]
    adjusted = holm(raw)
    found = {}
    for place, (name, (first, pairs)) in enumerate(sides.items()):
        shown = adjusted[place] < alpha and not pairs.too_few_run
        alike = Equivalence(gates.margin, raw[place], adjusted[place], shown)
        found[name] = _effect(first, pairs, alike, alpha / len(sides), gates.confidence)
    return found


def sampled(samples: Iterable[str]) -> bool:
    """Return whether any item was asked more than once."""
    return any(item_of(sample) != sample for sample in samples)


def _effect(
    first: Marked, pairs: Pairs, alike: Equivalence, joint: float, confidence: float
) -> Effect:
    n, alpha = len(pairs.seen), (1 - confidence) / 2
    before = [isinstance(first.marks[item].outcome, Right) for item in pairs.items]
    after = [bool(was - change) for was, change in zip(before, pairs.seen, strict=True)]
    flipped = [
        (change < 0, cluster)
        for change, cluster in zip(pairs.seen, pairs.clusters, strict=True)
        if change
    ]
    odds = odds_of_flips(
        [won for won, _ in flipped], [cluster for _, cluster in flipped], confidence
    )
    return Effect(
        h=cohens_h(sum(before) / n, sum(after) / n),
        odds=replace(odds, low=SAMPLED, high=SAMPLED) if sampled(pairs.items) else odds,
        joint=_loss(pairs, lower_bound(pairs.best, joint), upper_bound(pairs.worst, joint)),
        equivalence=alike,
        resampled=_resampled(pairs, confidence),
        first_share=_share(before, pairs, confidence),
        second_share=_share(after, pairs, confidence),
        likely=_loss(pairs, *likely.bounds(pairs.best, pairs.worst, alpha)),
        likely_joint=_loss(pairs, *likely.bounds(pairs.best, pairs.worst, joint)),
    )


def _loss(pairs: Pairs, low: float, high: float) -> Estimate:
    value = sum(pairs.seen) / len(pairs.seen)
    # The prior of what is likely keeps its ends off -1 and 1, where the loss seen may be.
    low_known = Measured(min(low, value), "derived")
    high_known = Measured(max(high, value), "derived")
    return Estimate(Measured(value, "derived"), low_known, high_known, len(pairs.seen))


def _resampled(pairs: Pairs, confidence: float) -> Reading[Estimate]:
    if len(set(pairs.clusters)) == len(pairs.items):
        return _ALONE
    found = bootstrap.clustered_mean(pairs.seen, pairs.clusters, seed=_SEED, confidence=confidence)
    return Measured(found, "derived")


def _share(hits: list[bool], pairs: Pairs, confidence: float) -> Reading[Estimate]:
    if len(set(pairs.clusters)) == len(pairs.items):
        return _ALONE
    return Measured(betabinomial.clustered_share(hits, pairs.clusters, confidence), "derived")
