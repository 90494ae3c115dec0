"""How often the intervals of `eval` cover the truth, and how often verdicts are wrong.

`python benchmarks/coverage.py [--rounds 2000] [--seed 1] [--only TABLE …]` draws runs whose truth
is known and prints a Markdown table for each question; columns are numbers of items. `drawn` takes
another plausible truth for every run, `elsewhere` milder and harsher ones, `fixed` one truth for a
row, `others` sums two other intervals over every outcome of few items, `verdicts` counts wrong
ones, `alarms` those in families of equal runs. How runs are drawn: `truths.py`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from random import Random
from statistics import fmean

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate
from steelyard.stats import (
    betabinomial,
    bootstrap,
    families,
    likely,
    paired,
    proportions,
    unpaired,
)
from steelyard.stats.effects import odds_of_flips
from steelyard.stats.means import skewed_mean
from steelyard.stats.paired import Flips
from steelyard.stats.ratios import ratio_estimate
from truths import SIZES, Truth, changes, changes_alone, hits, labels_of, plausible
from unconditional import WAYS, Outcomes, said

ALPHA, TASKS = 0.05, 6
NULL_FAMILY, NULL_ITEMS = 48, 300
VERDICT_ITEMS = (150, 300, 600, 2000)
MARGIN = 0.03
ROOTS = (0.5, 0.7, 0.8, 0.9, 0.95)
FLIPS = ((0.05, 0.05), (0.15, 0.05), (0.25, 0.05))

Seen = tuple[bool | None, float | None]
Kind = Callable[[int, Truth, Random], Seen]


def main() -> None:
    tables = {"drawn": drawn, "elsewhere": elsewhere, "fixed": fixed, "others": others}
    tables |= {"verdicts": verdicts, "alarms": alarms}
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rounds", type=int, default=2000)
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--only", nargs="+", choices=tables, default=list(tables))
    options = flags.parse_args()
    for name in options.only:
        tables[name](options.rounds, options.seed)


def show(title: str, heads: Sequence[object]) -> None:
    print(f"\n| {title} | {' | '.join(map(str, heads))} |\n|---|{'---|' * len(heads)}", flush=True)


def row(name: str, cells: Sequence[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def percents(found: Sequence[float]) -> list[str]:
    return [f"{100 * x:.1f}" for x in found]


# The intervals


def seen(found: Estimate, truth: float) -> Seen:
    """Say whether an interval holds the truth, and how wide it is; an open end holds everything."""
    low, high = found.low, found.high
    if isinstance(low, Missing) and isinstance(high, Missing):
        return None, None
    above = isinstance(low, Missing) or low.value <= truth
    below = isinstance(high, Missing) or truth <= high.value
    if isinstance(low, Missing) or isinstance(high, Missing):
        return above and below, None
    return above and below, high.value - low.value


def share(n: int, truth: Truth, source: Random) -> Seen:
    return seen(share_of(sum(source.random() < truth.share for _ in range(n)), n), truth.share)


@cache
def share_of(k: int, n: int) -> Estimate:
    return proportions.share_estimate([True] * k + [False] * (n - k))


def passages(
    interval: Callable[[list[bool], list[str]], Estimate], n: int, truth: Truth, source: Random
) -> Seen:
    labels = labels_of(n)
    return seen(interval(hits(labels, truth, source), labels), truth.share)


def sampled(n: int, truth: Truth, source: Random) -> Seen:
    """Pass@1 of four samples an item: the samples of one item hang together."""
    owners = [str(item) for item in range(n) for _ in range(4)]
    right = hits(owners, truth, source)
    shares = [fmean(right[4 * item : 4 * item + 4]) for item in range(n)]
    names = [str(item) for item in range(n)]
    return seen(proportions.mean_share_estimate(shares, names, 4 * n), truth.share)


def loss(n: int, truth: Truth, source: Random) -> Seen:
    return bounds(paired.flips(changes_alone(n, truth, source)), truth.loss, ALPHA / 2)


def passages_loss(n: int, truth: Truth, source: Random) -> Seen:
    labels = labels_of(n)
    return bounds(paired.flips(changes(labels, truth, source), labels), truth.loss, ALPHA / 2)


@cache
def ends(found: Flips, tail: float) -> tuple[float, float]:
    return paired.lower_bound(found, tail), paired.upper_bound(found, tail)


def bounds(found: Flips, truth: float, tail: float) -> Seen:
    low, high = ends(found, tail)
    return low <= truth <= high, high - low


def six(n: int, truth: Truth, source: Random) -> Seen:
    tail = ALPHA / 2 / TASKS
    found = [
        bounds(paired.flips(changes_alone(n, truth, source)), truth.loss, tail)
        for _ in range(TASKS)
    ]
    return all(inside for inside, _ in found), found[0][1]


@cache
def likely_ends(found: Flips, tail: float) -> tuple[float, float]:
    return likely.bounds(found, found, tail)


def likely_loss(n: int, truth: Truth, source: Random, tail: float = ALPHA / 2) -> Seen:
    low, high = likely_ends(paired.flips(changes_alone(n, truth, source)), tail)
    return low <= truth.loss <= high, high - low


def likely_six(n: int, truth: Truth, source: Random) -> Seen:
    found = [likely_loss(n, truth, source, ALPHA / 2 / TASKS) for _ in range(TASKS)]
    return all(inside for inside, _ in found), found[0][1]


def likely_passages(n: int, truth: Truth, source: Random) -> Seen:
    labels = labels_of(n)
    found = paired.flips(changes(labels, truth, source), labels)
    low, high = likely_ends(found, ALPHA / 2)
    return low <= truth.loss <= high, high - low


def again(n: int, truth: Truth, source: Random) -> Seen:
    labels = labels_of(n)
    values = changes(labels, truth, source)
    return seen(bootstrap.clustered_mean(values, labels, seed=0, draws=1000), truth.loss)


def odds(n: int, truth: Truth, source: Random) -> Seen:
    values = changes_alone(n, truth, source)
    return log_width(odds_of(values.count(1), values.count(-1)), truth)


@cache
def odds_of(lost: int, won: int) -> Estimate:
    return odds_of_flips([True] * won + [False] * lost)


def passages_odds(n: int, truth: Truth, source: Random) -> Seen:
    labels = labels_of(n)
    flipped = [
        (change < 0, label)
        for change, label in zip(changes(labels, truth, source), labels, strict=True)
        if change
    ]
    return log_width(odds_of_flips([won for won, _ in flipped], [at for _, at in flipped]), truth)


def log_width(found: Estimate, truth: Truth) -> Seen:
    """Return by what factor the ends of odds differ, in powers of ten, in place of a width."""
    inside, _ = seen(found, truth.won / truth.lost)
    low, high = found.low, found.high
    if isinstance(low, Measured) and isinstance(high, Measured) and low.value > 0:
        return inside, math.log10(high.value / low.value)
    return inside, None


def gap(n: int, truth: Truth, source: Random) -> Seen:
    labels = [str(item) for item in range(n)]
    return gap_of(labels, truth, source, lambda of: [source.random() < of.share for _ in labels])


def passages_gap(n: int, truth: Truth, source: Random) -> Seen:
    labels = labels_of(n)
    return gap_of(labels, truth, source, lambda of: hits(labels, of, source))


def gap_of(
    labels: list[str], truth: Truth, source: Random, drawn: Callable[[Truth], list[bool]]
) -> Seen:
    """Other items of the same making; none is known better in half of the runs."""
    known = max(0.0, truth.loss) if source.random() < 1 / 2 else 0.0
    public = replace(truth, share=min(0.98, truth.share + known))
    found = unpaired.shares(drawn(public), drawn(truth), labels, labels)
    low, high = unpaired.interval(found)
    return low <= public.share - truth.share <= high, high - low


def seconds(n: int, _: Truth, source: Random) -> Seen:
    """Times of answers, lognormal: their spread is half of their size."""
    times = [source.lognormvariate(-0.125, 0.5) for _ in range(n)]
    return seen(skewed_mean(times), 1.0)


def tokens(n: int, _: Truth, source: Random) -> Seen:
    """Output tokens of one run by those of another: half of the spread is the item's own."""
    items = [source.gauss(0, 0.4) for _ in range(n)]
    first, second = ([math.exp(x + source.gauss(0, 0.4)) for x in items] for _ in range(2))
    return seen(ratio_estimate(first, second), 1.0)


