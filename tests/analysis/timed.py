"""Attempts, sections and runs with planted times, to measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import (
    AppliedControl,
    Device,
    Environment,
    RunRecord,
    RunSpec,
    Section,
)
from steelyard.domain.stream import (
    Arrival,
    ArrivalKind,
    Attempt,
    Completed,
    EngineTimings,
    Failed,
    Usage,
)
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Mark
from steelyard.domain.vitals import Vitals, VitalSample

MS = 1_000_000
NONE = Missing("not_reported", "the engine sent none")
PENDING = Missing("first_look", "a share takes two looks")
CONTROLS = tuple(
    AppliedControl(name, asked, Measured(found, "engine"))
    for name, asked, found in (
        ("seed", "0", "0"),
        ("threads", "engine's choice", "2"),
        ("affinity", "any", "0,1"),
        ("prefix_cache", "off", "off"),
    )
)


def timings(
    prefill_s: float | None = 0.05,
    decode_s: float | None = 0.09,
    prompt: int | None = 100,
    cached: int | None = 0,
) -> Reading[EngineTimings]:
    def told(value: float | None) -> Reading[float]:
        return NONE if value is None else Measured(value, "engine")

    def counted(value: int | None) -> Reading[int]:
        return NONE if value is None else Measured(value, "engine")

    return Measured(
        EngineTimings(told(prefill_s), told(decode_s), counted(prompt), counted(cached)), "engine"
    )


def usage(
    output: int, prompt: int = 100, thought: int | None = None, cached: int | None = None
) -> Reading[Usage]:
    thinking: Reading[int] = NONE if thought is None else Measured(thought, "engine")
    reused: Reading[int] = NONE if cached is None else Measured(cached, "engine")
    return Measured(Usage(prompt, output, reused, thinking), "engine")


def arrivals(
    first_ms: float,
    gap_ms: float,
    events: int,
    *,
    per_event: int = 1,
    kind: ArrivalKind = "content",
    sent_ns: int = 0,
    said: int = 0,
) -> tuple[Arrival, ...]:
    """Token events on a planted grid; each token is one character."""
    return tuple(
        Arrival(
            sent_ns + round((first_ms + number * gap_ms) * MS),
            kind,
            said + per_event * (number + 1),
        )
        for number in range(events)
    )


def attempt(
    sample: str = "0",
    *,
    sent_ms: float = 0.0,
    first_ms: float = 60.0,
    gap_ms: float = 10.0,
    tokens: int = 10,
    per_event: int = 1,
    text: str = "an answer",
) -> Attempt:
    """A good attempt: tokens on a grid, usage and timings that agree with it."""
    sent_ns = round(sent_ms * MS)
    events = tokens // per_event
    came = arrivals(first_ms, gap_ms, events, per_event=per_event, sent_ns=sent_ns)
    return Attempt(
        sample=sample,
        intended_ns=sent_ns,
        sent_ns=sent_ns,
        done_ns=came[-1].at_ns + MS,
        arrivals=(Arrival(sent_ns + MS, "role", 0), *came),
        text=text,
        reasoning="",
        finish_reason="length",
        usage=usage(tokens),
        timings=timings(decode_s=(events - 1) * gap_ms / 1000),
        outcome=Completed(),
    )


def failed(sample: str = "9", *, sent_ms: float = 0.0, why: str = "disconnected") -> Attempt:
    return replace(
        attempt(sample, sent_ms=sent_ms),
        arrivals=(),
        usage=NONE,
        timings=NONE,
        outcome=Failed(why),
    )


def in_a_row(count: int, *, gap_ms: float = 10.0, pause_ms: float = 1.0) -> tuple[Attempt, ...]:
    """Equal attempts, one after the other."""
    found: list[Attempt] = []
    at_ms = 0.0
    for number in range(count):
        found.append(attempt(str(number), sent_ms=at_ms, gap_ms=gap_ms))
        at_ms = found[-1].done_ns / MS + pause_ms
    return tuple(found)


def section(
    attempts: Sequence[Attempt],
    name: str = "interactive/p512/o64/c1",
    *,
    marks: Mapping[str, Mark] | None = None,
    clusters: Mapping[str, str] | None = None,
    streams: int = 1,
) -> Section:
    return Section(
        name=name,
        kind="task" if marks is not None and not name.startswith("canary") else "workload",
        outcome="completed",
        started_ns=min((a.sent_ns for a in attempts), default=0),
        ended_ns=max((a.done_ns for a in attempts), default=0),
        attempts=tuple(attempts),
        marks=marks or {},
        clusters=clusters or {},
        streams=streams,
    )


def sample(at_ms: float, **changes: Reading[float] | Reading[int]) -> VitalSample:
    quiet = VitalSample(
        at_ns=round(at_ms * MS),
        engine_cpu_share=Measured(1.8, "derived"),
        own_cpu_share=Measured(0.05, "derived"),
        other_cpu_share=Measured(0.05, "derived"),
        engine_memory_bytes=Measured(1000, "client"),
        swap_used_bytes=Measured(0, "client"),
        load_1m=Measured(2.0, "client"),
        cpu_temperature_c=Measured(60.0, "client"),
        cpu_frequency_hz=Measured(3e9, "client"),
        throttled=Measured(0, "client"),
        energy_uj=Measured(0, "client"),
        engine_swap_bytes=Measured(0, "client"),
        other_runnable=Measured(0, "derived"),
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def vitals(samples: Sequence[VitalSample] = (), cores: int = 2) -> Vitals:
    return Vitals(
        samples=tuple(samples),
        cores=cores,
        peak_memory_bytes=Measured(5000, "client"),
        engine_cpu_share=Measured(1.8, "derived"),
        other_cpu_share=Measured(0.05, "derived"),
        cpu_temperature_max_c=Measured(60.0, "client"),
        cpu_frequency_min_hz=Measured(3e9, "client"),
        swap_growth_bytes=Measured(0, "derived"),
        throttle_events=Measured(0, "derived"),
        energy_j=Measured(30.0, "derived"),
    )


def record(
    sections: Sequence[Section],
    *,
    seen: Reading[Vitals] | None = None,
    controls: tuple[AppliedControl, ...] = CONTROLS,
) -> RunRecord:
    spec = RunSpec(Subject(Artifact("m.gguf", "gguf", sha256="ab" * 32)))
    return RunRecord(
        id=spec.id,
        spec=spec,
        outcome="completed",
        reason="",
        started_at="2026-11-21T00:00:00+00:00",
        device=Device("Debian 12", "a processor", 2, 8 << 30, "x86_64"),
        environment=Environment("6.1", "3.11", {}),
        controls=controls,
        proofs=(),
        load_s=Measured(1.5, "client"),
        first_request_s=Measured(0.2, "client"),
        sections=tuple(sections),
        vitals=Measured(vitals(), "client") if seen is None else seen,
        cautions=(),
    )
