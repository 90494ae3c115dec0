"""A mean or a percentile of a series whose neighbours resemble each other, with its interval.

Requests that queue behind the same batch are slow together: a thousand of them may say no more
than a hundred independent ones, and an interval that takes them for a thousand is too narrow. Here
blocks of neighbours are drawn in place of single values. Not aware of what was measured, nor of
warm-up: the series is taken to be stationary.

Sources: circular blocks, D. N. Politis and J. P. Romano (1992); their length, D. N. Politis and
H. White, Econometric Reviews 23 (2004) 53-70, as corrected by A. Patton, D. N. Politis and H.
White, ibid. 28 (2009) 372-375; studentised blocks, F. Götze and H. R. Künsch, Annals of Statistics
24 (1996) 1914-1933; the lugsail correction of the variance, D. Vats and J. M. Flegal, Biometrika
109 (2022) 735-750; a percentile by its rank, R. S. Woodruff, JASA 47 (1952) 635-646, with the beta
bounds at the effective sample size of E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998)
193-201. The coverage that comes of it is measured in docs/explanation/intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.stats.quantiles import sample_floor
from steelyard.stats.special import beta_cdf, bisect, normal_quantile, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[Any]

Statistic: TypeAlias = Literal["mean"] | float

# Fewer samples than this say nothing about how they hang together.
SERIES_MIN: Final = 20
_BLOCKS_MIN: Final = 10
# More blocks than this make no interval better, only slower.
_BLOCKS_MAX: Final = 1000
# The flat-top window of Politis and White: neighbours count as unlike from the first lag on which
# is followed by this many small ones; small is within this many deviations of white noise.
_QUIET_LAGS: Final = 5
_DEVIATIONS: Final = 2.0


def series_estimate(
    values: Sequence[float] | Column,
    statistic: Statistic,
    *,
    seed: int,
    draws: int = 1000,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the mean, or the quantile `statistic` (0 < q < 1), of a series in time order.

    A percentile is refused when the effective sample size is below its floor. The mean's interval
    is drawn from `seed`; a percentile's needs no draws, since the bootstrap's variance of a share
    has a closed form.
    """
    series = _column(values)
    n = len(series)
    if statistic != "mean":
        return _quantile(series, statistic, confidence)
    if n == 0:
        none = Missing("no_samples", "there is nothing to take a mean of")
        return Estimate(none, none, none, 0)
    value = Measured(float(series.mean()), "derived")
    if n < SERIES_MIN:
        return Estimate(value, _few(n), _few(n), n)
    low, high = _mean_bounds(series, seed, draws, confidence)
    return Estimate(value, low, high, n)


def long_run_error(values: Sequence[float] | Column) -> float:
    """Return the standard error of the mean of a stationary series."""
    series = _column(values)
    n = len(series)
    return math.sqrt(_long_run_variance(series, _length(n, block_length(series))) / n)


def block_length(values: Sequence[float] | Column) -> int:
    """Return the length of circular blocks that is best for the variance of the mean."""
    series = _column(values)
    n = len(series)
    if n < SERIES_MIN:
        return 1
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    covariances = _autocovariances(series, math.ceil(math.sqrt(n)) + _QUIET_LAGS)
    if covariances[0] <= 0:
        return 1
    spread, level = _flat_top(covariances, n)
    if level <= 0:
        return longest if spread > 0 else 1
    best = (2 * spread**2 / (4 / 3 * level**2)) ** (1 / 3) * n ** (1 / 3)
    return int(min(max(1, round(best)), longest))


def _flat_top(covariances: Column, n: int) -> tuple[float, float]:
    """Return Σ|k|λR(k) and ΣλR(k), λ the flat-top window as wide as the correlation reaches."""
    import numpy as np

    loud = np.abs(covariances[1:]) >= _DEVIATIONS * math.sqrt(math.log10(n) / n) * covariances[0]
    last = len(loud) - _QUIET_LAGS
    quiet = [lag for lag in range(last + 1) if not loud[lag : lag + _QUIET_LAGS].any()]
    reach = quiet[0] if quiet else int(np.flatnonzero(loud)[-1]) + 1
    width = min(2 * max(1, reach), len(covariances) - 1)
    lags = np.arange(1, width + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / width)) * covariances[1 : width + 1]
    return float(2 * (lags * weighted).sum()), float(covariances[0] + 2 * weighted.sum())


