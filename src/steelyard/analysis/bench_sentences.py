"""What a bench found, in plain words: one sentence for each load, and the ones that warn.

Every sentence is built from the summary that it leads, so it cannot say more than was measured: a
number stands with its interval and with the client's own share, or its reason does. Not aware of
layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.analysis.failure_hints import hints
from steelyard.domain.bench import Batching, Difference, Knee, Level, Measurement, Statistic
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate

# What is said of a load, and the highest percentile that is said of it.
_SHOWN: Final[tuple[tuple[str, str, Statistic], ...]] = (
    ("TTFT", "ttft_s", "p95"),
    ("TTFT from the intended time", "ttft_intended_s", "p95"),
    ("TPOT", "tpot_s", "p50"),
)
_PERCENTILES: Final[tuple[Statistic, ...]] = ("p95", "p90", "p50")
_LARGE: Final = 1000


def of_measurement(found: Measurement, *, several: bool) -> Iterator[str]:
    """Yield the sentences of one subject; its name leads them where there are two."""
    lead = f"{found.subject}: " if several else ""
    if found.quality == "POLLUTED":
        reasons = "; ".join(caution.seen for caution in found.cautions if caution.pollutes)
        yield f"{lead}POLLUTED, so compare nothing with it: {reasons}."
    if found.outcome != "completed":
        yield f"{lead}the outcome is {found.outcome}: {found.reason}."
    for level in found.levels:
        yield lead + _level(level)
        yield from (lead + sentence for sentence in _beside(level))
    yield from (lead + _both_ways(way) for way in found.batching)
    yield from (lead + sentence for sentence in (*_refused(found.levels), *_knee(found.knee)))


def of_difference(found: Difference) -> str:
    """Return the sentence of one difference."""
    return f"{_place(found.level)}: {found.words}."


def _level(level: Level) -> str:
    if not level.counts.completed:
        return f"{_place(level.load)}: no request was answered."
    parts = [_speed(level)]
    for title, metric, wanted in _SHOWN:
        parts += [f"{title} {said}"] if (said := _latency(level, metric, wanted)) else []
    share = level.bound.ttft_s
    if isinstance(share, Measured):
        parts.append(f"the client's own share of a TTFT is at most {_time(share.value)}")
    else:
        parts.append(f"the client's own share is not known ({share})")
    return f"{_place(level.load)}: {'; '.join(parts)}."


def _both_ways(way: Batching) -> str:
    """Say what refilling places at once is worth against waves, and what the waves leave idle."""
    place = _place(way.level)
    match way.ratio:
        case Estimate(value=Missing() as why):
            return f"{place}: continuous against static batching is not given ({why})."
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            times = f"{value:.3g} [{low:.3g}, {high:.3g}] times"
        case Estimate(value=Measured(value=value), low=low):
            times = f"{value:.3g} times (no interval: {low})"
    return (
        f"{place}: places that are refilled at once give {times} the throughput of waves, in which"
        f" {_share(way.idle_share)} of the place-seconds stand idle."
    )


def _beside(level: Level) -> Iterator[str]:
    counts = level.counts
    if counts.failed:
        whys = ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in counts.failures.items())
        failed = f"{counts.failed:,} of {counted(counts.sent, 'request')} failed"
        yield f"{_place(level.load)}: {failed} ({whys})."
        yield from (f"{said[:1].upper()}{said[1:]}." for said in hints(counts.failures))
    if counts.dropped:
        planned, were = counted(counts.planned, "request"), "was" if counts.dropped == 1 else "were"
        yield (
            f"{_place(level.load)}: {counts.dropped:,} of {planned} {were} never"
            " sent, since the load had ended before their turn."
        )
    if isinstance(cost := level.tokens.cost_usd, Measured):
        yield f"{_place(level.load)}: the service billed {cost.value:.6g} US dollars."
    if level.reason:
        yield f"{_place(level.load)}: {level.reason}."
    if isinstance(level.goodput, Measured):
        good = level.goodput.value
        yield f"{_place(level.load)}: {_share(good.share)} of the requests met their objectives."
        for gate in good.gates:
            if gate.state != "met":
                yield (
                    f"{_place(level.load)}: the objective '{gate.demanded}' is {gate.state}"
                    f" ({gate.found})."
                )


def _refused(levels: Sequence[Level]) -> Iterator[str]:
    """Say once for all loads why their TTFT has no p99; the first reason stands for the others."""
    found = [
        (level, figure.estimate.value)
        for level in levels
        if level.counts.completed and (figure := level.figure("ttft_s", "p99")) is not None
    ]
    reasons = [(level, why) for level, why in found if isinstance(why, Missing)]
    if reasons:
        level, why = reasons[0]
        others = _others(len(reasons) - 1)
        yield f"{_place(level.load)} TTFT p99 is not given ({why}){others}."


def _others(count: int) -> str:
    if not count:
        return ""
    return f", nor at {count} other load{'s' if count > 1 else ''}"


def _knee(found: Reading[Knee]) -> Iterator[str]:
    if isinstance(found, Measured):
        knee = found.value
        yield f"The knee is at {_rate(knee.rate_per_s)}, after {knee.probes} probes: {knee.reason}."
    elif found.code != "not_searched":
        yield f"No knee was found: {found}."


def _speed(level: Level) -> str:
    system = level.throughput.system_tps
    if isinstance(system, Missing):
        return f"{_rate(level.throughput.requests_per_s)} ({system})"
    if system.value >= _LARGE:
        return f"{system.value:,.0f} tok/s"
    return f"{system.value:.3g} tok/s"


def _latency(level: Level, metric: str, wanted: Statistic) -> str:
    """Say the wanted percentile, or the highest one below it that there is; nothing without any."""
    found = [level.figure(metric, s) for s in _PERCENTILES[_PERCENTILES.index(wanted) :]]
    figures = [figure for figure in found if figure is not None]
    for figure in figures:
        if isinstance(figure.estimate.value, Measured):
            return f"{figure.statistic} {_with_interval(figure.estimate)}"
    return f"is not given ({figures[-1].estimate.value})" if figures else ""


def _with_interval(estimate: Estimate) -> str:
    match estimate:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            return f"{_time(value)} [{_time(low)}, {_time(high)}]"
        case Estimate(value=Measured(value=value)):
            return _time(value)
        case _:
            return str(estimate.value)


def _rate(estimate: Estimate) -> str:
    match estimate:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            return f"{value:.3g} [{low:.3g}, {high:.3g}] requests a second"
        case Estimate(value=Measured(value=value)):
            return f"{value:.3g} requests a second"
        case _:
            return f"an unknown rate ({estimate.value})"


def _share(estimate: Estimate) -> str:
    match estimate:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            return f"{value:.1%} [{low:.1%}, {high:.1%}]"
        case _:
            return f"an unknown share ({estimate.value})"


def _place(load: str) -> str:
    return f"At {load}" if load[:1].isdecimal() else load[:1].upper() + load[1:]


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
