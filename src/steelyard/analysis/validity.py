"""Is a run fit to be compared? Every caveat of rows A4 to A6, derived from the record alone.

Load that the engine itself makes is not pollution: background load is what remains of the machine
beside the engine's process tree and our own. Thresholds are the control profile's. What could not
be observed is said and does not pollute. Not aware of what is done with a polluted run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import asked, client_limits, timing
from steelyard.analysis.metrics import load
from steelyard.analysis.metrics.machine import overhead
from steelyard.analysis.repeats import not_drawn
from steelyard.domain.caution import Caution
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import (
    AppliedControl,
    ControlProfile,
    RunRecord,
    Section,
    TelemetryStatus,
)
from steelyard.domain.stream import Attempt
from steelyard.domain.vitals import Vitals, VitalSample
from steelyard.stats.means import mean

# Whatever the engine is, these are recorded: as applied, or as not controllable with the reason.
REQUIRED_CONTROLS: Final = ("seed", "threads", "affinity", "prefix_cache")
ATTACHED: Final = "attached"  # the runtime of a server that was up before we came
# What `asked` says where the choice was left to the engine or the system.
LEFT_OPEN: Final = frozenset({"any", "engine's choice"})

_CLOCK_SLACK_S: Final = 0.002
_BUSY_SHARE: Final = 0.5
# The first sample is the difference of two looks, so it ends a while after the first request.
_FIRST_LOOK_NS: Final = 5_000_000_000
_THIRD_LEAST: Final = 3


def telemetry_status(record: RunRecord) -> TelemetryStatus:
    """Return the telemetry status of a run: that of its worst answered request.

    Throughput is read from workloads, so where there are any, they decide. Of a task's answers,
    which may be one word long, it is enough that they were counted and that a token was stamped.
    """
    timed = _answered(record, "workload")
    attempts = timed or _answered(record, "task")
    if timed:
        stamped = [
            not timing.telemetry_status(a).endswith("TIMING_UNAVAILABLE")
            for a in timed
            if a.streamed  # whoever asked for one piece gets no moments, and misses none
        ]
    else:
        stamped = [bool(timing.token_arrivals(a)) for a in attempts]
    counted = bool(attempts) and all(isinstance(a.usage, Measured) for a in attempts)
    if counted:
        return "OK" if all(stamped) else "TIMING_UNAVAILABLE"
    whole = bool(stamped) and all(stamped)
    return "TOKEN_COUNT_UNAVAILABLE" if whole else "TOKEN_AND_TIMING_UNAVAILABLE"


def cautions(record: RunRecord, thresholds: ControlProfile | None = None) -> tuple[Caution, ...]:
    """Return every caution of a run, in a fixed order; thresholds default to the spec's own."""
    limits = thresholds or record.spec.controls.profile
    return (
        *_synthetic(record),
        *_telemetry(record),
        *_controls(record.controls, ours=record.spec.subject.runtime != ATTACHED),
        *_background(record, limits),
        *_machine(record, limits),
        *_overhead(record, limits),
        *_clocks(record.sections, limits),
        *_deaths(record),
        *_date(record),
        *_client(record),
        *_resent(record),
        *_prefix_cache(record),
        *_not_drawn(record),
    )


def _synthetic(record: RunRecord) -> Iterator[Caution]:
    if record.facts is not None and record.facts.synthetic:
        yield Caution(
            "SYNTHETIC_WEIGHTS",
            "synthetic: the weights are random, in the shape of a model",
            "read speed and memory as that model's; what it answered means nothing",
        )


def _telemetry(record: RunRecord) -> Iterator[Caution]:
    status = telemetry_status(record)
    if status != "OK":
        yield Caution(
            "MISSING_TOKEN_TIMINGS",
            f"telemetry status {status}",
            "check that the engine streams and reports usage; throughput is left empty",
        )


def _controls(controls: Sequence[AppliedControl], *, ours: bool) -> Iterator[Caution]:
    """Judge what was asked against what is in force; a server of somebody else's owes no answer."""
    named = {control.name for control in controls}
    wrong = [f"{name} was not recorded" for name in REQUIRED_CONTROLS if name not in named]
    beyond = []
    for control in controls:
        applied = control.applied
        if isinstance(applied, Measured):
            if not _same(control.asked, applied.value):
                wrong.append(f"{control.name} asked {control.asked}, found {applied.value}")
        elif applied.code == "not_controllable" or not ours:
            if applied.code != "no_key":
                beyond.append(f"{control.name} ({applied})")
        else:
            wrong.append(f"{control.name} unknown: {applied}")
    if wrong:
        yield Caution(
            "MISSING_EXPERIMENTAL_CONTROLS",
            "; ".join(wrong),
            "compare nothing with this run; set the control on the engine or ask for what it does",
        )
    if beyond:
        yield Caution(
            "NOT_CONTROLLABLE", "; ".join(beyond), "read the numbers as the engine's own choice"
        )


