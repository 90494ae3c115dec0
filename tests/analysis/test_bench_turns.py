"""Two that took turns under one load, compared: planted differences come back, drift does not."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.analysis.bench_levels import code, value
from tests.analysis.benched import (
    answered,
    benches,
)
from tests.analysis.timed import failed

from steelyard.analysis import benchmark
from steelyard.domain.load import Closed
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt


def took_turns(order: str, factor: float, *, drift: float = 0.0) -> tuple[RunRecord, RunRecord]:
    """Turns of six requests; B takes `factor` times as long, and each turn is a little slower."""
    sides: dict[str, list[tuple[Closed, Sequence[Attempt]]]] = {"A": [], "B": []}
    source = random.Random(5)
    for place, side in enumerate(order):
        scale = (factor if side == "B" else 1.0) * (1 + drift * place) * source.uniform(0.99, 1.01)
        turn = tuple(
            answered(str(n), 10_000.0 * place + 400.0 * n, first_ms=60 * scale, gap_ms=10 * scale)
            for n in range(6)
        )
        sides[side].append((Closed(1), turn))
    return benches(sides["A"]), benches(sides["B"])


def test_a_planted_difference_comes_back_in_every_metric() -> None:
    found = benchmark.differences(*took_turns("ABBABAAB" * 3, 1.10))
    assert [each.metric for each in found] == [
        "ttft_s",
        "tpot_s",
        "e2e_s",
        "output_tps",
        "system_tps",
    ]
    ttft, _, _, speed, _ = found
    assert value(ttft.ratio.low) < 1.10 < value(ttft.ratio.high)
    assert ttft.ratio.n == 6
    assert value(speed.ratio.low) < 1 / 1.10 < value(speed.ratio.high)
    assert value(ttft.p_value) < 0.001
    assert 0 < value(ttft.detectable) < 0.05
    assert ttft.level == "1 at a time"
    assert ttft.words.startswith("Time to first token p50: B is worse, +1")
    assert speed.words.startswith("Output speed p50: B is worse, -")
    assert value(ttft.a.value) == pytest.approx(0.06, rel=0.01)


def test_two_alike_show_no_difference_and_say_what_would_have_shown() -> None:
    for each in benchmark.differences(*took_turns("ABBABAAB" * 2, 1.0))[:4]:
        assert "no difference shown" in each.words
        assert "would have shown" in each.words


def test_a_steady_drift_falls_on_both_alike() -> None:
    (ttft, *_) = benchmark.differences(*took_turns("ABBABAAB" * 2, 1.0, drift=0.02))
    assert abs(value(ttft.ratio.value) - 1) < 0.01


def test_turns_in_pairs_are_compared_pair_by_pair() -> None:
    (ttft, *_) = benchmark.differences(*took_turns("ABABAB", 1.2))
    assert ttft.ratio.n == 3
    assert value(ttft.ratio.value) == pytest.approx(1.2, rel=0.02)


def test_one_pair_has_a_ratio_and_no_evidence() -> None:
    (ttft, *_) = benchmark.differences(*took_turns("AB", 1.2))
    assert code(ttft.p_value) == "too_few_blocks"
    assert code(ttft.detectable) == "too_few_blocks"
    assert "nothing says how sure" in ttft.words


def test_a_turn_without_an_answer_leaves_no_difference() -> None:
    a, b = took_turns("ABBA", 1.2)
    lost: Section = replace(b.sections[0], attempts=(failed(),))
    found = benchmark.differences(a, replace(b, sections=(lost, b.sections[1])))
    assert {code(each.ratio.value) for each in found} == {"no_requests"}
