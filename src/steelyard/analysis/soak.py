"""What became of the chosen variant under load for a long time: speed, heat, clock, memory.

The load is cut into thirds by time, each third into stretches of equal length; the speed of a
stretch is the output tokens that came in it over its length, an answer's tokens spread evenly over
its arrivals. Time runs from the first send to the last: afterwards places are no longer refilled.
Not aware of the campaign. Source of the interval of a change: the delta method on the logarithm,
each third's error that of a series whose neighbours resemble each other (`stats.series`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from steelyard.analysis import asked, timing
from steelyard.analysis.asked import Block
from steelyard.analysis.level_sides import system_tps
from steelyard.domain.caution import quality
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Completed
from steelyard.domain.summary import Estimate, Soak
from steelyard.domain.vitals import Vitals, VitalSample
from steelyard.stats.means import mean
from steelyard.stats.series import long_run_error, series_estimate
from steelyard.stats.special import t_quantile

_THIRDS: Final = 3
# Of each third: more than a series' interval takes, and few enough that tokens come in each.
_STRETCHES: Final = 30
_UPPER: Final = 0.975
_NO_LOAD: Final = Missing("no_requests", "the load did not begin")
_NO_SAMPLES: Final = Missing("not_sampled", "nothing was sampled in the first or the last third")


def soak(record: RunRecord, label: str) -> Soak:
    """Return what a soak run found, also where it ended early or failed."""
    section = next((s for s in record.sections if s.kind == "workload"), None)
    load = record.spec.workloads[0]
    block = None if section is None or not section.attempts else asked.block_of(section)
    rates = _NO_LOAD if block is None else _rates(block)
    vitals = record.vitals
    first, last = _third(rates, 0), _third(rates, _THIRDS - 1)
    attempts = () if block is None else block.attempts
    return Soak(
        run_id=record.id,
        label=label,
        streams=load.streams,
        asked_s=load.duration_s or 0.0,
        elapsed_s=_NO_LOAD if block is None else Measured(block.elapsed_s, "client"),
        outcome=record.outcome,
        reason=record.reason or ("" if section is None else section.reason),
        quality=quality(record.cautions),
        cautions=tuple(caution.code for caution in record.cautions),
        requests=len(attempts),
        failed=sum(not isinstance(a.outcome, Completed) for a in attempts),
        system_tps=_NO_LOAD if block is None else system_tps([block]),
        first_third_tps=first,
        last_third_tps=last,
        change=_change(rates),
        temperature_first_c=_of_third(vitals, block, 0, lambda s: s.cpu_temperature_c),
        temperature_last_c=_of_third(vitals, block, 2, lambda s: s.cpu_temperature_c),
        temperature_max_c=_vital(vitals, lambda v: v.cpu_temperature_max_c),
        temperature_limit_c=record.spec.controls.profile.temperature_max_c,
        throttle_events=_vital(vitals, lambda v: v.throttle_events),
        clock_change=_ratio(
            _of_third(vitals, block, 0, lambda s: s.cpu_frequency_hz),
            _of_third(vitals, block, 2, lambda s: s.cpu_frequency_hz),
        ),
        swap_growth_bytes=_vital(vitals, lambda v: v.swap_growth_bytes),
        memory_change=_ratio(
            _of_third(vitals, block, 0, lambda s: s.engine_memory_bytes),
            _of_third(vitals, block, 2, lambda s: s.engine_memory_bytes),
        ),
        tps_over_time=_over_time(block, rates),
    )


def sentence(found: Soak) -> str:
    """Say in one sentence what long load did to the variant that was chosen."""
    lasted = value_of(found.elapsed_s) or 0.0
    words = f"Under load for {lasted / 60:.3g} min, {found.streams} at a time, {found.label} "
    match found.change:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=up)
        ):
            shown = low > 0 or up < 0
            words += (
                f"{'changed its speed by' if shown else 'showed no change of speed:'}"
                f" {value:+.1%} [{low:+.1%}, {up:+.1%}] from the first to the last third"
            )
        case Estimate(value=Measured(value=value)):
            words += f"changed its speed by {value:+.1%} from the first to the last third"
        case _:
            words += f"shows no trend of its speed ({found.change.value})"
    if isinstance(found.temperature_max_c, Measured):
        words += f"; the processor reached {found.temperature_max_c.value:.0f} °C"
    return f"{words}{f'; {found.reason}' if found.reason else ''}."


def _rates(block: Block) -> Reading[tuple[float, ...]]:
    """Return tokens a second of each stretch."""
    begin_ns = block.span_ns[0]
    end_ns = max(attempt.sent_ns for attempt in block.attempts)
    count = _THIRDS * _STRETCHES
    width_ns = (end_ns - begin_ns) / count
    tokens = [0.0] * count
    for attempt in block.attempts:
        if not isinstance(attempt.outcome, Completed):
            continue
        if isinstance(attempt.usage, Missing):
            return Missing("token_count_unavailable", f"request {attempt.sample}: {attempt.usage}")
        arrived = timing.token_arrivals(attempt)
        for arrival in arrived:
            if width_ns and (place := int((arrival.at_ns - begin_ns) / width_ns)) < count:
                tokens[place] += attempt.usage.value.output_tokens / len(arrived)
    if not any(tokens):
        return Missing("too_few_requests", "too little came to tell one third from another")
    return Measured(tuple(n / width_ns * timing.NS_PER_S for n in tokens), "derived")


def _third(rates: Reading[tuple[float, ...]], place: int) -> Estimate:
    if isinstance(rates, Missing):
        return Estimate(rates, rates, rates, 0)
    return series_estimate(_slice(rates.value, place), "mean", seed=0)


def _slice(rates: Sequence[float], place: int) -> Sequence[float]:
    return rates[place * _STRETCHES : (place + 1) * _STRETCHES]


def _change(rates: Reading[tuple[float, ...]]) -> Estimate:
    """Return by what share the last third's speed is above the first's."""
    if isinstance(rates, Missing):
        return Estimate(rates, rates, rates, 0)
    first, last = _slice(rates.value, 0), _slice(rates.value, _THIRDS - 1)
    if not mean(first) or not mean(last):
        none = Missing("no_tokens", "nothing came in the first or in the last third")
        return Estimate(none, none, none, 0)
    ratio = mean(last) / mean(first)
    error = math.hypot(long_run_error(first) / mean(first), long_run_error(last) / mean(last))
    half = t_quantile(_UPPER, _STRETCHES - 1) * error
    low, high = (ratio * math.exp(sign * half) - 1 for sign in (-1, 1))
    return Estimate(
        Measured(ratio - 1, "derived"),
        Measured(low, "derived"),
        Measured(high, "derived"),
        2 * _STRETCHES,
    )


def _of_third(
    vitals: Reading[Vitals],
    block: Block | None,
    place: int,
    read: Callable[[VitalSample], Reading[int] | Reading[float]],
) -> Reading[float]:
    """Return the mean of what was sampled in one third of the load's time."""
    if block is None:
        return _NO_LOAD
    if isinstance(vitals, Missing):
        return vitals
    begin_ns, end_ns = block.span_ns
    width_ns = (end_ns - begin_ns) / _THIRDS
    inside = [
        read(sample)
        for sample in vitals.value.samples
        if place * width_ns <= sample.at_ns - begin_ns < (place + 1) * width_ns
    ]
    known = [float(reading.value) for reading in inside if isinstance(reading, Measured)]
    if known:
        return Measured(mean(known), "client")
    return next((reading for reading in inside if isinstance(reading, Missing)), _NO_SAMPLES)


def _ratio(first: Reading[float], last: Reading[float]) -> Reading[float]:
    for reading in (first, last):
        if isinstance(reading, Missing):
            return reading
    before, after = value_of(first), value_of(last)
    if not before or after is None:
        return Missing("zero_level", "a change from nothing has no share")
    return Measured(after / before - 1, "derived")


def _vital(
    vitals: Reading[Vitals], read: Callable[[Vitals], Reading[int] | Reading[float]]
) -> Reading[float]:
    if isinstance(vitals, Missing):
        return vitals
    found = read(vitals.value)
    return found if isinstance(found, Missing) else Measured(float(found.value), found.source)


def _over_time(
    block: Block | None, rates: Reading[tuple[float, ...]]
) -> tuple[tuple[float, float], ...]:
    """Return (seconds since the load began, tokens a second) at the middle of each stretch."""
    if block is None or isinstance(rates, Missing):
        return ()
    begin_ns = block.span_ns[0]
    end_ns = max(attempt.sent_ns for attempt in block.attempts)
    width_s = (end_ns - begin_ns) / timing.NS_PER_S / len(rates.value)
    return tuple(((place + 0.5) * width_s, rate) for place, rate in enumerate(rates.value))
