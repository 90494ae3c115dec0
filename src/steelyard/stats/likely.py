"""The loss of right answers that a comparison makes likely, from flips alone.

An interval that holds the truth as often as it says when truths differ from run to run, as those
of models do. That is another question than a verdict's, whose bounds (`stats.paired`) are to err no
oftener than promised at any one truth: such bounds are wide where few items flip, and these are no
substitute for them. A. Agresti and Y. Min, Biometrics 61 (2005) 515-523, compare both kinds.

Shares lost, won and unchanged have a Dirichlet prior that is worth one item in all, a third of
one each: W. Perks, Journal of the Institute of Actuaries 73 (1947) 285-334; J. O. Berger, J. M.
Bernardo and D. Sun, Bayesian Analysis 10 (2015) 189-221. Such shares are gammas by their sum, so
the chance that the loss is below a value is that of a weighted sum of three gammas below zero, by
one integral: J. Gil-Pelaez, Biometrika 38 (1951) 481-482; J. P. Imhof, Biometrika 48 (1961)
419-426. Items that hang together count as the fewer that `Flips` says. Not aware of models or
verdicts.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from steelyard.stats.paired import Flips

PRIOR: Final = 1 / 3

# The integral runs over the logarithm of its variable, in which both ends fade exponentially.
_STEP: Final = 0.05
_LEFT: Final = -28.0
_FEW: Final = 15
_TILT: Final = math.pi / 6
_RIGHT: Final = 4.0
_FADED: Final = 28.0
_NODES: Final = np.exp(np.arange(_LEFT, _RIGHT + _FADED / (2 * PRIOR), _STEP))
_END: Final = 1 - 1e-9  # of a loss; at 1 itself nothing is left to integrate
_CLOSE: Final = 1e-11
_DIGITS: Final = 12  # what the last bits of the sum do not move
_TURNS: Final = 100


def bounds(best: Flips, worst: Flips, alpha: float) -> tuple[float, float]:
    """Return the loss at `alpha` from below after `best`, and from above after `worst`.

    The two are one wherever every item was run.
    """
    return quantile(best, alpha), quantile(worst, 1 - alpha)


def quantile(seen: Flips, p: float) -> float:
    """Return the loss that the true one is below with probability `p`."""
    total = seen.items + 3 * PRIOR
    mean = (seen.lost - seen.won) / total
    spread = math.sqrt(((seen.lost + seen.won + 2 * PRIOR) / total - mean**2) / (total + 1))

    def beyond(at: float) -> float:
        return p_below(seen, at) - p

    step = spread if beyond(mean) < 0 else -spread
    near, far = mean, _inside(mean + step)
    while abs(far) < _END and (beyond(far) < 0) == (step > 0):
        near, far, step = far, _inside(far + step), 1.5 * step
    return round(_root(beyond, min(near, far), max(near, far)), _DIGITS)


def p_below(seen: Flips, at: float) -> float:
    """Return the probability that the true loss is below `at`, between -1 and 1.

    Good to 1e-9 within seven standard deviations of the mean; beyond, the integrand swings too
    fast for its steps.
    """
    same = max(0.0, seen.items - seen.lost - seen.won)
    shapes = np.array([[seen.lost + PRIOR], [seen.won + PRIOR], [same + PRIOR]])
    weights = np.array([[1 - at], [-1 - at], [-at]])
    spread = math.sqrt(float(np.sum(shapes * weights**2)))
    angle = _angle(float(shapes[weights > 0].sum()), float(shapes[weights < 0].sum()))
    # The law falls with the power of at least two of the shapes, whatever their weights.
    slowest = float(np.sum(np.sort(shapes, axis=0)[:2]))
    last = math.ceil((_RIGHT - _LEFT + _FADED / slowest) / _STEP)
    ray: Any = cmath.rect(1 / spread, angle) * _NODES[:last]
    law: Any = np.exp(-np.sum(shapes * np.log1p(-weights * ray), axis=0))
    above = (angle + float(np.sum(law.imag)) * _STEP) / math.pi
    return min(1.0, max(0.0, 1 - above))


def _angle(above: float, below: float) -> float:
    """Return the ray to integrate along, by what counts for more than `at` and for less.

    On the imaginary axis the integrand swings long where few gammas stand against many; on a ray
    that leans away from the many it fades, and grows by no more than cos(tilt) to the minus few.
    """
    if above <= _FEW:
        return math.pi / 2 - _TILT
    return math.pi / 2 + (_TILT if below <= _FEW else 0.0)


def _inside(at: float) -> float:
    return min(_END, max(-_END, at))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Find where a rising function is 0: regula falsi, the end that stays counted by half."""
    at_low, at_high, kept = rising(low), rising(high), 0
    if at_low >= 0 or at_high <= 0:
        return low if at_low >= 0 else high
    for _ in range(_TURNS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = rising(middle)
        if high - low < _CLOSE or value == 0:
            return middle
        if value < 0:
            low, at_low = middle, value
            at_high, kept = (at_high / 2 if kept < 0 else at_high), -1
        else:
            high, at_high = middle, value
            at_low, kept = (at_low / 2 if kept > 0 else at_low), 1
    return (low + high) / 2
