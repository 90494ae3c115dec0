"""Energy from stamped looks at power: a span's joules, the idle share, joules per token.

Counters are taken by difference, gauges by the trapezoid rule; a counter that was started anew is
bridged by the power on both sides. A sensor whose clock is off is put right by laying its power
over the load's busy time: the shift with the highest correlation (Pearson) is the offset. Not
aware of sensors. Derivations: docs/explanation/energy.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.serverside import PowerSeries

Floats = npt.NDArray[np.float64]
Span = tuple[int, int]

MOST_OFFSET_NS: Final = 1_000_000_000
_NS_PER_S: Final = 1e9
_COARSE_NS: Final = 10_000_000
_FINE_NS: Final = 500_000
_MATCH_MIN: Final = 0.5
_AMBIGUOUS: Final = 0.95
_HILL: Final = 0.9
_LOOKS_MIN: Final = 8
_GAP_MAX: Final = 5.0  # of the usual distance between looks


@final
@dataclass(frozen=True, slots=True)
class Energy:
    """The energy of a span. `bound_j` is how far off it can be by what lies between the looks.

    For a counter that is strict, save for resets; for a gauge it takes power to go one way only
    between two looks.
    """

    value_j: float
    bound_j: float
    resets: int = 0


@final
@dataclass(frozen=True, slots=True)
class Offset:
    """How far the sensor's clock is ahead of the load's. `match` is the correlation there."""

    value_ns: int
    half_width_ns: int
    match: float


@final
@dataclass(frozen=True, slots=True)
class EnergyUse:
    """What a load cost. `_above_idle` is without what the machine draws when it waits."""

    total_j: Reading[float]
    bound_j: Reading[float]
    idle_w: Reading[float]
    above_idle_j: Reading[float]
    j_per_token: Reading[float]
    j_per_token_above_idle: Reading[float]
    j_per_request: Reading[float]
    j_per_request_above_idle: Reading[float]
    offset: Reading[Offset]


def energy(series: PowerSeries, span: Span) -> Reading[Energy]:
    """Return the energy between two moments of the series' own clock."""
    start, end = span
    at, values = _columns(series)
    if end <= start:
        return Missing("empty_span", "no time passed between start and end")
    if at.size < 2 or at[0] > start or at[-1] < end:  # noqa: PLR2004
        return Missing("not_covered", f"{series.source} was not looked at over the whole span")
    if series.kind == "watts":
        return _of_gauge(series, at, values, span)
    return _of_counter(series, at, values, span)


def mean_power_w(series: PowerSeries, span: Span) -> Reading[float]:
    """Return the mean power of a span: of a quiet one before the load, that is the baseline."""
    seconds = (span[1] - span[0]) / _NS_PER_S
    return derived(energy(series, span), lambda found: found.value_j / seconds)


def offset(
    series: PowerSeries, busy: Sequence[Span], *, most_ns: int = MOST_OFFSET_NS
) -> Reading[Offset]:
    """Find the sensor's offset from the spans in which the load was busy, by the load's clock.

    Missing where the load has no edges to go by, repeats itself within `most_ns`, or has nothing
    to do with the power.
    """
    edges = _edges(busy)
    at, values = _columns(series)
    if at.size < _LOOKS_MIN or edges.size == 0:
        return Missing("too_little", "an offset takes a load with edges and some looks at power")
    origin = float(at[0])
    looks, power = _power(series.kind, at - origin, values)
    edges = edges - origin
    coarse = np.arange(-most_ns, most_ns + 1, _COARSE_NS, dtype=np.float64)
    scores = _matches(looks, power, edges, coarse)
    best = int(scores.argmax())
    if scores[best] < _MATCH_MIN:
        return Missing("no_match", f"power does not follow the load (r = {scores[best]:.2f})")
    if best in (0, coarse.size - 1):
        return Missing("out_of_range", f"the offset is beyond {most_ns / 1e6:.0f} ms")
    if _second(scores, best) > _AMBIGUOUS * scores[best]:
        return Missing("ambiguous", "the load repeats itself too regularly to tell the offset")
    around = np.arange(-2 * _COARSE_NS, 2 * _COARSE_NS + 1, _FINE_NS, dtype=np.float64)
    fine = coarse[best] + around
    scores = _matches(looks, power, edges, fine)
    # Between two looks the score of a gauge stays the same: the middle is the best guess.
    top = fine[scores >= scores.max() - 1e-9]
    middle, half = (top[0] + top[-1]) / 2, (top[-1] - top[0] + _FINE_NS) / 2
    found = Offset(round(middle), round(half) + series.half_width_ns, float(scores.max()))
    return Measured(found, "estimated")


