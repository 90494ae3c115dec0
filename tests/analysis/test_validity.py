"""Cautions: each planted disturbance is named, and a quiet run has none."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.analysis.benched import bench
from tests.analysis.timed import (
    CONTROLS,
    NONE,
    arrivals,
    attempt,
    failed,
    in_a_row,
    record,
    sample,
    section,
    timings,
    usage,
    vitals,
)

from steelyard.analysis.validity import cautions, telemetry_status
from steelyard.domain.caution import Caution, quality
from steelyard.domain.instrument import Instrument
from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Trace
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import (
    AppliedControl,
    ControlProfile,
    RunRecord,
    Section,
    TelemetryStatus,
)
from steelyard.domain.task import Mark, Right
from steelyard.domain.vitals import Vitals, VitalSample

GOOD = section(in_a_row(6))
MIB = 1 << 20


def codes(run: RunRecord) -> list[str]:
    found = cautions(run)
    assert all(caution.seen and caution.advice for caution in found)
    return [caution.code for caution in found]


def with_vitals(seen: Vitals) -> RunRecord:
    return record([GOOD], seen=Measured(seen, "client"))


def over_time(values: Sequence[Reading[float]], engine: float = 1.8) -> list[VitalSample]:
    share: Reading[float] = Measured(engine, "derived")
    return [
        sample(0.0 + n, cpu_frequency_hz=clock, engine_cpu_share=share)
        for n, clock in enumerate(values)
    ]


def test_a_quiet_run_is_clean() -> None:
    assert codes(record([GOOD])) == []
    assert quality(cautions(record([GOOD]))) == "CLEAN"


def test_a_date_that_was_set_meanwhile_is_named_with_its_sign() -> None:
    (caution,) = cautions(replace(record([GOOD]), clock_jump_s=-3600.0))
    assert caution.code == "CLOCK_JUMP"
    assert caution.pollutes
    assert "-3600.0 s" in caution.seen


def test_load_that_the_engine_makes_is_no_pollution() -> None:
    busy = replace(
        vitals([sample(0, load_1m=Measured(60.0, "client"))]),
        engine_cpu_share=Measured(2.0, "derived"),
    )
    assert codes(with_vitals(busy)) == []


def test_a_hog_beside_the_engine_pollutes() -> None:
    run = with_vitals(replace(vitals(), other_cpu_share=Measured(0.9, "derived")))
    (caution,) = cautions(run)
    assert caution.code == "HIGH_CPU_SATURATION"
    assert "45%" in caution.seen
    assert quality([caution]) == "POLLUTED"


def test_threads_that_wait_beside_the_engine_pollute() -> None:
    crowd = vitals([sample(n, other_runnable=Measured(5, "derived")) for n in range(3)])
    assert codes(with_vitals(crowd)) == ["HIGH_SYSTEM_LOAD"]


def test_the_control_profile_holds_the_limits() -> None:
    run = with_vitals(replace(vitals(), other_cpu_share=Measured(0.9, "derived")))
    assert cautions(run, ControlProfile(other_cpu_share_max=0.5)) == ()


@pytest.mark.parametrize(
    "seen", [NONE, Measured(replace(vitals(), other_cpu_share=NONE), "client")]
)
def test_background_that_was_not_seen_is_said_and_does_not_pollute(seen: Reading[Vitals]) -> None:
    found = cautions(record([GOOD], seen=seen))
    assert [caution.code for caution in found] == ["BACKGROUND_LOAD_UNKNOWN"]
    assert quality(found) == "CLEAN"


def test_throttle_events_pollute() -> None:
    run = with_vitals(replace(vitals(), throttle_events=Measured(3, "derived")))
    assert codes(run) == ["THERMAL_THROTTLING"]


def test_a_clock_that_falls_under_load_is_throttling() -> None:
    falling = over_time([Measured(3e9, "client")] * 6 + [Measured(2e9, "client")] * 6)
    (caution,) = cautions(with_vitals(vitals(falling)))
    assert caution.code == "THERMAL_THROTTLING"
    assert "33%" in caution.seen


@pytest.mark.parametrize(
    "samples",
    [
        over_time([Measured(3e9, "client")] * 6 + [Measured(2.9e9, "client")] * 6),
        over_time([Measured(3e9, "client")] * 4 + [Measured(1e9, "client")] * 3),
        over_time([Measured(3e9, "client")] * 6 + [Measured(1e9, "client")] * 6, engine=0.1),
        over_time([NONE] * 12),
    ],
    ids=["a little", "too few looks", "an idle engine", "no clock"],
)
def test_a_clock_that_may_fall_is_no_throttling(samples: list[VitalSample]) -> None:
    assert codes(with_vitals(vitals(samples))) == []


def test_swapping_pollutes_whoever_was_swapped() -> None:
    machine = replace(vitals(), swap_growth_bytes=Measured(20 * MIB, "derived"))
    assert codes(with_vitals(machine)) == ["SWAPPING"]
    engine = vitals(
        [sample(n, engine_swap_bytes=Measured(n * 9 * MIB, "client")) for n in range(3)]
    )
    assert codes(with_vitals(engine)) == ["SWAPPING"]
    little = replace(vitals(), swap_growth_bytes=Measured(MIB, "derived"))
    assert codes(with_vitals(little)) == []


def test_time_without_the_engine_at_work_pollutes() -> None:
    idle = record([section(in_a_row(4, pause_ms=200.0))])
    (caution,) = cautions(idle)
    assert caution.code == "HIGH_ORCHESTRATION_OVERHEAD"
    assert "by the engine" in caution.seen


@pytest.mark.parametrize(
    ("load", "polluted"),
    [
        (Closed(1), True),
        (Ramp("streams", 1, 4, 1.0), True),
        (Conversations(1), True),
        (Conversations(1, think_s=0.2), False),
        (Open(3.0), False),
        (Ramp("rate", 1.0, 4.0, 1.0), False),
        (Trace((0.0, 0.3), "0" * 64), False),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_idle_time_that_the_load_asks_for_pollutes_nothing(load: Load, polluted: bool) -> None:
    found = codes(bench(in_a_row(4, pause_ms=200.0), load, instrument=Instrument()))
    assert ("HIGH_ORCHESTRATION_OVERHEAD" in found) == polluted


def test_requests_that_were_sent_again_are_counted_and_pollute_nothing() -> None:
    first, *rest = in_a_row(6)
    (caution,) = cautions(record([section([replace(first, reconnects=1), *rest])]))
    assert caution.code == "RESENT"
    assert caution.seen.startswith("1 of 6 requests")
    assert quality([caution]) == "CLEAN"
    judged = section([replace(first, reconnects=1)], "logic/l1", marks={"0": Mark(Right())})
    assert codes(record([GOOD, judged])) == []


def test_clocks_that_disagree_pollute() -> None:
    off = [replace(a, timings=timings(decode_s=0.045)) for a in in_a_row(3)]
    found = codes(record([section(off)], seen=Measured(vitals(), "client")))
    assert "TIMING_MISMATCH" in found


def test_a_difference_below_what_clocks_can_tell_is_no_mismatch() -> None:
    short = [
        replace(
            attempt(str(n), sent_ms=70 * n, gap_ms=0.5, tokens=3), timings=timings(decode_s=5e-4)
        )
        for n in range(3)
    ]
    assert "TIMING_MISMATCH" not in codes(record([section(short)]))


def test_the_clocks_of_tasks_are_not_held_against_each_other() -> None:
    off = tuple(replace(a, timings=timings(decode_s=0.045)) for a in in_a_row(3))
    judged = section(off, "logic/l1", marks={"0": Mark(Right())})
    assert "TIMING_MISMATCH" not in codes(record([judged]))


def controlled(*controls: AppliedControl) -> tuple[Caution, ...]:
    return cautions(record([GOOD], controls=controls))


def test_a_control_that_was_not_recorded_pollutes() -> None:
    (caution,) = controlled(*CONTROLS[1:])
    assert caution.code == "MISSING_EXPERIMENTAL_CONTROLS"
    assert "seed was not recorded" in caution.seen
    assert quality([caution]) == "POLLUTED"


@pytest.mark.parametrize(
    ("asked", "applied"),
    [("4", Measured("2", "engine")), ("off", Measured("on", "engine")), ("4", NONE)],
)
def test_a_control_that_is_not_in_force_pollutes(asked: str, applied: Reading[str]) -> None:
    (caution,) = controlled(*CONTROLS, AppliedControl("micro_batch", asked, applied))
    assert caution.code == "MISSING_EXPERIMENTAL_CONTROLS"
    assert "micro_batch" in caution.seen


def test_what_cannot_be_controlled_is_written_down_and_does_not_pollute() -> None:
    beyond = AppliedControl("affinity", "0", Missing("not_controllable", "no such call on macOS"))
    found = controlled(*(c for c in CONTROLS if c.name != "affinity"), beyond)
    assert [caution.code for caution in found] == ["NOT_CONTROLLABLE"]
    assert quality(found) == "CLEAN"


def test_numbers_are_compared_by_value() -> None:
    assert (
        controlled(*CONTROLS, AppliedControl("temperature", "0", Measured("0.0", "engine"))) == ()
    )


@pytest.mark.parametrize(
    ("sections", "status"),
    [
        ([GOOD], "OK"),
        ([section([attempt(), failed()])], "OK"),
        ([section([attempt(), replace(attempt(), usage=NONE)])], "TOKEN_COUNT_UNAVAILABLE"),
        ([section([replace(attempt(), arrivals=arrivals(9, 0, 1))])], "TIMING_UNAVAILABLE"),
        ([section([replace(attempt(), arrivals=(), usage=NONE)])], "TOKEN_AND_TIMING_UNAVAILABLE"),
        ([section([failed()])], "TOKEN_AND_TIMING_UNAVAILABLE"),
        ([], "TOKEN_AND_TIMING_UNAVAILABLE"),
    ],
)
def test_the_telemetry_of_a_run_is_that_of_its_worst_answer(
    sections: list[Section], status: TelemetryStatus
) -> None:
    run = record(sections)
    assert telemetry_status(run) == status
    assert ("MISSING_TOKEN_TIMINGS" in codes(run)) == (status != "OK")


def test_short_answers_of_tasks_need_no_two_moments() -> None:
    one_piece = replace(attempt(), arrivals=arrivals(60, 0, 1), usage=usage(4))
    judged = section([one_piece], "logic/l1", marks={"0": Mark(Right())})
    assert telemetry_status(record([judged])) == "OK"
    assert telemetry_status(record([GOOD, judged])) == "OK"
    silent = replace(judged, attempts=(replace(one_piece, arrivals=()),))
    assert telemetry_status(record([silent])) == "TIMING_UNAVAILABLE"


def test_answers_from_before_a_resume_are_said_to_be_unwatched() -> None:
    seen = vitals([sample(100_000.0), sample(101_000.0)])
    found = cautions(with_vitals(seen))
    assert [caution.code for caution in found] == ["BACKGROUND_LOAD_UNKNOWN"]
    assert found[0].seen.startswith("6 requests were answered before")
    assert quality(found) == "CLEAN"
