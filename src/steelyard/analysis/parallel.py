"""From rounds of turns on more and more GPUs to speed-up, efficiency and what is lost on the way.

With p times the GPUs of the first size and S times its speed:

- efficiency S / p; what is missing to 1 is the share of the time per token spent on other things
  than the first size's own work spread over p, estimated, whatever it is;
- the experimentally determined serial fraction e = (1/S - 1/p) / (1 - 1/p): A. H. Karp and H. P.
  Flatt, Communications of the ACM 33 (1990) 539-543. It stays the same where a part of the work is
  serial, and grows with p where communication does;
- Amdahl's law (AFIPS 30 (1967) 483-485), 1/S = s + (1 - s)/p, fitted to all sizes of a round by
  least squares through the origin of (1 - 1/p, 1/S - 1/p); the mean of the rounds with Student's
  interval. Where e grows, s is only a summary.

Each is a monotone function of S, so that the interval of S (paired by round) becomes its own. Not
aware of devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from steelyard.analysis import turns as read
from steelyard.analysis.turns import Turn, Value
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.scaling import Gain, GpuCount
from steelyard.domain.summary import Estimate
from steelyard.stats.means import mean_estimate

_OWN: Final = Estimate(read.FIRST, read.FIRST, read.FIRST, 0)


def sizes(gpus: Sequence[int], turns: Sequence[Turn]) -> tuple[GpuCount, ...]:
    """Return what each size came to; `gpus` has the setting's number as its index."""
    return tuple(_size(number, gpus, turns) for number in range(len(gpus)))


def serial(gpus: Sequence[int], turns: Sequence[Turn]) -> Estimate:
    """Return Amdahl's serial fraction over all sizes' decoding speeds."""
    found = []
    for points in _by_round(gpus, turns):
        xs = [(1 - 1 / p, 1 / speedup - 1 / p) for p, speedup in points]
        found.append(math.fsum(x * y for x, y in xs) / math.fsum(x * x for x, _ in xs))
    if not found:
        return _none("a fit takes the first size and another in one round")
    return mean_estimate(found)


def growth(gpus: Sequence[int], turns: Sequence[Turn]) -> Estimate:
    """Return the serial fraction of the largest size minus that of the smallest, round by round."""
    found = [
        _karp_flatt(points[-1][1], points[-1][0]) - _karp_flatt(points[0][1], points[0][0])
        for points in _by_round(gpus, turns)
        if len(points) > 1
    ]
    if not found:
        return _none("it takes three sizes in one round")
    return mean_estimate(found)


def _by_round(gpus: Sequence[int], turns: Sequence[Turn]) -> list[list[tuple[float, float]]]:
    """Return (p, S) of each size beyond the first, for every round that has the first."""
    found = []
    for number in sorted({turn.round for turn in turns}):
        speeds = {
            turn.setting: turn.decode_tps.value
            for turn in turns
            if turn.round == number and not turn.failed and isinstance(turn.decode_tps, Measured)
        }
        points = [
            (gpus[setting] / gpus[0], speed / speeds[0])
            for setting, speed in sorted(speeds.items())
            if setting and 0 in speeds
        ]
        if points:
            found.append(points)
    return found


def _size(number: int, gpus: Sequence[int], turns: Sequence[Turn]) -> GpuCount:
    mine, p = read.of(turns, number), gpus[number] / gpus[0]
    decode = _gain(number, p, turns, lambda turn: turn.decode_tps)
    return GpuCount(
        gpus=gpus[number],
        rounds=len(mine),
        speeds=read.speeds(turns, number),
        decode=decode,
        prefill=_gain(number, p, turns, lambda turn: turn.prefill_tps),
        system=_gain(number, p, turns, lambda turn: turn.system_tps),
        overhead_s=_overhead_s(number, p, turns),
        overhead=_falling(decode.efficiency, lambda efficiency: 1 - efficiency),
        device_bytes=read.most(turn.device_bytes for turn in mine),
        failed=read.why_failed(turns, number),
    )


def _gain(number: int, p: float, turns: Sequence[Turn], value: Value) -> Gain:
    if number == 0:
        return Gain(_OWN, _OWN, _OWN)
    speedup = read.against_first(turns, number, value)
    efficiency = Estimate(
        derived(speedup.value, lambda s: s / p),
        derived(speedup.low, lambda s: s / p),
        derived(speedup.high, lambda s: s / p),
        speedup.n,
    )
    return Gain(speedup, efficiency, _falling(speedup, lambda s: _karp_flatt(s, p)))


def _overhead_s(number: int, p: float, turns: Sequence[Turn]) -> Estimate:
    if number == 0:
        return _OWN
    pairs = read.both(turns, number, 0, lambda turn: turn.tpot_s)
    if not pairs:
        return _none("no round has both sizes")
    found = mean_estimate([mine - first / p for mine, first in pairs])
    return Estimate(_estimated(found.value), found.low, found.high, found.n)


def _falling(estimate: Estimate, formula: Callable[[float], float]) -> Estimate:
    """Apply a formula that falls where its argument grows: the bounds change places."""
    return Estimate(
        _estimated(derived(estimate.value, formula)),
        derived(estimate.high, formula),
        derived(estimate.low, formula),
        estimate.n,
    )


def _karp_flatt(speedup: float, p: float) -> float:
    return (1 / speedup - 1 / p) / (1 - 1 / p)


def _estimated(reading: Reading[float]) -> Reading[float]:
    if isinstance(reading, Missing):
        return reading
    return Measured(reading.value, "estimated")


def _none(why: str) -> Estimate:
    none = Missing("too_few_sizes", why)
    return Estimate(none, none, none, 0)
