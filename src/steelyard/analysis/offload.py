"""From rounds of turns with more and more layers on a GPU to where offloading stops to pay.

A token passes every layer once, so the time per token is close to a straight line in the layers on
the GPU, and the speed a hyperbola: most of the gain lies in the last layers. The slope of that line
(least squares, one a round, their mean with Student's interval) says what one more layer saves. The
knee is read off the levels that were measured, never off the line. Not aware of devices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from steelyard.analysis import turns as read
from steelyard.analysis.turns import Turn, Value
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.scaling import LayerLevel
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean_estimate

_NEAR: Final = 0.9
_PAIR: Final = 2


def levels(layers: Sequence[int], turns: Sequence[Turn]) -> tuple[LayerLevel, ...]:
    """Return what each level came to; `layers` has the setting's number as its index."""
    return tuple(_level(number, count, turns) for number, count in enumerate(layers))


def knee(layers: Sequence[int], turns: Sequence[Turn]) -> Reading[int]:
    """Return the fewest layers whose decoding is shown to be within a tenth of the fastest."""
    speeds = {
        number: speed
        for number in range(len(layers))
        if (speed := value_of(read.speeds(turns, number).decode_tps.value)) is not None
    }
    if not speeds:
        return Missing("not_measured", "no level has a decoding speed")
    best = max(speeds, key=speeds.__getitem__)
    for number, count in enumerate(layers):
        if number == best:
            return Measured(count, "derived")
        low = value_of(read.ratio(turns, number, best, _decode).low)
        if low is not None and low >= _NEAR:
            return Measured(count, "derived")
    return Missing("not_measured", "no level has a decoding speed")


def pays_from(found: Sequence[LayerLevel]) -> Reading[int]:
    """Return the fewest layers that decode faster than the first level, beyond noise."""
    for level in found[1:]:
        low = value_of(level.decode_ratio.low)
        if low is not None and low > 1:
            return Measured(level.layers, "derived")
    return Missing("not_shown", "no level is shown to decode faster than the first")


def costs_at(found: Sequence[LayerLevel]) -> tuple[int, ...]:
    """Return the levels that decode slower than the first, beyond noise."""
    highs = [(level.layers, value_of(level.decode_ratio.high)) for level in found[1:]]
    return tuple(layers for layers, high in highs if high is not None and high < 1)


def saved_s(layers: Sequence[int], turns: Sequence[Turn]) -> Estimate:
    """Return the seconds per token that one more layer on the GPU saves."""
    slopes = []
    for number in sorted({turn.round for turn in turns}):
        points = [
            (float(layers[turn.setting]), tpot)
            for turn in turns
            if turn.round == number
            and not turn.failed
            and (tpot := value_of(turn.tpot_s)) is not None
        ]
        if len(points) >= _PAIR:
            slopes.append(-_slope(points))
    if not slopes:
        none = Missing("too_few_levels", "a line takes two levels in one round")
        return Estimate(none, none, none, 0)
    return mean_estimate(slopes)


def _level(number: int, layers: int, turns: Sequence[Turn]) -> LayerLevel:
    mine = read.of(turns, number)
    meters = mine[0].joules_per_token if mine else {}
    return LayerLevel(
        layers=layers,
        rounds=len(mine),
        told=mine[-1].told_layers if mine else Missing("not_measured"),
        speeds=read.speeds(turns, number),
        decode_ratio=read.against_first(turns, number, _decode),
        prefill_ratio=read.against_first(turns, number, lambda turn: turn.prefill_tps),
        host_bytes=read.most(turn.host_bytes for turn in mine),
        device_bytes=read.most(turn.device_bytes for turn in mine),
        joules_per_token={name: read.mean(mine, _joules_of(name)).value for name in meters},
        failed=read.why_failed(turns, number),
    )


def _joules_of(meter: str) -> Value:
    return lambda turn: turn.joules_per_token[meter]


def _decode(turn: Turn) -> Reading[float]:
    return turn.decode_tps


def _slope(points: Sequence[tuple[float, float]]) -> float:
    x = math.fsum(a for a, _ in points) / len(points)
    y = math.fsum(b for _, b in points) / len(points)
    return math.fsum((a - x) * (b - y) for a, b in points) / math.fsum(
        (a - x) ** 2 for a, _ in points
    )
