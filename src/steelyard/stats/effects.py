"""How large a difference is, apart from whether it is shown: Cohen's h and d, the odds of flips.

Not aware of models or verdicts. Sources: J. Cohen, Statistical Power Analysis (1988), chapters 2
and 6; the conditional odds ratio of pairs is won over lost, and its interval Wilson's of the share
of flips that were won: M. W. Fagerland, S. Lydersen and P. Laake, Statistical Analysis of
Contingency Tables (2017), chapter 8. It excludes 1 exactly when the score interval of the loss
(`stats.paired`) excludes 0. Flips that share clusters count for fewer (`stats.clusters`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.stats.clusters import items_per_independent
from steelyard.stats.proportions import wilson


def cohens_h(first: float, second: float) -> float:
    """Return the distance of two shares on the scale where every share is as hard to tell apart.

    Above 0 the first one is larger. Cohen calls 0.2 small, 0.5 medium and 0.8 large.
    """
    return 2 * math.asin(math.sqrt(first)) - 2 * math.asin(math.sqrt(second))


def cohens_d(differences: Sequence[float]) -> Reading[float]:
    """Return the mean of paired differences by their standard deviation (Cohen's d for pairs).

    0.2 is small, 0.5 medium and 0.8 large. Missing where nothing differs or only one pair is there.
    """
    if len(differences) < 2:  # noqa: PLR2004 - a spread
        return Missing("too_few_samples", "one pair has no spread")
    spread = statistics.stdev(differences)
    if spread == 0:
        return Missing("no_spread", "every pair differs alike")
    return Measured(statistics.fmean(differences) / spread, "derived")


def odds_of_flips(
    won: Sequence[bool], clusters: Sequence[str] | None = None, confidence: float = 0.95
) -> Estimate:
    """Estimate flips won over flips lost from what each flip was; 1 says as many as were lost.

    The interval exists with flips of one sort only: then one of its ends is 0 or unbounded.
    """
    n, wins = len(won), sum(won)
    if n == 0:
        none = Missing("no_flips", "no item flipped")
        return Estimate(none, none, none, 0)
    each = 1.0 if clusters is None else items_per_independent(won, clusters, confidence)
    low, high = wilson(wins / each, n / each, confidence)
    return Estimate(_odds(wins / n), _odds(low), _odds(high), n)


def _odds(share: float) -> Reading[float]:
    if share >= 1.0:
        return Missing("unbounded", "no flip was lost: the odds have no upper end")
    return Measured(share / (1 - share), "derived")
