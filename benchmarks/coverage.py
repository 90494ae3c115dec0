"""How often the intervals of `eval` cover the truth, and how often equal runs are told apart.

`python benchmarks/coverage.py [--rounds 2000] [--seed 1]` draws runs whose truth is known and
prints a Markdown table for each question. Columns are numbers of items. Clustered items come in
passages of five (pairs at n = 14) with a correlation of 0.2 to 0.3. Shares of independent items
are not drawn but summed over every outcome.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats import betabinomial, bootstrap, families, paired, proportions
from steelyard.stats.effects import odds_of_flips
from steelyard.stats.paired import Flips

SIZES = (14, 30, 100, 500, 2000)
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95)
FLIPS = ((0.05, 0.05), (0.08, 0.05), (0.15, 0.05), (0.25, 0.05))
NULL_FAMILY, NULL_ITEMS, ALPHA = 48, 300, 0.05
HANGING = 0.3  # of a passage that is lost in part
PART = 0.4  # of its items


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rounds", type=int, default=2000)
    flags.add_argument("--seed", type=int, default=1)
    options = flags.parse_args()
    rounds, source = options.rounds, Random(options.seed)
    show("Covered, independent items", SIZES)
    for share in SHARES:
        row(f"Wilson, {share:.0%} right", [wilson_covers(n, share) for n in SIZES])
    for lost, won in FLIPS:
        row(
            f"loss, {lost:.0%} lost, {won:.0%} won",
            [loss(n, lost, won, rounds, source) for n in SIZES],
        )
        row("… odds of its flips", [odds(n, lost, won, rounds, source) for n in SIZES])
    row("bounds of six tasks, all at once", [jointly(n, rounds // 4, source) for n in SIZES])
    show("Covered, passages", SIZES)
    row(
        "share, Wilson",
        [share_covers(n, rounds // 2, source, proportions.share_estimate) for n in SIZES],
    )
    row(
        "share, beta-binomial",
        [share_covers(n, rounds // 2, source, betabinomial.clustered_share) for n in SIZES],
    )
    row("loss", [passages(n, rounds, source, by_score) for n in SIZES])
    row(
        "loss, clusters drawn again", [passages(n, rounds // 2, source, drawn_again) for n in SIZES]
    )
    alarms(rounds, source)
    row("alike within 3 points, truth is 3", [alike(n, rounds, source) for n in SIZES])


def show(title: str, heads: Sequence[object]) -> None:
    print(f"\n| {title} | {' | '.join(map(str, heads))} |\n|---|{'---|' * len(heads)}", flush=True)


def row(name: str, found: Sequence[float | None]) -> None:
    cells = ["–" if x is None else f"{100 * x:.1f}" for x in found]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def inside(found: Estimate, truth: float) -> bool | None:
    """Say whether an interval holds the truth; an open end holds everything."""
    if isinstance(found.low, Missing) and isinstance(found.high, Missing):
        return None
    low = found.low.value if isinstance(found.low, Measured) else -math.inf
    high = found.high.value if isinstance(found.high, Measured) else math.inf
    return low <= truth <= high


def covered(found: Sequence[bool | None]) -> float | None:
    """Return the share covered; None where half of the intervals or more are refused."""
    known = [x for x in found if x is not None]
    return sum(known) / len(known) if len(known) > len(found) / 2 else None


def wilson_covers(n: int, p: float) -> float:
    total = 0.0
    for k in range(n + 1):
        low, high = proportions.wilson(k, n)
        if low <= p <= high:
            log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            total += math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
    return total


def flipping(n: int, lost: float, won: float, source: Random) -> Flips:
    drawn = [source.random() for _ in range(n)]
    return Flips(sum(x < lost for x in drawn), sum(lost <= x < lost + won for x in drawn), n)


def by_score(values: Sequence[int], labels: Sequence[str], truth: float) -> bool:
    return held(paired.flips(values, labels), truth, ALPHA / 2)


def held(seen: Flips, truth: float, tail: float) -> bool:
    """Say whether the bounds at `tail` hold the truth, by their tests, which is the same."""
    above, below = paired.p_loss_above(seen, truth), paired.p_loss_below(seen, truth)
    return above >= tail and below >= tail


def loss(n: int, lost: float, won: float, rounds: int, source: Random) -> float:
    truth = lost - won
    return (
        sum(held(flipping(n, lost, won, source), truth, ALPHA / 2) for _ in range(rounds)) / rounds
    )


@cache
def odds_interval(lost: int, won: int) -> Estimate:
    return odds_of_flips([True] * won + [False] * lost)


def odds(n: int, lost: float, won: float, rounds: int, source: Random) -> float | None:
    seen = [flipping(n, lost, won, source) for _ in range(rounds)]
    return covered([inside(odds_interval(int(s.lost), int(s.won)), won / lost) for s in seen])


def jointly(n: int, rounds: int, source: Random) -> float:
    tasks = 6
    tail = ALPHA / 2 / tasks
    return (
        sum(
            all(held(flipping(n, 0.08, 0.05, source), 0.03, tail) for _ in range(tasks))
            for _ in range(rounds)
        )
        / rounds
    )


def labels_of(n: int) -> list[str]:
    size = 2 if n == SIZES[0] else 5
    return [str(item // size) for item in range(n)]


def share_covers(
    n: int,
    rounds: int,
    source: Random,
    interval: Callable[[Sequence[bool], Sequence[str]], Estimate],
) -> float | None:
    """Passages' own shares are drawn from a beta with mean 0.8 and correlation 0.2."""
    labels, found = labels_of(n), []
    for _ in range(rounds):
        shares = {label: source.betavariate(3.2, 0.8) for label in dict.fromkeys(labels)}
        hits = [source.random() < shares[label] for label in labels]
        found.append(inside(interval(hits, labels), 0.8))
    return covered(found)


