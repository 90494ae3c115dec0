"""Sums over every outcome of a paired comparison: verdicts, and two other intervals of the loss.

Those are to hold beside the score interval, in no report. Exact: the chance of a statistic at least
as far out, with the share of items won that suits the outcome best (C. J. Lloyd, Australian & New
Zealand Journal of Statistics 50 (2008) 329-345, the estimated p-value). Mid-P: half of the chance
of the outcome itself. Imported by `coverage.py` beside it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import binom

Array = Any
WAYS = ("score", "exact", "mid-P")
CRITICAL = 1.959963984540054


class Outcomes:
    """Every outcome of n items: so many lost, so many won."""

    def __init__(self, n: int) -> None:
        pairs = [(lost, won) for lost in range(n + 1) for won in range(n + 1 - lost)]
        self.n = n
        self.lost, self.won = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
        rest = n - self.lost - self.won
        self._rest = rest
        counts = gammaln(self.lost + 1) + gammaln(self.won + 1) + gammaln(rest + 1)
        self._ways = math.lgamma(n + 1) - counts

    def chances(self, lost: Array, won: Array) -> Array:
        """Return the chance of each outcome, a row for each pair of shares."""
        lost, won = np.atleast_1d(lost)[:, None], np.atleast_1d(won)[:, None]
        same = np.maximum(0.0, 1 - lost - won)
        logs = xlogy(self.lost, lost) + xlogy(self.won, won) + xlogy(self._rest, same)
        return np.exp(self._ways + logs)

    def missed(self, lost: float, won: float, tail: float) -> dict[str, tuple[float, float]]:
        """Return how often each way's upper and lower bound miss the loss of this truth."""
        at = lost - won
        z, lost_fit, won_fit = self._score(at)
        order = np.argsort(z)
        ranked = z[order]
        sums = np.cumsum(self.chances(lost_fit, won_fit)[:, order], axis=1)
        upto = np.take_along_axis(sums, np.searchsorted(ranked, z, "right")[:, None] - 1, 1)[:, 0]
        sums = np.hstack([np.zeros((len(z), 1)), sums])
        under = np.take_along_axis(sums, np.searchsorted(ranked, z, "left")[:, None], 1)[:, 0]
        here = (upto - under) / 2
        chance = self.chances(lost, won)[0]
        found = {
            "score": (z < -CRITICAL, z > CRITICAL),
            "exact": (upto < tail, 1 - under < tail),
            "mid-P": (upto - here < tail, 1 - under - here < tail),
        }
        return {
            way: (float(chance[high].sum()), float(chance[low].sum()))
            for way, (high, low) in found.items()
        }

    def _score(self, at: float) -> tuple[Array, Array, Array]:
        """Return the score statistic (Tango's) at a loss, and the shares that suit it best."""
        z, fit = score(self.lost, self.won, self.n, at)
        return z, fit + max(at, 0.0), fit + max(-at, 0.0)


def score(lost: Array, won: Array, n: int, at: float) -> tuple[Array, Array]:
    """Return the score statistic at a loss and the smaller of the shares that suit it best."""
    if at < 0:
        z, fit = score(won, lost, n, -at)
        return -z, fit
    b = -lost - won + (2 * n - lost + won) * at
    root = np.sqrt(np.maximum(0.0, b * b + 8 * n * won * at * (1 - at)))
    fit = np.maximum(0.0, (root - b) / (4 * n))
    spread = np.sqrt(n * (2 * fit + at * (1 - at)))
    distance = lost - won - n * at
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, distance / spread, np.copysign(np.inf, distance))
    return np.round(np.where((spread <= 0) & (distance == 0), 0.0, z), 9), fit


def said(n: int, truth: tuple[float, float], under: float = 1.0, over: float = -1.0) -> float:
    """Return the chance that a loss is shown to lie under one value and over another.

    `truth` has the shares lost and won; outcomes beyond ten standard deviations are left out.
    """
    lost, won = (np.arange(min(n, n * p + 10 * math.sqrt(n * p) + 10)) for p in truth)
    first, second = np.meshgrid(lost, won, indexing="ij")
    chance = binom.pmf(lost, n, truth[0])[:, None] * binom.pmf(
        second, n - first, truth[1] / (1 - truth[0])
    )
    shown = first + second <= n
    if under < 1:
        shown &= score(first, second, n, under)[0] < -CRITICAL
    if over > -1:
        shown &= score(first, second, n, over)[0] > CRITICAL
    return float(chance[shown].sum())
