"""What finished runs tell of memory and speed, kept in a small file and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.store import records

from steelyard.analysis.rates import Rates, TypeRate
from steelyard.app.results import history
from steelyard.domain.caution import Caution
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, RunRecord
from steelyard.domain.vitals import Vitals
from steelyard.models import memory, shapes, synth

FACTS = synth.facts(shapes.find("smollm2-135m"), "Q4_K_M")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    return tmp_path


def finished(used: int | None, **changes: object) -> RunRecord:
    record = records.record()
    gone = Missing("not_sampled")
    peak: Reading[int] = gone if used is None else Measured(used, "client")
    told = Measured(Vitals((), 2, peak, *(gone,) * 7), "client")
    spec = replace(record.spec, controls=Controls(threads=2))
    whole = replace(record, vitals=told, facts=FACTS, spec=spec, outcome="completed")
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_run_corrects_the_next_estimate() -> None:
    record = finished(400_000_000)
    history.note(record)
    (estimated, used), *others = history.memory_pairs(record.device.id)
    assert (used, others) == (400_000_000, [])
    # Buffers are used no further than the longest context that the run came to.
    assert estimated <= memory.estimate(FACTS, record.spec.subject.profile)
    profile = record.spec.subject.profile
    plain = memory.estimate(FACTS, profile)
    corrected = memory.estimate(FACTS, profile, history.memory_pairs(record.device.id))
    assert corrected / plain == pytest.approx(used / estimated, rel=1e-6)


def test_the_same_run_counts_once_and_old_ones_are_forgotten() -> None:
    record = finished(300_000_000)
    history.note(record)
    history.note(record)
    assert len(history.read()) == 1
    for number in range(70):
        history.note(replace(record, id=f"run-{number}"))
    kept = history.read()
    assert (len(kept), kept[-1].run) == (60, "run-69")


def test_what_tells_nothing_is_not_kept(home: Path) -> None:
    for record in (
        finished(None),
        finished(1, outcome="failed"),
        finished(1, simulated=True),
        finished(1, facts=None),
    ):
        history.note(record)
    assert not (home / history.FILE).exists()


def test_another_machine_or_runtime_does_not_count() -> None:
    record = finished(300_000_000)
    history.note(record)
    assert history.memory_pairs("another") == ()
    assert history.memory_pairs(record.device.id, "native") == ()


def test_a_broken_file_is_no_history_and_is_written_anew(home: Path) -> None:
    (home / history.FILE).write_text("{")
    assert history.read() == ()
    history.note(finished(300_000_000))
    assert len(history.read()) == 1


def test_measured_speeds_stand_beside_those_foreseen() -> None:
    kinds = ("Q8_0", "Q6_K", "Q5_0", "Q4_K", "F32")
    rates = Rates(2, 0.0, dict.fromkeys(kinds, TypeRate(1e9, 1e9)), 1e9, 0.1, 0.1)
    record = finished(300_000_000)
    history.note(record)
    ((foreseen, measured),) = history.speed_pairs(record.device.id, rates)
    (past,) = history.read()
    assert past.kept_bytes > 0  # what its context holds is read for every token
    read = FACTS.active_bytes + past.kept_bytes
    assert foreseen == pytest.approx(1e9 / read, rel=0.01)
    assert measured == past.output_tps > 0
    assert history.speed_pairs(record.device.id, replace(rates, threads=5)) == ()


def test_the_speed_of_a_busy_machine_corrects_nothing() -> None:
    busy = Caution("HIGH_CPU_SATURATION", "others", "stop them")
    history.note(finished(300_000_000, cautions=(busy,)))
    (past,) = history.read()
    assert (past.output_tps, past.memory_used) == (0, 300_000_000)
