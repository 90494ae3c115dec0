"""Speeds foreseen from rates: planted rates come back, and intervals are as wide as the errors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from steelyard.analysis import rates
from steelyard.analysis.rates import Rates, Tried, TypeRate
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.subject import ArtifactFacts
from steelyard.domain.summary import Estimate
from steelyard.models import shapes, synth

RATES = Rates(
    threads=2,
    layer_s=0.0001,
    types={"Q8_0": TypeRate(10e9, 20e9), "F32": TypeRate(10e9, 20e9)},
    kv_bytes_per_s=5e9,
    output_error=math.log(1.2),
    prompt_error=math.log(1.5),
    tried=(Tried("a", 10, 12, 100, 150),),
)


def facts(quant: str = "Q8_0") -> ArtifactFacts:
    return synth.facts(shapes.find("llama-3.2-1b"), quant)


def value(estimate: Estimate) -> tuple[float, float, float]:
    found = (estimate.value, estimate.low, estimate.high)
    assert all(isinstance(part, Measured) and part.source == "estimated" for part in found)
    middle, low, high = (part.value for part in found if isinstance(part, Measured))
    return middle, low, high


def test_a_token_takes_its_layers_and_the_bytes_that_it_reads() -> None:
    one = facts()
    seconds = 16 * 0.0001 + one.active_bytes / 10e9
    middle, low, high = value(rates.output_tps(RATES, one))
    assert middle == pytest.approx(1 / seconds, rel=1e-3)
    assert low == pytest.approx(middle / 1.2)
    assert high == pytest.approx(middle * 1.2)
    deep, _, _ = value(rates.output_tps(RATES, one, kept_bytes=1e9))
    assert 1 / deep == pytest.approx(1 / middle + 1e9 / 5e9)


def test_a_prompt_takes_its_multiplications() -> None:
    one = facts()
    middle, low, _ = value(rates.prompt_tps(RATES, one))
    assert middle == pytest.approx(20e9 / one.parameters, rel=1e-3)
    assert low == pytest.approx(middle / 1.5)


def test_a_type_without_a_rate_is_a_reason_and_no_number() -> None:
    found = rates.output_tps(RATES, facts("Q4_K_M")).value
    assert isinstance(found, Missing)
    assert (found.code, "Q4_K, Q6_K" in found.detail) == ("no_rate", True)
    bare = replace(facts(), memory=None)
    assert rates.output_tps(RATES, bare).value == Missing(
        "no_facts", "the file does not tell what a token reads of it"
    )


def test_the_interval_is_no_narrower_than_the_worst_model_tried() -> None:
    tried = (Tried("a", 10, 12, 100, 90), Tried("b", 10, 8, 100, 100))
    output, prompt = rates.error_of(tried)
    assert output == pytest.approx(math.log(10 / 8))
    assert prompt == pytest.approx(math.log(100 / 90))
    untried = replace(RATES, output_error=rates.error_of(())[0])
    assert isinstance(rates.output_tps(untried, facts()).low, Missing)


def test_measurements_shift_the_middle_and_few_of_them_narrow_nothing() -> None:
    found = rates.corrected(RATES, [(10, 8), (20, 16.4)])
    assert found.factor == pytest.approx(0.81)
    assert found.output_error == RATES.output_error
    assert found.measured == 2
    before, after = (value(rates.output_tps(r, facts()))[0] for r in (RATES, found))
    assert after / before == pytest.approx(0.81)
    assert rates.corrected(RATES, []) == RATES


def test_from_six_measurements_on_the_interval_is_theirs() -> None:
    pairs = [(10.0, 10.0 * factor) for factor in (0.90, 0.91, 0.92, 0.92, 0.93, 0.94)]
    found = rates.corrected(RATES, pairs)
    assert found.output_error < math.log(1.03) < RATES.output_error
