"""Vitals: what the machine and the server's process tree did while a run went on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Missing, Reading


@final
@dataclass(frozen=True, slots=True)
class VitalSample:
    """One look at the machine. Shares are of one core: 2.0 is two cores busy.

    `engine_*` covers the server's process tree, `own_*` the client's, `other_*` the rest of the
    machine. `throttled` counts throttle events since boot where a counter exists;
    `other_runnable` is the number of threads outside both trees that ran or waited for a core.
    """

    at_ns: int
    engine_cpu_share: Reading[float]
    own_cpu_share: Reading[float]
    other_cpu_share: Reading[float]
    engine_memory_bytes: Reading[int]
    swap_used_bytes: Reading[int]
    load_1m: Reading[float]
    cpu_temperature_c: Reading[float]
    cpu_frequency_hz: Reading[float]
    throttled: Reading[int]
    energy_uj: Reading[int]
    engine_swap_bytes: Reading[int] = Missing("not_sampled")
    other_runnable: Reading[int] = Missing("not_sampled")
    own_memory_bytes: Reading[int] = Missing("not_sampled")


@final
@dataclass(frozen=True, slots=True)
class Vitals:
    """The series of one run and what was derived from it."""

    samples: tuple[VitalSample, ...]
    cores: int
    peak_memory_bytes: Reading[int]
    engine_cpu_share: Reading[float]
    other_cpu_share: Reading[float]
    cpu_temperature_max_c: Reading[float]
    cpu_frequency_min_hz: Reading[float]
    swap_growth_bytes: Reading[int]
    throttle_events: Reading[int]
    energy_j: Reading[float]
