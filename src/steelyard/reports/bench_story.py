"""What a bench says in words: instrument, levels, knee, objectives, cautions, for every format.

Nothing is decided here; the sentences restate the summary's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from steelyard.domain.bench import BenchSummary, Level, Measurement, Steady
from steelyard.domain.caution import Caution
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.reports.bench_columns import bound, rounded, with_interval
from steelyard.reports.figures import NOTHING, duration, percent, said, significant, size
from steelyard.reports.story import Gap, Line, same, sentence

LETTERS: Final = ("A", "B")
NOT_SEARCHED: Final = "not_searched"


def warnings(summary: BenchSummary) -> Iterator[str]:
    """Say what a reader must know before any number."""
    for one in summary.measurements:
        if one.simulated:
            yield f"Simulated data: {one.subject} is a scripted server, no model was weighed."
        if one.outcome != "completed":
            yield sentence(f"The bench of {one.subject} is {one.outcome}: {one.reason}")
        if one.quality == "POLLUTED":
            codes = ", ".join(dict.fromkeys(c.code for c in one.cautions if c.pollutes))
            yield f"The bench of {one.subject} is polluted ({codes}): see the cautions."
        yield from (f"Not proved: {p.name}: {p.found}." for p in one.proofs if not p.passed)


def name_of(summary: BenchSummary, place: int) -> str:
    """Return a measurement's subject, with its letter where there are two."""
    subject = summary.measurements[place].subject
    return f"{LETTERS[place]}: {subject}" if len(summary.measurements) > 1 else subject


def machine(summary: BenchSummary) -> str:
    """Say what the client ran on."""
    device = summary.device
    gpus = f", {', '.join(device.gpus)}" if device.gpus else ""
    return f"{device.cpu}, {counted(device.cores, 'core')}, {size(device.memory_bytes)}{gpus}"


def facts(summary: BenchSummary, one: Measurement) -> tuple[Line, ...]:
    """Say what was measured, from where, and how it went."""
    reason = f": {one.reason}" if one.reason else ""
    return (
        Line("engine", f"{one.engine}, build {said(one.build, same)}"),
        Line("client's machine", machine(summary)),
        Line(
            "system",
            f"{summary.device.system} {summary.environment.kernel}, {summary.device.architecture}",
        ),
        Line("started", one.started_at),
        Line("outcome", f"{one.outcome}{reason}; {one.quality}"),
        *loaded(one),
        *((Line("objectives", summary.objectives),) if summary.objectives else ()),
        Line("run", one.run_id),
    )


def loaded(one: Measurement) -> tuple[Line, ...]:
    """Say how long an engine of ours took to come up; nothing of one that was up before."""
    if isinstance(one.load_s, Missing):
        return ()
    first = said(one.first_request_s, duration)
    return (Line("ready after", f"{duration(one.load_s.value)}; first request {first}"),)


def instrument(one: Measurement) -> str:
    """Say in one line how far the client's own doing reaches, and what it cost."""
    bounds = [level.bound for level in one.levels]
    if not bounds:
        return f"Instrument: no level was measured; {footprint(one)}"
    stamps = " and ".join(sorted({found.stamps for found in bounds}))
    text = (
        f"Instrument: first token {_spread([b.ttft_s for b in bounds])},"
        f" gaps {_spread([b.gap_s for b in bounds])} ({stamps} stamps), 95 % of samples"
    )
    if (censored := _most([b.censored_gaps for b in bounds])) > 0:
        text += f"; up to {percent(censored)} of gaps are known only as a range"
    if (late := _most([b.late_s for b in bounds])) > 0:
        text += f"; the longest that anything lay unread: {duration(late)}"
    return f"{text}; client used {footprint(one)}"


def footprint(one: Measurement) -> str:
    """Say what measuring cost."""
    found = one.footprint
    if isinstance(found.cpu_share, Missing) and isinstance(found.memory_bytes, Missing):
        return f"{NOTHING} ({found.cpu_share})"
    cpu = said(found.cpu_share, lambda share: f"{significant(share * 100, 2)} % of a core")
    processes = f" in {found.processes} processes" if found.processes > 1 else ""
    return f"{cpu}, {said(found.memory_bytes, size)}{processes}"