def _background(record: RunRecord, limits: ControlProfile) -> Iterator[Caution]:
    if isinstance(record.vitals, Missing):
        yield _unobserved(f"vitals: {record.vitals}")
        return
    vitals = record.vitals.value
    if early := _before(record.sections, vitals):
        were = "was" if early == 1 else "were"
        yield _unobserved(f"{counted(early, 'request')} {were} answered before the run was resumed")
    if isinstance(vitals.other_cpu_share, Missing):
        yield _unobserved(f"background load: {vitals.other_cpu_share}")
    elif (share := vitals.other_cpu_share.value / vitals.cores) > limits.other_cpu_share_max:
        yield Caution(
            "HIGH_CPU_SATURATION",
            f"other programs used {share:.0%} of all cores"
            f" (limit {limits.other_cpu_share_max:.0%})",
            "stop what else runs on this machine and run again",
        )
    waiting = [v for s in vitals.samples if (v := value_of(s.other_runnable)) is not None]
    if waiting and (queue := mean(waiting) / vitals.cores) > limits.load_per_core_max:
        yield Caution(
            "HIGH_SYSTEM_LOAD",
            f"{queue:.1f} threads of other programs per core ran or waited"
            f" (limit {limits.load_per_core_max:g})",
            "stop what else runs on this machine and run again",
        )


def _machine(record: RunRecord, limits: ControlProfile) -> Iterator[Caution]:
    if isinstance(record.vitals, Missing):
        return
    vitals = record.vitals.value
    if seen := _throttled(vitals, limits):
        yield Caution(
            "THERMAL_THROTTLING", seen, "cool the machine, limit its power, or pause between runs"
        )
    grown = max(value_of(vitals.swap_growth_bytes) or 0, _engine_swap_growth(vitals.samples))
    if grown > limits.swap_growth_bytes_max:
        yield Caution(
            "SWAPPING",
            f"swap grew by {grown / (1 << 20):.0f} MiB"
            f" (limit {limits.swap_growth_bytes_max / (1 << 20):.0f})",
            "take a smaller quant or context, or free memory",
        )


def _overhead(record: RunRecord, limits: ControlProfile) -> Iterator[Caution]:
    # Where the load itself has pauses in it, idle time is what was asked for.
    busy = tuple(s for s in record.sections if asked.busy(asked.load_of(record, s)))
    found = overhead(replace(record, sections=busy))
    if isinstance(found, Measured) and found.value.ratio > limits.orchestration_overhead_max:
        spent = found.value
        yield Caution(
            "HIGH_ORCHESTRATION_OVERHEAD",
            f"{spent.ratio:.0%} of {spent.elapsed_s:.1f} s passed without the engine at work"
            f" (limit {limits.orchestration_overhead_max:.0%}; model time by the {spent.basis})",
            "give the client a core of its own, or more streams",
        )


def _clocks(sections: Sequence[Section], limits: ControlProfile) -> Iterator[Caution]:
    off = []
    for section in (s for s in sections if s.kind == "workload"):
        ratio = load.client_engine_ratio(section)
        if isinstance(ratio, Missing) or abs(ratio.value - 1) <= limits.timing_mismatch_max:
            continue
        spans = [w.span_s for a in load.completed(section) if (w := value_of(timing.window(a)))]
        # A short answer's difference may be less than the clocks and the wire can tell.
        if abs(mean(spans) - mean(spans) / ratio.value) > _CLOCK_SLACK_S:
            off.append(f"{section.name}: client / engine = {ratio.value:.2f}")
    if off:
        yield Caution(
            "TIMING_MISMATCH",
            "; ".join(off),
            "look for a proxy that buffers the stream, or an engine that counts other work",
        )


def _client(record: RunRecord) -> Iterator[Caution]:
    if moved := client_limits.moved(record):
        yield Caution(
            "CLIENT_BOTTLENECK",
            f"the client itself moved {'; '.join(map(str, moved))}",
            "send fewer streams from one process (`--processes 2`), give the client a core of its"
            " own, or measure from another machine",
        )
    if late := client_limits.censored(record):
        yield Caution(
            "CLIENT_LATE",
            "known within a range only, since the client sent slowly, read late, or read several at"
            " once: "
            f"{'; '.join(map(str, late))}",
            "trust speeds and medians; percentiles of gaps that this moves are withheld",
        )
    own, answers = client_limits.user_stamped(record)
    # The stamps of an instrument that was not calibrated were not asked for either.
    if own and isinstance(record.instrument.gap_error_s, Measured):
        yield Caution(
            "STAMPS_USER",
            f"kernel stamps are not to be had here: {own} of {answers} answers have the moment at"
            " which the client read them (the system has no such clock, or the connection is"
            " encrypted)",
            "a busy client reads late, so watch its share; Linux over plain HTTP has kernel stamps",
        )


