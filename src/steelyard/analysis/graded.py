"""What is kept by degrees, beside right and wrong, run against run: forms, and a judge's scores.

Not aware of verdicts. Sources: `stats.paired`; `stats.bootstrap`; Cohen's d of paired differences,
`stats.effects`.
"""

from __future__ import annotations

from statistics import fmean

from steelyard.analysis.marks import forms
from steelyard.analysis.verdict import Marked
from steelyard.domain.evaluation import Graded
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark
from steelyard.stats.bootstrap import clustered_mean
from steelyard.stats.effects import cohens_d
from steelyard.stats.paired import loss_interval


def formats(first: Marked, second: Marked, confidence: float) -> Graded:
    """Return the share of forms that the second run lost, and how large that is by items."""
    pairs = [
        (_kept(first.marks[item]), _kept(second.marks[item]))
        for item in sorted(first.marks.keys() & second.marks.keys())
    ]
    lost = [mine - theirs for mine, theirs in pairs if mine is not None and theirs is not None]
    return Graded(adherence_loss(first, second, confidence), cohens_d(lost))


def judge_scores(first: Marked, second: Marked, confidence: float) -> Graded:
    """Return what the second run lost of a judge's score, by items that both have a score of."""
    lost, clusters = [], []
    for item in sorted(first.marks.keys() & second.marks.keys()):
        mine, theirs = first.marks[item].judge, second.marks[item].judge
        if isinstance(mine, Measured) and isinstance(theirs, Measured):
            lost.append(mine.value - theirs.value)
            clusters.append(first.clusters.get(item, item))
    return Graded(clustered_mean(lost, clusters, seed=0, confidence=confidence), cohens_d(lost))


def adherence_loss(reference: Marked, candidate: Marked, confidence: float) -> Estimate:
    """Estimate the share of format constraints lost, paired by item and constraint."""
    lost: list[int] = []
    clusters: list[str] = []
    for item in sorted(set(reference.marks) & set(candidate.marks)):
        ours, theirs = forms(reference.marks[item]), forms(candidate.marks[item])
        for name in sorted(set(ours) & set(theirs)):
            lost.append(int(ours[name]) - int(theirs[name]))
            clusters.append(reference.clusters.get(item, item))
    if not lost:
        none = Missing("no_paired_items", "no format constraint was judged on both sides")
        return Estimate(none, none, none, 0)
    half = (1 - confidence) / 2
    found = loss_interval(lost, clusters, half, half)
    return Estimate(
        Measured(found.loss, "derived"),
        Measured(found.low, "derived"),
        Measured(found.high, "derived"),
        found.items,
    )


def _kept(mark: Mark) -> float | None:
    """Return the share of an item's forms that held; None where it demands none, or was cut."""
    return fmean(held.values()) if (held := forms(mark)) else None
