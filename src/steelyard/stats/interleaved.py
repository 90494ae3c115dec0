"""Two candidates taken in turns, A B B A, so that heat and drift fall on both alike.

A turn is one run of several requests against A or against B; a block is four turns, two of each,
in an order that takes out a steady drift. What is compared is the ratio B / A of each block. More
candidates than two take turns in rounds. Not aware of what was measured; values are above zero.
Sources: the paired t interval on log-ratios, any textbook; variance components by the one-way
analysis of variance; the pilot's upper bound for its own spread, R. H. Browne, Statistics in
Medicine 14 (1995) 1933-1940; the noncentral t by its definition.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean, variance
from steelyard.stats.special import bisect, chi2_quantile, normal_cdf, t_cdf, t_quantile

TURNS_PER_BLOCK: Final = 4
_PAIR: Final = 2
_STEPS: Final = 400
# In standard errors: two blocks at 99.9 % would take a difference of 1,200.
_FARTHEST: Final = 1e5


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """Relative spreads (standard deviations of logarithms) that a pilot of one candidate found.

    `within` is that from request to request of one turn, `between` what turns differ by on top of
    it, `turns` and `per_turn` what the pilot rests on.
    """

    within: float
    between: float
    turns: int
    per_turn: float


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """B / A with its interval, n counting blocks, and the two-sided p of "they are equal"."""

    ratio: Estimate
    p_value: Reading[float]


def order(blocks: int, seed: int) -> str:
    """Return the turns of all blocks, half of them ABBA and half BAAB, in an order from `seed`."""
    first = random.Random(seed)
    kinds = [("ABBA", "BAAB")[number % 2] for number in range(blocks)]
    if blocks % 2:
        kinds[-1] = first.choice(("ABBA", "BAAB"))
    first.shuffle(kinds)
    return "".join(kinds)


def rounds(settings: int, count: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Return (round, setting) of every turn, each setting once a round, in an order from `seed`.

    Every second round goes backwards through the one before it, which takes out a steady drift.
    """
    draw = random.Random(seed)
    found: list[tuple[int, int]] = []
    way = list(range(settings))
    for number in range(count):
        if number % 2:
            way.reverse()
        else:
            draw.shuffle(way)
        found += [(number, setting) for setting in way]
    return tuple(found)


def pairs(turns: str, values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Fold one value per turn into one (A, B) per block: the geometric mean of either's two."""
    if len(turns) != len(values) or len(turns) % TURNS_PER_BLOCK:
        raise ValueError(f"{len(values)} values do not fill blocks of the order {turns!r}")
    found: list[tuple[float, float]] = []
    for begin in range(0, len(turns), TURNS_PER_BLOCK):
        block = list(
            zip(
                turns[begin : begin + TURNS_PER_BLOCK],
                values[begin : begin + TURNS_PER_BLOCK],
                strict=True,
            )
        )
        a, b = (math.prod(v for turn, v in block if turn == name) ** 0.5 for name in "AB")
        found.append((a, b))
    return tuple(found)


def pilot(turns: Sequence[Sequence[float]]) -> Reading[Spread]:
    """Take the spreads from the requests of several turns of one and the same candidate."""
    if any(value <= 0 for turn in turns for value in turn):
        return Missing("not_positive", "a relative spread needs values above zero")
    logs = [[math.log(value) for value in turn] for turn in turns]
    if len(logs) < _PAIR or any(len(turn) < _PAIR for turn in logs):
        return Missing("too_few_samples", "a pilot takes 2 turns of 2 requests each")
    n = sum(len(turn) for turn in logs)
    inside = math.fsum(variance(turn) * (len(turn) - 1) for turn in logs) / (n - len(logs))
    # Turns of unlike length count by their harmonic mean, that of the error of their means.
    per_turn = len(logs) / math.fsum(1 / len(turn) for turn in logs)
    outside = max(0.0, variance([mean(turn) for turn in logs]) - inside / per_turn)
    return Measured(Spread(math.sqrt(inside), math.sqrt(outside), len(logs), per_turn), "derived")


def mde(
    spread: Spread,
    blocks: int,
    per_turn: int,
    confidence: float = 0.95,
    power: float = 0.8,
) -> Reading[float]:
    """Return the smallest relative difference that so many blocks find with `power`.

    A pilot of few turns may have met a quiet moment: its spread enters with the upper bound that
    holds with probability `power`, so that the promise does too.
    """
    df = blocks - 1
    if df < 1:
        return Missing("too_few_blocks", f"a comparison takes 2 blocks; there are {blocks}")
    doubt = math.sqrt((spread.turns - 1) / chi2_quantile(1 - power, spread.turns - 1))
    # Two turns a side and two sides: their mean's variance and the difference's cancel out.
    turn = math.sqrt(spread.between**2 + spread.within**2 / per_turn)
    errors = _errors_found(df, confidence, power)
    return Measured(math.expm1(errors * doubt * turn / math.sqrt(blocks)), "derived")


def compare(measured: Sequence[tuple[float, float]], confidence: float = 0.95) -> Comparison:
    """Estimate B / A from one (A, B) per block."""
    n = len(measured)
    if any(min(pair) <= 0 for pair in measured):
        return _nothing(
            n, Missing("not_positive", "a ratio needs values above zero on either side")
        )
    if n == 0:
        return _nothing(n, Missing("no_samples", "no block was measured"))
    logs = [math.log(b / a) for a, b in measured]
    centre = mean(logs)
    value = Measured(math.exp(centre), "derived")
    if n < _PAIR:
        few = Missing("too_few_blocks", "one block has no spread")
        return Comparison(Estimate(value, few, few, n), few)
    error = math.sqrt(variance(logs) / n)
    half = t_quantile(0.5 + confidence / 2, n - 1) * error
    low, high = math.exp(centre - half), math.exp(centre + half)
    estimate = Estimate(value, Measured(low, "derived"), Measured(high, "derived"), n)
    return Comparison(estimate, Measured(_p_value(centre, error, n), "derived"))


@functools.cache
def _errors_found(df: int, confidence: float, power: float) -> float:
    """Return how many standard errors a t test finds with `power`."""
    return bisect(lambda errors: _power(errors, df, confidence) < power, 0.0, _FARTHEST)


def _power(errors: float, df: int, confidence: float) -> float:
    """Return how often a t test finds a difference of so many (true) standard errors.

    The upper tail of the noncentral t: the normal law, averaged over the spreads that a sample of
    `df` degrees of freedom may show (in units of the true one).
    """
    critical = t_quantile(0.5 + confidence / 2, df)
    constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    step = (1 + 8 / math.sqrt(df)) / _STEPS
    seen = [(k + 0.5) * step for k in range(_STEPS)]
    weights = [math.exp(constant + (df - 1) * math.log(s) - df * s * s / 2) for s in seen]
    found = (w * normal_cdf(errors - critical * s) for w, s in zip(weights, seen, strict=True))
    return math.fsum(found) * step


def _p_value(centre: float, error: float, n: int) -> float:
    if error == 0:
        return 1.0 if centre == 0 else 0.0
    return min(1.0, 2 * t_cdf(-abs(centre) / error, n - 1))


def _nothing(n: int, why: Missing) -> Comparison:
    return Comparison(Estimate(why, why, why, n), why)