def _resent(record: RunRecord) -> Iterator[Caution]:
    sent = [a for s in record.sections if s.kind == "workload" for a in s.attempts]
    again = sum(attempt.reconnects > 0 for attempt in sent)
    if again:
        were = "was" if again == 1 else "were"
        yield Caution(
            "RESENT",
            f"{again} of {counted(len(sent), 'request')} {were} sent twice or more: the server had"
            " closed the connection that was kept alive for them",
            "their latencies hold the lost try and the new connection; let the server keep idle"
            " connections longer",
        )


def _date(record: RunRecord) -> Iterator[Caution]:
    if record.clock_jump_s:
        yield Caution(
            "CLOCK_JUMP",
            f"the date was set by {record.clock_jump_s:+.1f} s while it ran, or the machine slept",
            "durations are by another clock and stand; a machine that slept was not measured:"
            " keep it awake and run again",
        )


def _deaths(record: RunRecord) -> Iterator[Caution]:
    """Say that the engine died and was started again, and what was asked once more."""
    if record.deaths:
        yield Caution(
            "ENGINE_RESTARTED",
            f"the engine died {counted(len(record.deaths), 'time')}, in {', '.join(record.deaths)},"
            " and was started again; what it had not answered was asked once more",
            "look into its log for why; what it used of the machine is that of its last start",
        )


def _prefix_cache(record: RunRecord) -> Iterator[Caution]:
    """Say that a cache held part of prompts that were to be new to it."""
    if record.spec.controls.reuse_prefix:
        return
    found = [
        value_of(attempt.usage.value.cached_tokens) or 0
        for attempt in _answered(record, "workload")
        if isinstance(attempt.usage, Measured)
    ]
    if hits := [tokens for tokens in found if tokens]:
        yield Caution(
            "PREFIX_CACHE_HIT",
            f"{len(hits)} of {counted(len(found), 'prompt')} came partly out of the engine's prefix"
            f" cache ({counted(sum(hits), 'token')}), though none was to repeat another",
            "read times to first token as too short, or turn the engine's prefix cache off",
        )


def _not_drawn(record: RunRecord) -> Iterator[Caution]:
    """Say that samples which were to be drawn are one text."""
    if (found := not_drawn(record)) is not None:
        which = "the one item" if found.items == 1 else f"all {found.items} items"
        yield Caution(
            "SEED_IGNORED",
            f"the samples of {which} are the same text, {counted(found.again, 'time')} the"
            " first answer again: seed or temperature may be ignored",
            "do not read pass@k beyond 1; see whether another --temperature changes a word, and"
            " what `steelyard engines probe` finds of the seed",
        )


def _answered(record: RunRecord, kind: str) -> list[Attempt]:
    return [
        a for section in record.sections if section.kind == kind for a in load.completed(section)
    ]


def _same(asked: str, found: str) -> bool:
    """Compare what was asked with what is in force; numbers by value."""
    if asked in LEFT_OPEN or asked == found:
        return True
    try:
        return float(asked) == float(found)
    except ValueError:
        return False


def _throttled(vitals: Vitals, limits: ControlProfile) -> str:
    events = value_of(vitals.throttle_events) or 0
    if events > 0:
        return f"the machine throttled {counted(events, 'time')}"
    busy = [
        clock
        for sample in vitals.samples
        if (value_of(sample.engine_cpu_share) or 0) >= _BUSY_SHARE
        and (clock := value_of(sample.cpu_frequency_hz)) is not None
    ]
    third = len(busy) // 3
    if third < _THIRD_LEAST:
        return ""
    drop = 1 - mean(busy[-third:]) / mean(busy[:third])
    if drop <= limits.frequency_drop_max:
        return ""
    return f"the clock under load fell by {drop:.0%} (limit {limits.frequency_drop_max:.0%})"


def _engine_swap_growth(samples: Sequence[VitalSample]) -> int:
    found = [v for s in samples if (v := value_of(s.engine_swap_bytes)) is not None]
    return max(found) - found[0] if found else 0


def _before(sections: Sequence[Section], vitals: Vitals) -> int:
    """Count the requests that were sent before anybody looked at the machine."""
    if not vitals.samples:
        return 0
    began_ns = vitals.samples[0].at_ns - _FIRST_LOOK_NS
    return sum(attempt.sent_ns < began_ns for s in sections for attempt in s.attempts)


def _unobserved(seen: str) -> Caution:
    return Caution(
        "BACKGROUND_LOAD_UNKNOWN", seen, "make sure yourself that nothing else was running"
    )