def use(
    series: Reading[PowerSeries],
    *,
    load: Span,
    idle: Span,
    busy: Sequence[Span],
    tokens: int,
    requests: int,
) -> EnergyUse:
    """Return what a load cost, its idle baseline taken from a quiet span before it.

    All spans are of the load's clock; a recovered offset is applied, so power has to be looked at
    a little longer than the load lasts.
    """
    if isinstance(series, Missing):
        return _nothing(series)
    shift = offset(series.value, busy)
    aligned = series.value
    if isinstance(shift, Measured):
        aligned = aligned.shifted(-shift.value.value_ns)
    total = energy(aligned, load)
    idle_w: Reading[float] = Missing("not_before", "the baseline has to end before the load begins")
    if idle[1] <= load[0]:
        idle_w = mean_power_w(aligned, idle)
    seconds = (load[1] - load[0]) / _NS_PER_S
    total_j = derived(total, lambda found: found.value_j)
    above_j = _less(total_j, derived(idle_w, lambda watts: watts * seconds))
    return EnergyUse(
        total_j=total_j,
        bound_j=derived(total, lambda found: found.bound_j),
        idle_w=idle_w,
        above_idle_j=above_j,
        j_per_token=_per(total_j, tokens, "token"),
        j_per_token_above_idle=_per(above_j, tokens, "token"),
        j_per_request=_per(total_j, requests, "request"),
        j_per_request_above_idle=_per(above_j, requests, "request"),
        offset=shift,
    )


def _of_counter(series: PowerSeries, at: Floats, values: Floats, span: Span) -> Reading[Energy]:
    steps, guessed = _steps(at, values)
    if steps is None:
        return Missing("counter_lost", f"the counter of {series.source} was started anew too often")
    total = np.concatenate(([0.0], np.cumsum(steps)))
    value = float(np.interp(span[1], at, total) - np.interp(span[0], at, total))
    doubt = 0.0
    for moment in span:
        index = min(max(int(np.searchsorted(at, moment, "right")) - 1, 0), steps.size - 1)
        share = (moment - at[index]) / (at[index + 1] - at[index])
        step_s = (at[index + 1] - at[index]) / _NS_PER_S
        doubt += float(steps[index]) * (max(share, 1 - share) if 0 < share < 1 else 0.0)
        doubt += float(steps[index]) / step_s * series.half_width_ns / _NS_PER_S
    inside = [index for index in guessed if at[index] < span[1] and at[index + 1] > span[0]]
    doubt += sum(abs(float(steps[index] - values[index + 1])) for index in inside)
    return Measured(Energy(value, doubt, len(inside)), "derived")


def _of_gauge(series: PowerSeries, at: Floats, values: Floats, span: Span) -> Reading[Energy]:
    gaps = np.diff(at)
    reach = (at[:-1] < span[1]) & (at[1:] > span[0])
    if gaps[reach].max() > _GAP_MAX * float(np.median(gaps)):
        return Missing("gap", f"{series.source} was not looked at for a part of the span")
    inner = (at > span[0]) & (at < span[1])
    moments = np.concatenate(([span[0]], at[inner], [span[1]]))
    power = np.interp(moments, at, values)
    seconds = np.diff(moments) / _NS_PER_S
    value = float(np.sum((power[1:] + power[:-1]) / 2 * seconds))
    doubt = float(np.sum(np.abs(np.diff(values))[reach] / 2 * gaps[reach] / _NS_PER_S))
    return Measured(Energy(value, doubt), "derived")