def instrument_lines(summary: BenchSummary, one: Measurement) -> tuple[Line, ...]:
    """Say the same at length, with what calibration found."""
    bounds = [level.bound for level in one.levels]
    found = summary.instrument
    calibrated = f"99 % of {found.samples:,} samples, {found.streams} streams at a time"
    lines = [
        Line(
            "first token, this load", _spread([b.ttft_s for b in bounds]),
            "95 % of samples are off by less; from the best to the worst level",
        ),
        Line(
            "gaps, this load", _spread([b.gap_s for b in bounds]),
            "95 % of gaps are off by less; from the best to the worst level",
        ),
        Line(
            "gaps known only as a range", _largest([b.censored_gaps for b in bounds], percent),
            "several events lay there when they were read; at the worst level",
        ),
        Line(
            "longest unread", _largest([b.late_s for b in bounds], duration),
            "the longest that anything had arrived and was not yet read",
        ),
        Line(
            "stamps", " and ".join(sorted({b.stamps for b in bounds})) or NOTHING,
            "kernel: stamped when it came off the network; user: when the read returned",
        ),
        Line("what measuring cost", footprint(one), "the client's processes, over the whole bench"),
        Line("calibration, first token", said(found.ttft_error_s, _within), calibrated),
        Line("calibration, gaps", said(found.gap_error_s, _within), calibrated),
        Line(
            "calibration, lateness", said(found.lateness_s, _within),
            "99 % of requests that are bound to a moment go out within it",
        ),
    ]  # fmt: skip
    return tuple(lines)


def steady(level: Level) -> str:
    """Say which window the figures are taken from."""
    match level.steady:
        case Missing():
            return f"figures over all requests: {level.steady}"
        case Measured(value=window):
            return f"steady {_window(window)}; trend: {window.trend}"


def level_line(level: Level) -> str:
    """Say what one level sent, and where its figures come from."""
    reason = f"; ended early: {level.reason}" if level.reason else ""
    failures = level.counts.failures
    why = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(failures.items())
    )
    failed = f"; failed: {why}" if why else ""
    return f"{level.load}: {level.prompts}; {steady(level)}{failed}{reason}"


def gap_text(gap: Gap) -> str:
    """Say what is absent, at which levels, and why."""
    return f"{gap.what} at {', '.join(gap.labels)}: {gap.why}"


def knee(one: Measurement) -> tuple[str, ...]:
    """Say where the server stops keeping up, or why that is not known; nothing if none asked."""
    match one.knee:
        case Missing(code=code) if code == NOT_SEARCHED:
            return ()
        case Missing():
            return (f"Knee: {NOTHING} ({one.knee})",)
        case Measured(value=found):
            rate = with_interval(found.rate_per_s, rounded)
            probes = counted(found.probes, "probe")
            return (f"Knee: {rate} requests a second, in {probes}; {found.reason}",)


def cautions(summary: BenchSummary) -> tuple[tuple[str, Caution], ...]:
    """Return every caution with the measurement it belongs to."""
    return tuple(
        (name_of(summary, place), caution)
        for place, one in enumerate(summary.measurements)
        for caution in one.cautions
    )


def caution_text(caution: Caution) -> str:
    """Return a caution as sentences."""
    pollutes = " (pollutes)" if caution.pollutes else ""
    return f"{caution.code}{pollutes}: {sentence(caution.seen)} {sentence(caution.advice)}"


def gate_lines(level: Level) -> tuple[Line, ...]:
    """Return the objectives of a level: demanded, met or not, found."""
    if isinstance(level.goodput, Missing):
        return ()
    gates = level.goodput.value.gates
    return tuple(Line(gate.demanded, gate.state, gate.found) for gate in gates)


def _spread(readings: Sequence[Reading[float]]) -> str:
    """Return ± the best and the worst bound in milliseconds, or the first reason."""
    known = sorted(reading.value for reading in readings if isinstance(reading, Measured))
    if not known:
        return f"± {next((said(reading, str) for reading in readings), NOTHING)}"
    least, most = bound(known[0] * 1e3), bound(known[-1] * 1e3)
    return f"± {most} ms" if least == most else f"± {least} to {most} ms"


def _within(error_s: float) -> str:
    return f"± {bound(error_s * 1e3)} ms"


def _most(readings: Sequence[Reading[float]]) -> float:
    return max((r.value for r in readings if isinstance(r, Measured)), default=0.0)


def _window(window: Steady) -> str:
    left_out = f"{counted(window.warmup, 'request')} before it and {window.cooldown:,} after"
    if not window.warmup and not window.cooldown:
        left_out = "no request left out"
    return f"from {window.start_s:.1f} to {window.end_s:.1f} s, {left_out}"


def _largest(readings: Sequence[Reading[float]], write: Callable[[float], str]) -> str:
    """Return the largest of several readings as text, or the first reason."""
    known = [reading.value for reading in readings if isinstance(reading, Measured)]
    if known:
        return write(max(known))
    return next((said(reading, write) for reading in readings), NOTHING)