def passages(
    n: int,
    rounds: int,
    source: Random,
    covers: Callable[[Sequence[int], Sequence[str], float], bool | None],
) -> float | None:
    """A passage is lost in part, won in part, or flips nothing."""
    labels, found = labels_of(n), []
    truth = PART * (HANGING - HANGING / 3)
    for _ in range(rounds):
        fates = {label: source.random() for label in dict.fromkeys(labels)}
        values = [
            0
            if source.random() >= PART
            else 1
            if fates[label] < HANGING
            else -1
            if fates[label] < HANGING * 4 / 3
            else 0
            for label in labels
        ]
        found.append(covers(values, labels, truth))
    return covered(found)


def drawn_again(values: Sequence[int], labels: Sequence[str], truth: float) -> bool | None:
    return inside(bootstrap.clustered_mean(values, labels, seed=0, draws=1000), truth)


def alarms(rounds: int, source: Random) -> None:
    """Print how often a family of equal runs has any alarm, by each way to look at it."""
    counts = dict.fromkeys(
        (
            "McNemar, none corrected",
            "McNemar, Holm",
            "worse at all, Holm's levels",
            "joint bounds without 0",
            "explored, q of 5 %",
        ),
        0,
    )
    for _ in range(rounds):
        seen = [flipping(NULL_ITEMS, 0.05, 0.05, source) for _ in range(NULL_FAMILY)]
        exact = [paired.mcnemar_exact(int(s.lost), int(s.won)) for s in seen]
        above = [paired.p_loss_above(s, 0.0) for s in seen]
        levels = families.holm_levels(above, ALPHA / 2)
        both = [2 * min(p, paired.p_loss_below(s, 0.0)) for p, s in zip(above, seen, strict=True)]
        alarmed = (
            min(exact) <= ALPHA,
            min(families.holm(exact)) <= ALPHA,
            any(p < level for p, level in zip(above, levels, strict=True)),
            min(families.bonferroni(both)) < ALPHA,
            min(families.benjamini_hochberg(exact)) <= ALPHA,
        )
        for name, fired in zip(counts, alarmed, strict=True):
            counts[name] += fired
    show(f"Any alarm in {NULL_FAMILY} null comparisons of {NULL_ITEMS} items", ("%",))
    for name, count in counts.items():
        row(name, [count / rounds])
    show("Wrongly called alike", SIZES)


def alike(n: int, rounds: int, source: Random) -> float:
    seen = [flipping(n, 0.06, 0.03, source) for _ in range(rounds)]
    return sum(paired.p_not_equivalent(s, s, 0.03) < ALPHA / 2 for s in seen) / rounds


if __name__ == "__main__":
    main()
