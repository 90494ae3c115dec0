"""One turn read out of a run: medians, throughput, memory, energy by meter, or the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.timed import failed, in_a_row, record, section

from steelyard.analysis import timing, turns
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import AppliedControl
from steelyard.domain.serverside import PowerSeries

NO_GPU = Missing("no_gpu", "there is none")


def test_a_turn_has_the_median_speed_of_its_requests_and_all_their_tokens_over_its_span() -> None:
    attempts = in_a_row(5, gap_ms=10.0)
    found = turns.read(2, 3, record([section(attempts)]), NO_GPU, {})
    assert (found.setting, found.round, found.failed) == (2, 3, "")
    assert value_of(found.tpot_s) == pytest.approx(0.01)
    assert found.prefill_tps == Measured(value_of(timing.prompt_tps(attempts[0])), "derived")
    span_s = (attempts[-1].done_ns - attempts[0].sent_ns) / 1e9
    tokens = sum(a.usage.value.output_tokens for a in attempts if isinstance(a.usage, Measured))
    assert value_of(found.system_tps) == pytest.approx(tokens / span_s)
    assert found.host_bytes == Measured(5000, "client")
    assert found.device_bytes == NO_GPU


def test_a_meter_of_constant_power_gives_its_energy_over_the_tokens() -> None:
    attempts = in_a_row(4)
    start, end = attempts[0].sent_ns, attempts[-1].done_ns
    moments = tuple(range(start - 10**9, end + 10**9, 10**7))
    watts = PowerSeries("gpu", "watts", moments, (30.0,) * len(moments))
    meters: dict[str, Reading[PowerSeries]] = {
        "gpu": Measured(watts, "client"),
        "processor": NO_GPU,
    }
    found = turns.read(0, 0, record([section(attempts)]), NO_GPU, meters)
    tokens = sum(a.usage.value.output_tokens for a in attempts if isinstance(a.usage, Measured))
    joules = value_of(found.joules_per_token["gpu"])
    assert joules == pytest.approx(30.0 * (end - start) / 1e9 / tokens, rel=1e-6)
    assert found.joules_per_token["processor"] == NO_GPU


def test_what_the_engine_says_of_its_layers_is_kept_beside() -> None:
    told = (AppliedControl("gpu_layers", "9", Measured("8", "engine")),)
    assert turns.read(
        0, 0, record([section(in_a_row(2))], controls=told), NO_GPU, {}
    ).told_layers == (Measured("8", "engine"))


def test_a_run_that_failed_or_answered_nothing_says_why() -> None:
    broken = replace(record([]), outcome="failed", reason="EngineError: out of memory")
    assert turns.read(0, 0, broken, NO_GPU, {}).failed == "EngineError: out of memory"
    silent = turns.read(0, 0, record([section([failed()])]), NO_GPU, {})
    assert "disconnected" in silent.failed
    assert isinstance(silent.decode_tps, Missing)
