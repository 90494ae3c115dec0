"""Distributions agree with scipy's; a wrong tail here would be a wrong verdict everywhere."""

import pytest
from scipy import special, stats

from steelyard.stats.special import (
    beta_cdf,
    binomial_cdf,
    chi2_cdf,
    chi2_quantile,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

LEVELS = (1e-6, 0.0005, 0.004, 0.025, 0.2, 0.5, 0.8, 0.975, 0.9995)


@pytest.mark.parametrize("p", LEVELS)
def test_the_normal_law_agrees_with_scipy(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-12)
    assert normal_cdf(stats.norm.ppf(p)) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3, 9, 40, 299, 5000])
@pytest.mark.parametrize("p", LEVELS)
def test_students_t_agrees_with_scipy(p: float, df: int) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-9)
    assert t_cdf(stats.t.ppf(p, df), df) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("df", [1, 2, 9, 40, 299, 5000])
@pytest.mark.parametrize("p", LEVELS)
def test_chi_squared_agrees_with_scipy(p: float, df: int) -> None:
    assert chi2_quantile(p, df) == pytest.approx(stats.chi2.ppf(p, df), rel=1e-9, abs=1e-12)
    assert chi2_cdf(stats.chi2.ppf(p, df), df) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (29, 0.9), (59, 0.95), (300, 0.01), (2000, 0.5)])
def test_the_binomial_agrees_with_scipy_in_every_tail(n: int, p: float) -> None:
    for k in {-1, 0, 1, n // 3, n // 2, n - 1, n, n + 1}:
        assert binomial_cdf(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2, 300), (300, 2), (1000, 1000)])
def test_the_incomplete_beta_agrees_with_scipy(a: float, b: float) -> None:
    for x in (0.0, 1e-6, 0.1, 0.5, 0.9, 1.0):
        assert beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-15)


def test_nothing_is_below_zero_in_chi_squared() -> None:
    assert chi2_cdf(0.0, 3) == 0.0
