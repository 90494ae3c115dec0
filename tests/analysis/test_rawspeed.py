"""The sidecar beside what was served: right pairs, right ratios, and no say in anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest
from tests.analysis.benched import bench, closed
from tests.analysis.swept import World, brief

from steelyard.analysis import benchmark, rawspeed
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.summary import summarise
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import FieldState, RawSpeed, Sidecar, SpeedMetric
from steelyard.domain.summary import NO_SIDECAR, RawBeside, RawSide, SweepSummary
from steelyard.domain.workload import Workload


def raw(ours: SpeedMetric, tokens: int, depth: int, *samples: float) -> RawSpeed:
    short = "pp" if ours == "prompt_tps" else "tg"
    name = f"{short}{tokens}" + (f"@d{depth}" if depth else "")
    mean = Measured(sum(samples) / len(samples), "client")
    return RawSpeed(name, ours, tokens, depth, "OK", mean, Missing("x"), samples)


def sidecar(*speeds: RawSpeed, state: FieldState = "OK") -> Sidecar:
    return Sidecar("a.gguf", "00" * 32, "wheel", "xllamacpp 1", 1, 3, state, speeds)


TESTS = (
    raw("output_tps", 16, 16, 100.0, 102.0, 98.0),
    raw("output_tps", 16, 2048, 50.0, 51.0, 49.0),
    raw("output_tps", 128, 0, 110.0, 111.0, 109.0),
    raw("output_tps", 16, 999, 40.0, 41.0, 39.0),
)


@cache
def evidence() -> Evidence:
    return World(brief()).evidence()


def with_raw(found: Mapping[str, Reading[Sidecar]]) -> SweepSummary:
    return summarise(replace(evidence(), raw=found))


def side(summary: SweepSummary, label: str) -> RawSide:
    row = next(r for r in summary.per_quant if r.variant.label == label)
    assert isinstance(row.raw, Measured), row.raw
    return row.raw.value


def named(found: RawSide, name: str) -> RawBeside:
    return next(one for one in found.tests if one.test == name)


def number(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def code(reading: Reading[float]) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code


@cache
def joined() -> RawSide:
    return side(with_raw({"Q8_0": Measured(sidecar(*TESTS), "engine")}), "Q8_0")


def test_decoding_behind_a_depth_stands_beside_the_output_speed_at_that_depth() -> None:
    for name, raw_tps in (("tg16@d16", 100.0), ("tg16@d2048", 50.0)):
        found = named(joined(), name)
        assert number(found.raw_tps.value) == pytest.approx(raw_tps)
        assert number(found.served_tps.value) == pytest.approx(60.0, rel=0.05)
        assert number(found.ratio.value) == pytest.approx(60.0 / raw_tps, rel=0.05)
    assert named(joined(), "tg16@d2048").beside == "2,048 prompt tokens, one stream"


def test_a_test_without_depth_stands_beside_the_shortest_prompt_that_is_no_depth() -> None:
    found = named(joined(), "tg128")
    assert found.beside == "16 prompt tokens, one stream"
    assert number(found.ratio.value) == pytest.approx(60.0 / 110.0, rel=0.05)


def test_a_depth_that_was_not_served_has_a_raw_speed_and_a_reason_in_place_of_the_ratio() -> None:
    found = named(joined(), "tg16@d999")
    assert number(found.raw_tps.value) == pytest.approx(40.0)
    assert code(found.ratio.value) == code(found.served_tps.value) == "no_such_cell"


def test_the_ratio_lies_between_the_quotients_of_the_two_intervals_ends() -> None:
    found = named(joined(), "tg16@d16")
    served, bare, ratio = found.served_tps, found.raw_tps, found.ratio
    assert bare.n == 3
    assert number(bare.low) < 100.0 < number(bare.high)
    assert number(ratio.low) == pytest.approx(number(served.low) / number(bare.high))
    assert number(ratio.high) == pytest.approx(number(served.high) / number(bare.low))


def test_repetitions_that_scatter_beyond_zero_bound_nothing_from_below() -> None:
    wild = raw("output_tps", 16, 16, 10.0, 200.0)
    found = side(with_raw({"Q8_0": Measured(sidecar(wild), "engine")}), "Q8_0").tests[0]
    assert code(found.raw_tps.low) == "unbounded"
    assert code(found.ratio.low) == code(found.ratio.high) == "no_interval"
    assert number(found.ratio.value) == pytest.approx(60.0 / 105.0, rel=0.05)


def test_the_states_of_the_fields_come_through() -> None:
    gone = Missing("not_applicable", "too deep")
    beyond = RawSpeed("tg16@d9", "output_tps", 16, 9, "NOT_APPLICABLE", gone, gone, (), "too deep")
    bare = replace(TESTS[0], state="OPTIONAL_FIELD_MISSING", samples_tps=(), detail="not told: x")
    speeds = sidecar(beyond, bare, state="OPTIONAL_FIELD_MISSING")
    found = side(with_raw({"Q8_0": Measured(speeds, "engine")}), "Q8_0")
    assert found.state == "OPTIONAL_FIELD_MISSING"
    assert [one.state for one in found.tests] == ["NOT_APPLICABLE", "OPTIONAL_FIELD_MISSING"]
    assert found.tests[0].raw_tps.value == gone
    assert code(found.tests[1].raw_tps.low) == "too_few_samples"


def test_a_variant_whose_sidecar_is_absent_says_why_and_one_that_nobody_asked_for_too() -> None:
    why = Missing("not_timed", "did not fit the budget")
    rows = {r.variant.label: r.raw for r in with_raw({"Q8_0": why}).per_quant}
    assert rows["Q8_0"] == why
    assert rows["Q4_K_M"] == NO_SIDECAR


def without(summary: SweepSummary) -> SweepSummary:
    rows = tuple(replace(row, raw=NO_SIDECAR) for row in summary.per_quant)
    return replace(summary, per_quant=rows)


def test_no_sidecar_changes_a_verdict_a_gate_a_pick_or_anything_else_of_a_summary() -> None:
    bare = summarise(evidence())
    assert bare.recommendation
    assert any(row.gates for row in bare.per_quant)
    slow = sidecar(raw("output_tps", 16, 16, 0.01, 0.02), raw("prompt_tps", 512, 0, 1e-3, 2e-3))
    broken = sidecar(state="PARSE_ERROR")
    for one in (sidecar(*TESTS), slow, broken):
        for labels in (("F16", "Q8_0", "Q4_K_M", "Q2_K"), ("Q2_K",)):
            found = with_raw({label: Measured(one, "engine") for label in labels})
            assert isinstance(found.per_quant[-1].raw, Measured)
            assert without(found) == bare


# ── benches ─────────────────────────────────────────────────────────────────────────────────────

BARE = sidecar(raw("prompt_tps", 100, 0, 2000.0, 2010.0), raw("output_tps", 10, 100, 200.0, 202.0))


def benched(streams: int = 1, spread: float = 0.0) -> RunRecord:
    """A bench of 12 requests of 100 tokens in and 10 out, at gaps of 10 ms."""
    found = bench(closed(12, streams), Closed(streams))
    loads = [replace(w, prompts=Synthetic(100, 10, spread)) for w in found.spec.workloads]
    return replace(found, spec=replace(found.spec, workloads=tuple(loads)))


def at_level(record: RunRecord) -> RawSide:
    found = benchmark.measurement(record, raw=Measured(BARE, "engine")).raw
    assert isinstance(found, Measured)
    return found.value


def test_a_bench_of_one_stream_has_both_tests_at_its_level() -> None:
    prefill, decoding = at_level(benched()).tests
    assert (prefill.test, decoding.test) == ("pp100", "tg10@d100")
    assert prefill.beside == decoding.beside == "bench/p100/o10/c1"
    # Answers with gaps of 10 ms: 100 tokens a second, of 201.
    assert number(decoding.ratio.value) == pytest.approx(100 / 201, rel=0.01)


def test_several_streams_and_lengths_that_vary_have_a_raw_speed_and_no_ratio() -> None:
    several, varied = at_level(benched(3)), at_level(benched(spread=5.0))
    for found, why in ((several, "several_streams"), (varied, "lengths_vary")):
        assert [number(one.raw_tps.value) for one in found.tests] == [2005.0, 201.0]
        assert {code(one.ratio.value) for one in found.tests} == {why}


def test_a_bench_is_the_same_with_and_without_a_sidecar_but_for_the_sidecar() -> None:
    record = benched()
    bare = benchmark.measurement(record)
    assert replace(benchmark.measurement(record, raw=Measured(BARE, "engine")), raw=bare.raw) == (
        bare
    )
    assert bare.raw == NO_SIDECAR


def test_lengths_are_known_only_where_all_prompts_share_one() -> None:
    assert rawspeed.lengths(Workload("depth", 2048, 64, 3)) == (2048, 64)
    assert rawspeed.lengths(Workload("documents", 200, 64, 3, prompt_tokens_max=500)) is None
    assert rawspeed.lengths(Workload("bench", 0, 0, 3)) is None
    assert value_of(BARE.speed("pp100")) == 2005.0
