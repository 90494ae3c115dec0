"""One turn of one setting, read out of its run; and what the turns of several rounds say together.

Of a turn each speed is the median of its requests. Over the rounds it is the mean with Student's
interval; two settings are compared round by round (`stats.interleaved.compare`). A round in which
either is missing does not count. Not aware of what is set.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from steelyard.analysis import energy, timing
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.scaling import Speeds
from steelyard.domain.serverside import PowerSeries
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.summary import Estimate
from steelyard.stats.interleaved import compare
from steelyard.stats.means import mean_estimate

_NS_PER_S: Final = 1e9
FIRST: Final = Missing("the_first", "the others are compared with it")
_NOTHING: Final = Missing("no_requests", "nothing was answered")


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn found. `joules_per_token` is by meter; `failed` is why it found nothing."""

    setting: int
    round: int
    tpot_s: Reading[float]
    decode_tps: Reading[float]
    prefill_tps: Reading[float]
    system_tps: Reading[float]
    load_s: Reading[float]
    host_bytes: Reading[int]
    device_bytes: Reading[int]
    told_layers: Reading[str]
    joules_per_token: Mapping[str, Reading[float]] = field(default_factory=dict)
    failed: str = ""


Value: TypeAlias = Callable[[Turn], Reading[float]]


def read(
    setting: int,
    number: int,
    record: RunRecord,
    device_bytes: Reading[int],
    meters: Mapping[str, Reading[PowerSeries]],
) -> Turn:
    """Read one turn; `number` is its round, `meters` the looks at power over all of them."""
    section = record.sections[0] if record.sections else None
    attempts = [] if section is None else section.attempts
    whole = [one for one in attempts if isinstance(one.outcome, Completed)]
    failed = record.reason if record.outcome != "completed" else ""
    if not failed and not whole:
        failed = _first_failure(attempts)
    layers = (each.applied for each in record.controls if each.name == "gpu_layers")
    return Turn(
        setting=setting,
        round=number,
        tpot_s=_median(map(timing.tpot_s, whole)),
        decode_tps=_median(map(timing.output_tps, whole)),
        prefill_tps=_median(map(timing.prompt_tps, whole)),
        system_tps=_throughput(section, whole),
        load_s=record.load_s,
        host_bytes=_host_bytes(record),
        device_bytes=device_bytes,
        told_layers=next(layers, Missing("not_told", "the engine does not say")),
        joules_per_token={name: _joules(series, section, whole) for name, series in meters.items()},
        failed=failed,
    )


def of(turns: Iterable[Turn], setting: int) -> list[Turn]:
    """Return the turns of one setting that found something."""
    return [turn for turn in turns if turn.setting == setting and not turn.failed]


def mean(turns: Iterable[Turn], value: Value) -> Estimate:
    """Return the mean over turns of one setting."""
    readings = [value(turn) for turn in turns]
    found = [reading.value for reading in readings if isinstance(reading, Measured)]
    if found:
        return mean_estimate(found)
    why = next((r for r in readings if isinstance(r, Missing)), _NOTHING)
    return Estimate(why, why, why, 0)


def ratio(turns: Sequence[Turn], over: int, under: int, value: Value) -> Estimate:
    """Return one setting's value over another's, from the rounds that have both."""
    pairs = [(b, a) for a, b in both(turns, over, under, value)]
    if not pairs:
        none = Missing("no_pairs", "no round has both settings")
        return Estimate(none, none, none, 0)
    return compare(pairs).ratio


def against_first(turns: Sequence[Turn], setting: int, value: Value) -> Estimate:
    """Return a setting's value over that of the first; Missing for the first itself."""
    if setting == 0:
        return Estimate(FIRST, FIRST, FIRST, 0)
    return ratio(turns, setting, 0, value)


def both(turns: Sequence[Turn], first: int, second: int, value: Value) -> list[tuple[float, float]]:
    """Return the values of two settings, one pair a round."""
    a, b = (
        {t.round: found for t in of(turns, each) if (found := value_of(value(t))) is not None}
        for each in (first, second)
    )
    return [(a[number], b[number]) for number in sorted(a.keys() & b.keys())]


def speeds(turns: Sequence[Turn], setting: int) -> Speeds:
    """Return the speeds of one setting."""
    mine = of(turns, setting)
    return Speeds(
        decode_tps=mean(mine, lambda turn: turn.decode_tps),
        prefill_tps=mean(mine, lambda turn: turn.prefill_tps),
        system_tps=mean(mine, lambda turn: turn.system_tps),
        load_s=mean(mine, lambda turn: turn.load_s),
    )


def most(readings: Iterable[Reading[int]]) -> Reading[int]:
    """Return the largest that was read, or the first reason."""
    every = list(readings)
    values = [reading.value for reading in every if isinstance(reading, Measured)]
    if values:
        return Measured(max(values), "client")
    return next((r for r in every if isinstance(r, Missing)), _NOTHING)


def why_failed(turns: Iterable[Turn], setting: int) -> str:
    """Return why a setting found nothing in any round, or nothing where one did."""
    mine = [turn for turn in turns if turn.setting == setting]
    if any(not turn.failed for turn in mine):
        return ""
    return mine[0].failed if mine else "it had no turn"


def _median(readings: Iterable[Reading[float]]) -> Reading[float]:
    every = list(readings)
    values = [reading.value for reading in every if isinstance(reading, Measured)]
    if values:
        return Measured(statistics.median(values), "derived")
    return next((r for r in every if isinstance(r, Missing)), _NOTHING)


def _throughput(section: Section | None, whole: Sequence[Attempt]) -> Reading[float]:
    """Return all output tokens over the time from the first request sent to the last done."""
    tokens = _tokens(whole)
    if section is None or not tokens:
        return _NOTHING
    span_ns = max(one.done_ns for one in whole) - min(one.sent_ns for one in whole)
    return Measured(tokens / span_ns * _NS_PER_S, "derived")


def _joules(
    series: Reading[PowerSeries], section: Section | None, whole: Sequence[Attempt]
) -> Reading[float]:
    tokens = _tokens(whole)
    if isinstance(series, Missing):
        return series
    if section is None or not tokens:
        return _NOTHING
    span = min(one.sent_ns for one in whole), max(one.done_ns for one in whole)
    found = energy.energy(series.value, span)
    if isinstance(found, Missing):
        return found
    return Measured(found.value.value_j / tokens, "derived")


def _tokens(whole: Sequence[Attempt]) -> int:
    usages = (value_of(one.usage) for one in whole)
    return sum(usage.output_tokens for usage in usages if usage is not None)


def _host_bytes(record: RunRecord) -> Reading[int]:
    if isinstance(record.vitals, Missing):
        return record.vitals
    return record.vitals.value.peak_memory_bytes


def _first_failure(attempts: Sequence[Attempt]) -> str:
    for one in attempts:
        if not isinstance(one.outcome, Completed):
            return f"no request was answered: {one.outcome.why} {one.outcome.detail}".strip()
    return "no request was sent"
