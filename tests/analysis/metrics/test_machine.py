"""Metrics of a run, and model time against elapsed time (row A6)."""

from dataclasses import replace

import pytest
from tests.analysis.timed import MS, NONE, attempt, in_a_row, record, sample, section, vitals

from steelyard.analysis.metrics.machine import overhead
from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord


def read(name: str, run: RunRecord) -> Reading[float]:
    return METRICS[name].formula(run)  # type: ignore[arg-type]


def test_model_time_and_elapsed_time_stand_side_by_side() -> None:
    found = value_of(overhead(record([section(in_a_row(2, pause_ms=48.0))])))
    assert found is not None
    assert found.basis == "engine"
    assert found.model_s == pytest.approx(0.28)  # the engine's own 0.14 s, twice
    assert found.elapsed_s == pytest.approx(0.35)
    assert found.ratio == pytest.approx(0.2)


def test_requests_in_flight_together_are_one_stretch_of_model_time() -> None:
    found = value_of(overhead(record([section([attempt("0"), attempt("1")], streams=2)])))
    assert found is not None
    assert found.model_s == pytest.approx(0.14)


def test_whose_word_the_model_time_is_is_said() -> None:
    quiet = replace(attempt("0"), timings=NONE)
    found = value_of(overhead(record([section([quiet])])))
    assert found is not None
    assert (found.basis, found.ratio) == ("client", 0.0)
    mixed = value_of(overhead(record([section([quiet, attempt("1", sent_ms=400)])])))
    assert mixed is not None
    assert mixed.basis == "mixed"


def test_the_pause_before_a_resume_is_nobodys_overhead() -> None:
    earlier, later = attempt("0"), attempt("1", sent_ms=60_000)
    both = [section([earlier, later])]
    window = vitals([sample(59_990), sample(60_500)])
    found = value_of(overhead(record(both, seen=Measured(window, "client"))))
    assert found is not None
    assert found.elapsed_s == pytest.approx(0.151)
    unseen = value_of(overhead(record(both, seen=NONE)))
    assert unseen is not None
    assert unseen.elapsed_s > 60


def test_a_run_without_requests_has_no_overhead() -> None:
    found = overhead(record([section([])]))
    assert isinstance(found, Missing)
    assert found.code == "no_requests"
    assert read("orchestration_overhead_ratio", record([])) == found


def test_what_the_machine_told_is_read_from_the_record() -> None:
    run = record([section(in_a_row(1))])
    assert read("load_s", run) == Measured(1.5, "client")
    assert read("first_request_s", run) == Measured(0.2, "client")
    assert read("memory_bytes", run) == Measured(5000.0, "client")
    assert read("cpu_temperature_max_c", run) == Measured(60.0, "client")
    assert read("energy_j", run) == Measured(30.0, "derived")
    assert read("memory_bytes", record([], seen=NONE)) == NONE
    cold = replace(vitals(), cpu_temperature_max_c=NONE)
    assert read("cpu_temperature_max_c", record([], seen=Measured(cold, "client"))) == NONE
    assert run.sections[0].started_ns == 0 * MS
