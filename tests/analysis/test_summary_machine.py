"""What a summary makes of the machine: heat, a restart, another environment, a script."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.summaries import planted, row, small, speed
from tests.analysis.swept import World, brief

from steelyard.analysis.summary import summarise
from steelyard.domain.reading import Missing, value_of


def heat(done: float) -> float:
    return 1 - 0.4 * done


def test_a_planted_heat_ramp_keeps_the_ranking_and_is_told() -> None:
    close = {"F16": 40.0, "Q8_0": 42.0, "Q4_K_M": 44.0, "Q2_K": 46.0}
    found = summarise(World(speeds=close, heat=heat, lost={}).evidence())
    assert found.drift_corrected
    assert any(s.startswith("DRIFT: ") for s in found.sentences)
    labels = ["F16", "Q8_0", "Q4_K_M", "Q2_K"]
    values = [speed(row(found, label), "output_tps", prompt=512) for label in labels]
    assert values == sorted(values)
    rates = [value_of(row(found, label).throughput.right_per_second) for label in labels]
    assert rates == sorted(rates, key=lambda rate: rate or 0.0)
    assert found.recommendation[1].label == "Q2_K"
    for each in found.per_quant:
        rate = value_of(each.throughput.right_per_second)
        seconds = value_of(each.throughput.seconds_per_right.value)
        assert rate is not None
        assert seconds is not None
        assert rate * seconds == pytest.approx(1.0)


def test_a_steady_machine_is_not_corrected() -> None:
    good = summarise(planted())
    assert not good.drift_corrected
    assert value_of(good.noise.drift_share) == pytest.approx(0.0, abs=1e-6)


def test_after_a_restart_of_the_machine_clocks_are_not_joined() -> None:
    evidence = World(spec=brief(), heat=heat).evidence()
    late = max(evidence.runs, key=lambda run: run.started_at)
    moved = replace(late, started_at="2026-11-20T00:00:00Z")
    runs = tuple(moved if run is late else run for run in evidence.runs)
    found = summarise(replace(evidence, runs=runs))
    assert isinstance(found.noise.drift_share, Missing)
    assert found.noise.drift_share.code == "clock_restarted"


def test_mixed_environments_are_told() -> None:
    evidence = small()
    other = replace(evidence.runs[3].environment, kernel="6.2")
    runs = tuple(
        replace(run, environment=other) if number == 3 else run
        for number, run in enumerate(evidence.runs)
    )
    found = summarise(replace(evidence, runs=runs))
    (mixed,) = (s for s in found.sentences if s.startswith("MIXED"))
    assert "1 device and 2 environments that differ in kernel;" in mixed


def test_simulated_runs_are_labelled() -> None:
    evidence = small()
    runs = tuple(replace(run, simulated=True) for run in evidence.runs)
    assert summarise(replace(evidence, runs=runs)).simulated
