"""The distributions that intervals are built on: normal, Student's t, chi-squared, binomial.

Plain Python, so that a sweep needs no scipy (113 MB) for a dozen quantiles and a summary is the
same to the last bit everywhere. Not aware of what is estimated. Incomplete beta and gamma by
continued fraction and series: Numerical Recipes, 3rd edition, sections 6.2 and 6.4; the tests
hold every one of them against scipy.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Final

_TINY: Final = 1e-300
_EPSILON: Final = 1e-16
_NORMAL: Final = NormalDist()


def normal_cdf(x: float) -> float:
    """Return P(Z ≤ x); accurate in the lower tail too."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Return the x with P(Z ≤ x) = p, for 0 < p < 1."""
    return _NORMAL.inv_cdf(p)


def t_cdf(x: float, df: float) -> float:
    """Return P(T ≤ x) of Student's t with `df` degrees of freedom."""
    tail = 0.5 * beta_cdf(df / (df + x * x), df / 2, 0.5)
    return tail if x < 0 else 1.0 - tail


@functools.cache
def t_quantile(p: float, df: float) -> float:
    """Return the x with P(T ≤ x) = p."""
    if p < 0.5:  # noqa: PLR2004 - the median of a symmetric law
        return -t_quantile(1.0 - p, df)
    return _solve(lambda x: t_cdf(x, df), p)


def chi2_cdf(x: float, df: float) -> float:
    """Return P(X ≤ x) of chi-squared with `df` degrees of freedom."""
    return _gamma_cdf(x / 2, df / 2)


@functools.cache
def chi2_quantile(p: float, df: float) -> float:
    """Return the x with P(X ≤ x) = p."""
    return _solve(lambda x: chi2_cdf(x, df), p)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(X ≤ k) for n trials of probability p."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return beta_cdf(1.0 - p, n - k, k + 1)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _nonzero(1.0 - (a + b) * x / (a + 1))
    value = d
    m = 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / _nonzero(1.0 + even * d), _nonzero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / _nonzero(1.0 + odd * d), _nonzero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) <= 4 * _EPSILON:
            return value


def _gamma_cdf(x: float, a: float) -> float:
    if x <= 0.0:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while abs(term) > abs(total) * _EPSILON:
            n += 1
            term *= x / n
            total += term
        return front * total
    return 1.0 - front * _gamma_fraction(x, a)


def _gamma_fraction(x: float, a: float) -> float:
    b = x + 1 - a
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    i = 0
    while True:
        i += 1
        step = -i * (i - a)
        b += 2
        d, c = 1.0 / _nonzero(step * d + b), _nonzero(b + step / c)
        value *= d * c
        if abs(d * c - 1.0) <= 4 * _EPSILON:
            return value


def _nonzero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def _solve(cdf: Callable[[float], float], p: float) -> float:
    """Find the positive x with cdf(x) = p, by bisection down to neighbouring floats."""
    low, high = 0.0, 1.0
    while cdf(high) < p:
        low, high = high, high * 2
    return bisect(lambda x: cdf(x) < p, low, high)


def bisect(still_left: Callable[[float], bool], low: float, high: float) -> float:
    """Return where `still_left` turns false between `low` (true) and `high` (false)."""
    while low < (middle := (low + high) / 2) < high:
        if still_left(middle):
            low = middle
        else:
            high = middle
    return high