KINDS: dict[str, tuple[Kind, int]] = {
    "share, Wilson": (share, 1),
    "share, Wilson, passages": (partial(passages, proportions.share_estimate), 1),
    "share, beta-binomial, passages": (partial(passages, betabinomial.clustered_share), 4),
    "pass@1, four samples an item": (sampled, 2),
    "likely loss": (likely_loss, 1),
    "likely loss, passages": (likely_passages, 1),
    "likely losses of six tasks, all at once": (likely_six, 4),
    "loss": (loss, 1),
    "loss, passages": (passages_loss, 1),
    "loss, passages drawn again": (again, 2),
    "bounds of six tasks, all at once": (six, 2),
    "odds of flips": (odds, 1),
    "odds of flips, passages": (passages_odds, 1),
    "gap": (gap, 1),
    "gap, passages": (passages_gap, 1),
    "mean of seconds": (seconds, 2),
    "ratio of tokens": (tokens, 2),
}


# The tables


def cell(kind: Kind, n: int, truths: Callable[[Random], Truth], rounds: int, source: Random) -> str:
    """Return what is covered and the mean width; nothing where half or more are refused."""
    found = [kind(n, truths(source), source) for _ in range(rounds)]
    known = [inside for inside, _ in found if inside is not None]
    widths = [width for _, width in found if width is not None]
    if len(known) <= rounds / 2:
        return "–"
    return f"{100 * sum(known) / len(known):.1f} ({fmean(widths):.2f})"


