"""Interleaved comparison: what is promised before it is found, and nothing is found in A/A."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.stats.interleaved import Spread, compare, mde, order, pairs, pilot, rounds

KNOWN = Spread(within=0.08, between=0.01, turns=1000, per_turn=16)


def turn(source: random.Random, level: float, spread: Spread, requests: int) -> list[float]:
    drawn = level * math.exp(source.gauss(0, spread.between))
    return [drawn * math.exp(source.gauss(0, spread.within)) for _ in range(requests)]


def experiment(
    source: random.Random, ratio: float, blocks: int, per_turn: int, drift: float = 0.0
) -> tuple[tuple[float, float], ...]:
    turns = order(blocks, seed=source.randrange(1 << 30))
    values = []
    for at, name in enumerate(turns):
        level = (ratio if name == "B" else 1.0) * (1 + drift * at)
        logs = [math.log(v) for v in turn(source, level, KNOWN, per_turn)]
        values.append(math.exp(sum(logs) / len(logs)))
    return pairs(turns, values)


def found(measured: tuple[tuple[float, float], ...]) -> bool:
    p = value_of(compare(measured).p_value)
    assert p is not None
    return p <= 0.05


def promised(spread: Spread, blocks: int, per_turn: int) -> float:
    difference = value_of(mde(spread, blocks, per_turn))
    assert difference is not None
    return difference


def test_the_promised_difference_is_found_in_four_of_five_experiments() -> None:
    # Blocks enough that the promise is about 2 %.
    difference = promised(KNOWN, blocks=12, per_turn=16)
    assert difference == pytest.approx(0.02, abs=0.003)
    source = random.Random(3)
    rounds = 600
    seen = sum(found(experiment(source, 1 + difference, 12, 16)) for _ in range(rounds))
    assert 0.77 <= seen / rounds <= 0.87


def test_two_equal_candidates_are_told_apart_no_more_often_than_the_level_allows() -> None:
    source = random.Random(5)
    rounds = 1000
    alarms = sum(found(experiment(source, 1.0, 8, 8)) for _ in range(rounds))
    # Five in a hundred, and three standard errors of as many rounds.
    assert 0.025 <= alarms / rounds <= 0.071


def test_a_steady_drift_of_the_machine_is_no_difference() -> None:
    source = random.Random(7)
    rounds = 300
    alarms = sum(found(experiment(source, 1.0, 8, 8, drift=0.01)) for _ in range(rounds))
    assert alarms / rounds <= 0.09


def test_the_promise_of_a_short_pilot_holds_too() -> None:
    source = random.Random(11)
    rounds = 300
    seen = 0
    for _ in range(rounds):
        spread = value_of(pilot([turn(source, 1.0, KNOWN, 16) for _ in range(6)]))
        assert spread is not None
        seen += found(experiment(source, 1 + promised(spread, 12, 16), 12, 16))
    assert seen / rounds >= 0.8


@pytest.mark.parametrize("blocks", [2, 3, 5, 10, 40])
def test_the_promise_is_that_of_the_noncentral_t(blocks: int) -> None:
    spread = Spread(within=0.05, between=0.01, turns=100_000, per_turn=10)
    noise = math.sqrt(0.01**2 + 0.05**2 / 10) / math.sqrt(blocks)
    shift = math.log1p(promised(spread, blocks, 10)) / noise
    df = blocks - 1
    power = 1 - stats.nct.cdf(stats.t.ppf(0.975, df), df, shift)
    assert power == pytest.approx(0.8, abs=0.005)


def test_the_pilot_tells_the_two_spreads_apart() -> None:
    source = random.Random(2)
    spread = value_of(pilot([turn(source, 3.0, KNOWN, 50) for _ in range(200)]))
    assert spread is not None
    assert spread.within == pytest.approx(0.08, rel=0.05)
    assert spread.between == pytest.approx(0.01, rel=0.3)
    assert spread.turns == 200
    assert spread.per_turn == pytest.approx(50)


def test_more_requests_a_turn_help_only_against_their_own_spread() -> None:
    assert promised(KNOWN, 8, 64) < promised(KNOWN, 8, 16)
    endless = promised(KNOWN, 8, 1_000_000)
    assert endless == pytest.approx(promised(Spread(0.0, 0.01, 1000, 16), 8, 1), rel=1e-3)


def test_the_ratio_has_the_paired_t_interval() -> None:
    measured = [(1.0, 1.03), (1.1, 1.12), (0.9, 0.93), (1.0, 1.01)]
    logs = [math.log(b / a) for a, b in measured]
    known = stats.ttest_1samp(logs, 0.0)
    interval = known.confidence_interval(0.95)
    comparison = compare(measured)
    assert value_of(comparison.ratio.low) == pytest.approx(math.exp(interval.low), rel=1e-9)
    assert value_of(comparison.ratio.high) == pytest.approx(math.exp(interval.high), rel=1e-9)
    assert value_of(comparison.p_value) == pytest.approx(known.pvalue, rel=1e-9)
    assert comparison.ratio.n == 4


def test_turns_are_blocked_balanced_and_drawn_from_the_seed() -> None:
    turns = order(10, seed=1)
    blocks = [turns[i : i + 4] for i in range(0, 40, 4)]
    assert sorted(blocks) == ["ABBA"] * 5 + ["BAAB"] * 5
    assert turns == order(10, seed=1)
    assert len({order(10, seed) for seed in range(20)}) > 10
    assert {order(1, seed) for seed in range(20)} == {"ABBA", "BAAB"}


def test_a_block_folds_into_one_pair() -> None:
    folded = [side for pair in pairs("ABBABAAB", [1, 2, 8, 4, 5, 9, 4, 20]) for side in pair]
    assert folded == pytest.approx([2.0, 4.0, 6.0, 10.0])
    with pytest.raises(ValueError, match="do not fill"):
        pairs("ABBA", [1.0, 2.0])


def test_what_cannot_be_compared_says_why() -> None:
    assert compare([]).p_value == Missing("no_samples", "no block was measured")
    one = compare([(1.0, 2.0)])
    assert one.ratio.value == Measured(2.0, "derived")
    assert isinstance(one.ratio.low, Missing)
    assert isinstance(compare([(1.0, 0.0), (1.0, 1.0)]).ratio.value, Missing)
    assert isinstance(mde(KNOWN, 1, 10), Missing)
    assert isinstance(pilot([[1.0, 2.0]]), Missing)
    assert isinstance(pilot([[1.0, 2.0], [0.0, 1.0]]), Missing)


def test_blocks_without_any_spread_decide_at_once() -> None:
    assert value_of(compare([(2.0, 2.0)] * 3).p_value) == 1.0
    assert value_of(compare([(2.0, 3.0)] * 3).p_value) == 0.0


def test_in_rounds_every_setting_has_one_turn_and_every_second_round_goes_backwards() -> None:
    found = rounds(4, 5, seed=3)
    by_round = [[setting for number, setting in found if number == each] for each in range(5)]
    assert [sorted(way) for way in by_round] == [[0, 1, 2, 3]] * 5
    assert by_round[1] == by_round[0][::-1]
    assert by_round[3] == by_round[2][::-1]
    assert rounds(4, 5, seed=3) == found
    assert {rounds(4, 1, seed=seed)[0][1] for seed in range(40)} == {0, 1, 2, 3}


def test_a_steady_drift_is_in_no_mean_over_two_rounds() -> None:
    moments: dict[int, list[int]] = {}
    for at, (_, setting) in enumerate(rounds(5, 2, seed=1)):
        moments.setdefault(setting, []).append(at)
    assert {sum(ats) for ats in moments.values()} == {9}