def _mean_bounds(
    series: Column, seed: int, draws: int, confidence: float
) -> tuple[Reading[float], Reading[float]]:
    """Bound the mean by studentised blocks: their spread carries both skew and few blocks."""
    import numpy as np

    n = len(series)
    length = _length(n, block_length(series))
    blocks = _block_means(series, length)
    picked = blocks[np.random.default_rng(seed).integers(0, n, (draws, n // length))]
    centre = float(series.mean())
    away = picked.mean(axis=1) - centre
    errors = picked.std(axis=1, ddof=1) / math.sqrt(picked.shape[1])
    # Blocks all alike leave rounding behind, which is neither an error nor a distance.
    dust = 1e-12 * max(abs(centre), float(np.abs(series).max()))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(np.abs(away) <= dust, 0.0, away / np.where(errors <= dust, 0.0, errors))
    tail = (1 - confidence) / 2
    below, above = np.quantile(scores, [tail, 1 - tail], method="closest_observation")
    error = long_run_error(series)
    return _bound(centre, -float(above), error), _bound(centre, -float(below), error)


def _bound(centre: float, score: float, error: float) -> Reading[float]:
    if math.isinf(score):
        return Missing("unbounded", "nearly all samples are equal: the few others bound nothing")
    return Measured(centre + score * error, "derived")


def _quantile(series: Column, q: float, confidence: float) -> Estimate:
    """Estimate a quantile: bound its rank as a share of few effective samples, then look it up."""
    import numpy as np

    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    n = len(series)
    floor = sample_floor(q, confidence)
    ranked = ranks(series)
    reach = block_length(ranked)
    effective = _effective(ranked, _length(n, reach)) if n >= SERIES_MIN else float(n)
    if effective < floor:
        refused = _refused(q, floor, n, effective)
        return Estimate(refused, refused, refused, n)
    point = float(np.quantile(series, q))
    value = Measured(point, "derived")
    if n < SERIES_MIN:
        return Estimate(value, _few(n), _few(n), n)
    under = (series <= point).astype(float)
    # Exceedances of a high percentile are few and hide how long they hang together.
    length = _length(n, max(reach, block_length(under)))
    low, high = _share_bounds(q, _effective(under, length), n // length - 1, confidence)
    return Estimate(
        value,
        Measured(float(np.quantile(series, low)), "derived"),
        Measured(float(np.quantile(series, high)), "derived"),
        n,
    )


def _share_bounds(q: float, effective: float, df: int, confidence: float) -> tuple[float, float]:
    """Return the shares that bound where the quantile lies, the variance known to `df` degrees."""
    upper = 0.5 + confidence / 2
    n = effective * (normal_quantile(upper) / t_quantile(upper, df)) ** 2
    return (
        bisect(lambda x: beta_cdf(x, q * n, n - q * n + 1) < 1 - upper, 0.0, 1.0),
        bisect(lambda x: beta_cdf(x, q * n + 1, n - q * n) < upper, 0.0, 1.0),
    )


def _refused(q: float, floor: int, n: int, effective: float) -> Missing:
    takes = f"p{100 * q:g} takes {floor} samples; there are {n}"
    if n < floor:
        return Missing("below_sample_floor", takes)
    return Missing(
        "below_sample_floor", f"{takes}, which hang together and are worth {effective:.0f}"
    )


def _few(n: int) -> Missing:
    return Missing(
        "too_few_samples", f"an interval over a series takes {SERIES_MIN} samples; there are {n}"
    )


def _length(n: int, best: int) -> int:
    """Return twice the best length, which halves the bias, within what leaves enough blocks."""
    return max(min(max(2 * best, 2, math.ceil(n / _BLOCKS_MAX)), n // _BLOCKS_MIN), 1)


def _effective(series: Column, length: int) -> float:
    n = len(series)
    if n < SERIES_MIN:
        return float(n)
    long_run = _long_run_variance(series, length)
    return min(float(n), n * float(series.var()) / long_run) if long_run > 0 else float(n)


def _long_run_variance(series: Column, length: int) -> float:
    """Return n times the variance of the mean, the bias of finite blocks taken off (lugsail)."""
    whole = _block_variance(series, length)
    if length == 1:
        return whole
    return max(whole, 2 * whole - _block_variance(series, length // 2))


def _block_variance(series: Column, length: int) -> float:
    """Return what infinitely many draws of circular blocks would give for n times the variance."""
    n = len(series)
    away = _block_means(series - series.mean(), length)
    return float((away**2).mean()) * length / (1 - length / n)


def _block_means(series: Column, length: int) -> Column:
    """Return the mean of the block that begins at each place, the end joined to the beginning."""
    import numpy as np

    joined = np.concatenate([series, series[: length - 1]])
    sums = np.concatenate([[0.0], np.cumsum(joined)])
    means: Column = (sums[length:] - sums[:-length]) / length
    return means


def _autocovariances(series: Column, lags: int) -> Column:
    import numpy as np

    n = len(series)
    away = series - series.mean()
    power = np.abs(np.fft.rfft(away, 2 * n)) ** 2
    found: Column = np.fft.irfft(power, 2 * n)[: min(lags, n - 1) + 1] / n
    return found


def ranks(series: Sequence[float] | Column) -> Column:
    """Return the ranks; equal values share the mean of theirs."""
    import numpy as np

    _, place, count = np.unique(series, return_inverse=True, return_counts=True)
    shared: Column = (np.cumsum(count) - (count - 1) / 2)[place]
    return shared


def _column(values: Sequence[float] | Column) -> Column:
    import numpy as np

    series: Column = np.asarray(values, dtype=float)
    if not np.isfinite(series).all():
        raise ValueError("a series holds finite numbers only")
    return series