def drawn(rounds: int, seed: int) -> None:
    show("Covered (mean width), truths drawn", SIZES)
    for name, (kind, fewer) in KINDS.items():
        source = Random(f"{seed} {name}")
        row(name, [cell(kind, n, plausible, rounds // fewer, source) for n in SIZES])


def elsewhere(rounds: int, seed: int) -> None:
    """Print how the likely loss does where the truths of `drawn` are not those of the models."""
    show("Covered (mean width), other truths", SIZES)
    kinds = ("likely loss", "likely loss, passages", "likely losses of six tasks, all at once")
    for told, (lost, won) in {
        "at most 10% lost, 5% won": (0.1, 0.05),
        "at most 60% lost, 30% won": (0.6, 0.3),
    }.items():
        for name in kinds:
            kind, fewer = KINDS[name]
            source = Random(f"{seed} {name} {told}")
            truths = partial(plausible, lost=lost, won=won)
            cells = [cell(kind, n, truths, rounds // max(2, fewer), source) for n in SIZES]
            row(f"{name}, {told}", cells)


def fixed(rounds: int, seed: int) -> None:
    show("Covered (mean width), one truth", SIZES)
    for right in ROOTS:
        row(f"share, Wilson, {right:.0%} right", percents([wilson_covers(n, right) for n in SIZES]))
    rows = [
        (name, f"{lost:.0%} lost, {won:.0%} won", Truth(lost=lost, won=won))
        for lost, won in FLIPS
        for name in ("likely loss", "loss", "odds of flips")
    ]
    shares = ("share, Wilson, passages", "share, beta-binomial, passages")
    losses = ("likely loss, passages", "loss, passages")
    losses += ("loss, passages drawn again",)
    rows += [(name, "80% right", Truth(share=0.8)) for name in shares]
    rows += [(name, "15% lost, 5% won", Truth(lost=0.15)) for name in losses]
    for name, told, truth in rows:
        kind, fewer = KINDS[name]
        source = Random(f"{seed} {name} {told}")

        def known(_: Random, truth: Truth = truth) -> Truth:
            return truth

        row(f"{name}, {told}", [cell(kind, n, known, rounds // fewer, source) for n in SIZES])


def wilson_covers(n: int, p: float) -> float:
    """Return the chance, summed over every outcome."""
    total = 0.0
    for k in range(n + 1):
        low, high = proportions.wilson(k, n)
        if low <= p <= high:
            log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            total += math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
    return total


def others(rounds: int, seed: int) -> None:
    """Print what two other intervals of the loss cover, and how often one bound misses at worst."""
    source = Random(seed)
    show("Loss of few items, by way", (*WAYS,))
    for n, count in ((14, rounds // 4), (30, rounds // 16)):
        outcomes = Outcomes(n)
        truths = [plausible(source) for _ in range(count)]
        mean = [outcomes.missed(t.lost, t.won, ALPHA / 2) for t in truths]
        row(
            f"{n} items: covered, truths drawn",
            percents([1 - fmean(sum(one[way]) for one in mean) for way in WAYS]),
        )
        steps = [step / 100 for step in range(1, 61 if n < SIZES[1] else 31)]
        worst = [outcomes.missed(at + won, won, ALPHA / 2) for won in (0.0, 0.1) for at in steps]
        row(
            f"{n} items: upper bound below the truth, at the worst truth",
            percents([max(one[way][0] for one in worst) for way in WAYS]),
        )


def verdicts(rounds: int, seed: int) -> None:
    """Print how often something untrue is shown; without passages every outcome is summed."""
    show("Wrong verdicts, 2.5 % allowed", VERDICT_ITEMS)

    def passages_row(told: str, truth: Truth, shown: Callable[[Flips], bool]) -> None:
        source = Random(f"{seed} {told} {truth}")
        found = [runs(n, truth, rounds, source, 5) for n in VERDICT_ITEMS]
        row(told, percents([fmean(map(shown, one)) for one in found]))

    for won in (0.0, 0.03):
        lost = MARGIN + won
        told = f"under 3 points, truth is 3 ({lost:.0%} lost, {won:.0%} won)"
        row(told, percents([said(n, (lost, won), under=MARGIN) for n in VERDICT_ITEMS]))
        for alike in (0.1, 0.2, 0.3):
            passages_row(
                f"… passages, correlation {alike}",
                Truth(lost=lost, won=won, alike=alike),
                lambda one: paired.p_loss_below(one, MARGIN) < ALPHA / 2,
            )
    row(
        "worse, truth is equal (5% lost, 5% won)",
        percents([said(n, (0.05, 0.05), over=0.0) for n in VERDICT_ITEMS]),
    )
    passages_row(
        "… passages, correlation 0.2",
        Truth(lost=0.05, won=0.05),
        lambda one: paired.p_loss_above(one, 0.0) < ALPHA / 2,
    )
    row(
        "alike within 3 points, truth is 3 (6% lost, 3% won)",
        percents([said(n, (0.06, 0.03), MARGIN, -MARGIN) for n in VERDICT_ITEMS]),
    )


def runs(n: int, truth: Truth, rounds: int, source: Random, size: int) -> list[Flips]:
    if size == 1:
        return [paired.flips(changes_alone(n, truth, source)) for _ in range(rounds)]
    labels = [str(item // size) for item in range(n)]
    return [paired.flips(changes(labels, truth, source), labels) for _ in range(rounds)]


def alarms(rounds: int, seed: int) -> None:
    """Print how often a family of equal runs has any alarm, by each way to look at it."""
    source = Random(seed)
    show(f"Any alarm in {NULL_FAMILY} null comparisons of {NULL_ITEMS} items", ("%", "passages, %"))
    found = [alarmed(rounds // count, source, size) for size, count in ((1, 2), (5, 8))]
    for name in found[0]:
        row(name, [f"{100 * one[name]:.1f}" if name in one else "–" for one in found])


def alarmed(rounds: int, source: Random, size: int) -> dict[str, float]:
    """Return the share of families with any alarm; an exact test knows nothing of passages."""
    equal = Truth(lost=0.05, won=0.05)
    counts: dict[str, int] = {}
    for _ in range(rounds):
        found = runs(NULL_ITEMS, equal, NULL_FAMILY, source, size)
        above = [paired.p_loss_above(one, 0.0) for one in found]
        levels = families.holm_levels(above, ALPHA / 2)
        both = [2 * min(p, paired.p_loss_below(x, 0.0)) for p, x in zip(above, found, strict=True)]
        fired = {
            "worse at all, Holm's levels": any(p < q for p, q in zip(above, levels, strict=True)),
            "joint bounds without 0": min(families.bonferroni(both)) < ALPHA,
        }
        if size == 1:
            exact = [paired.mcnemar_exact(int(one.lost), int(one.won)) for one in found]
            fired |= {
                "McNemar, none corrected": min(exact) <= ALPHA,
                "McNemar, Holm": min(families.holm(exact)) <= ALPHA,
                "explored, q of 5 %": min(families.benjamini_hochberg(exact)) <= ALPHA,
            }
        for name, one in fired.items():
            counts[name] = counts.get(name, 0) + one
    return {name: count / rounds for name, count in counts.items()}


if __name__ == "__main__":
    main()