def _steps(at: Floats, values: Floats) -> tuple[Floats | None, list[int]]:
    """Return the energy of each interval, and which of them a reset made a guess of.

    The count before a reset is lost, so power goes on as it did on both sides of it.
    """
    steps, seconds = np.diff(values), np.diff(at) / _NS_PER_S
    resets = np.flatnonzero(steps < 0)
    good = np.flatnonzero(steps >= 0)
    if resets.size and good.size == 0:
        return None, []
    for index in resets:
        near = [good[good < index][-1:], good[good > index][:1]]
        beside = np.concatenate(near)
        guess = float(np.mean(steps[beside] / seconds[beside]) * seconds[index])
        steps[index] = max(guess, float(values[index + 1]))
    return steps, [int(index) for index in resets]


def _power(kind: str, at: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the spans that each value of power stands for (start row, end row), and the power."""
    if kind == "watts":
        return np.stack((at, at)), values
    steps = np.diff(values)
    good = steps >= 0
    looks = np.stack((at[:-1][good], at[1:][good]))
    return looks, steps[good] / (looks[1] - looks[0])


def _matches(looks: Floats, power: Floats, edges: Floats, shifts: Floats) -> Floats:
    """Return the correlation of power with the load's busy share, for each shift of the looks."""
    start, end = looks[0][None, :] - shifts[:, None], looks[1][None, :] - shifts[:, None]
    if np.array_equal(looks[0], looks[1]):
        share = (np.searchsorted(edges, start, "right") % 2).astype(np.float64)
    else:
        lengths = np.diff(edges)
        lengths[1::2] = 0.0  # the spans between busy ones
        grown = np.concatenate(([0.0], np.cumsum(lengths)))
        share = (np.interp(end, edges, grown) - np.interp(start, edges, grown)) / (end - start)
    share = share - share.mean(axis=1, keepdims=True)
    centred = power - power.mean()
    scale = np.sqrt((share**2).sum(axis=1) * (centred**2).sum())
    scores: Floats = np.divide(share @ centred, scale, out=np.zeros(shifts.size), where=scale > 0)
    return scores


def _second(scores: Floats, best: int) -> float:
    """Return the highest score outside the hill that the best one stands on."""
    hill = scores >= _HILL * scores[best]
    left, right = best, best
    while left > 0 and hill[left - 1]:
        left -= 1
    while right < scores.size - 1 and hill[right + 1]:
        right += 1
    rest = np.concatenate((scores[:left], scores[right + 1 :]))
    return float(rest.max()) if rest.size else -1.0


def _edges(busy: Sequence[Span]) -> Floats:
    """Return start, end, start, end … of the union of the spans."""
    merged: list[list[int]] = []
    for start, end in sorted(busy):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > start:
            merged.append([start, end])
    return np.array([moment for span in merged for moment in span], dtype=np.float64)


def _columns(series: PowerSeries) -> tuple[Floats, Floats]:
    """Return stamps and values; of several looks at one moment the first counts."""
    at, first = np.unique(np.array(series.at_ns, dtype=np.int64), return_index=True)
    return at.astype(np.float64), np.array(series.values, dtype=np.float64)[first]


def _less(total: Reading[float], part: Reading[float]) -> Reading[float]:
    if isinstance(total, Missing):
        return total
    return derived(part, lambda value: total.value - value)


def _per(reading: Reading[float], count: int, what: str) -> Reading[float]:
    if count <= 0:
        return Missing(f"no_{what}s", f"not one {what} to share the energy")
    return derived(reading, lambda value: value / count)


def _nothing(why: Missing) -> EnergyUse:
    return EnergyUse(why, why, why, why, why, why, why, why, why)
