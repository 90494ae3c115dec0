"""From looks at the machine to vitals: shares between neighbours, totals over the whole run.

Pure arithmetic over counters that only grow. What is nobody's of ours is the rest: busy time of
the machine less the engine's tree and less our own. Not aware of where counters come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.vitals import Vitals, VitalSample

T = TypeVar("T", int, float)

_NS_PER_S: Final = 1e9
_UJ_PER_J: Final = 1e6
_FIRST: Final = Missing("first_look", "a share takes two looks")


@final
@dataclass(frozen=True, slots=True)
class Look:
    """One look: counters as they stood, gauges as they were. CPU counters are in core-seconds."""

    at_ns: int
    busy_s: Reading[float]
    engine_cpu_s: Reading[float]
    own_cpu_s: Reading[float]
    engine_memory_bytes: Reading[int]
    engine_peak_bytes: Reading[int]
    engine_swap_bytes: Reading[int]
    swap_used_bytes: Reading[int]
    load_1m: Reading[float]
    other_runnable: Reading[int]
    cpu_temperature_c: Reading[float]
    cpu_frequency_hz: Reading[float]
    throttled: Reading[int]
    energy_uj: Reading[int]
    own_memory_bytes: Reading[int] = Missing("not_sampled")


def vitals(looks: Sequence[Look], cores: int) -> Vitals:
    """Derive the vitals of a run from at least one look, in order of time."""
    first, last = looks[0], looks[-1]
    engine, _, other = _shares(first, last)
    return Vitals(
        samples=(_sample(first, _FIRST, _FIRST, _FIRST), *_samples(looks)),
        cores=cores,
        peak_memory_bytes=_extreme([x.engine_peak_bytes for x in looks], max),
        engine_cpu_share=engine,
        other_cpu_share=other,
        cpu_temperature_max_c=_extreme([x.cpu_temperature_c for x in looks], max),
        cpu_frequency_min_hz=_extreme([x.cpu_frequency_hz for x in looks], min),
        swap_growth_bytes=_growth([x.swap_used_bytes for x in looks]),
        throttle_events=_growth([x.throttled for x in looks]),
        energy_j=_scaled(_growth([x.energy_uj for x in looks]), 1 / _UJ_PER_J),
    )


def _samples(looks: Sequence[Look]) -> list[VitalSample]:
    return [_sample(after, *_shares(before, after)) for before, after in pairwise(looks)]


def _sample(
    look: Look, engine: Reading[float], own: Reading[float], other: Reading[float]
) -> VitalSample:
    return VitalSample(
        at_ns=look.at_ns,
        engine_cpu_share=engine,
        own_cpu_share=own,
        other_cpu_share=other,
        engine_memory_bytes=look.engine_memory_bytes,
        swap_used_bytes=look.swap_used_bytes,
        load_1m=look.load_1m,
        cpu_temperature_c=look.cpu_temperature_c,
        cpu_frequency_hz=look.cpu_frequency_hz,
        throttled=look.throttled,
        energy_uj=look.energy_uj,
        engine_swap_bytes=look.engine_swap_bytes,
        other_runnable=look.other_runnable,
        own_memory_bytes=look.own_memory_bytes,
    )


def _shares(before: Look, after: Look) -> tuple[Reading[float], Reading[float], Reading[float]]:
    """Return the shares of the engine, of ourselves and of the rest, in cores."""
    seconds = (after.at_ns - before.at_ns) / _NS_PER_S
    if seconds <= 0:
        return _FIRST, _FIRST, _FIRST
    engine = _grown(before.engine_cpu_s, after.engine_cpu_s)
    own = _grown(before.own_cpu_s, after.own_cpu_s)
    busy = _grown(before.busy_s, after.busy_s)
    parts = (busy, engine, own)
    other: Reading[float] | None = next((p for p in parts if isinstance(p, Missing)), None)
    if other is None:
        all_s, engine_s, own_s = (p.value for p in parts if isinstance(p, Measured))
        # Ticks are coarse: over a short interval the parts can add up to more than the whole.
        other = Measured(max(0.0, all_s - engine_s - own_s), "derived")
    return _scaled(engine, 1 / seconds), _scaled(own, 1 / seconds), _scaled(other, 1 / seconds)


def _grown(before: Reading[float], after: Reading[float]) -> Reading[float]:
    if isinstance(before, Missing):
        return before
    if isinstance(after, Missing):
        return after
    return Measured(max(0.0, after.value - before.value), "derived")


def _growth(readings: Sequence[Reading[int]]) -> Reading[int]:
    """Return the highest value less the first, of those that could be read."""
    found = [r.value for r in readings if isinstance(r, Measured)]
    if not found:
        return _why(readings)
    return Measured(max(found) - found[0], "derived")


def _extreme(readings: Sequence[Reading[T]], pick: Callable[[Sequence[T]], T]) -> Reading[T]:
    found = [r.value for r in readings if isinstance(r, Measured)]
    return Measured(pick(found), "client") if found else _why(readings)


def _why(readings: Sequence[Reading[T]]) -> Missing:
    return next(r for r in readings if isinstance(r, Missing))


def _scaled(reading: Reading[T], factor: float) -> Reading[float]:
    if isinstance(reading, Missing):
        return reading
    return Measured(reading.value * factor, "derived")
