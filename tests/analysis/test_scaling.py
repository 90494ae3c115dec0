"""Layers and GPUs on turns that are made up: knees, lines, serial fractions, intervals."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from steelyard.analysis import offload, parallel
from steelyard.analysis import turns as read
from steelyard.analysis.turns import Turn
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate

NONE = Missing("not_told")


def measured(value: float) -> Reading[float]:
    return Measured(value, "derived")


def turn(setting: int, number: int, tpot_s: float, failed: str = "") -> Turn:
    return Turn(
        setting=setting,
        round=number,
        tpot_s=measured(tpot_s),
        decode_tps=measured(1 / tpot_s),
        prefill_tps=NONE,
        system_tps=NONE,
        load_s=NONE,
        host_bytes=Measured(100 + setting, "client"),
        device_bytes=NONE,
        told_layers=NONE,
        joules_per_token={},
        failed=failed,
    )


def rounds(times: Iterable[float], count: int = 5, noise: float = 0.0, seed: int = 0) -> list[Turn]:
    """Return turns of settings with these times per token; a round's speed drifts as a whole."""
    draw, settings = random.Random(seed), list(times)
    found = []
    for number in range(count):
        drift = 1 + 0.2 * number
        for setting, time in enumerate(settings):
            wobble = 1 + noise * (2 * draw.random() - 1)
            found.append(turn(setting, number, time * drift * wobble))
    return found


def number(reading: Reading[float] | Reading[int]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def bounds(estimate: Estimate) -> tuple[float, float]:
    return number(estimate.low), number(estimate.high)


def test_a_drift_that_all_settings_share_is_in_no_ratio() -> None:
    turns = rounds([0.02, 0.01], noise=0.01)
    found = read.ratio(turns, 1, 0, lambda each: each.decode_tps)
    low, high = bounds(found)
    assert low < 2 < high
    assert high - low < 0.1  # the drift itself is 80 %


def test_the_knee_is_the_first_level_that_is_shown_to_be_within_a_tenth_of_the_best() -> None:
    layers, times = (0, 8, 16, 24, 32), (0.1, 0.05, 0.0105, 0.0101, 0.01)
    assert offload.knee(layers, rounds(times, noise=0.01)) == Measured(16, "derived")


def test_as_near_but_not_shown_to_be_is_no_knee() -> None:
    wide = [turn(1, each, 0.0105 * factor) for each, factor in enumerate((0.92, 1.08, 1.0))]
    others = [
        turn(setting, each, 0.1 if not setting else 0.01) for setting in (0, 2) for each in range(3)
    ]
    assert offload.knee((0, 16, 32), [*wide, *others]) == Measured(32, "derived")
    narrow = [turn(1, each, 0.0105) for each in range(3)]
    assert offload.knee((0, 16, 32), [*narrow, *others]) == Measured(16, "derived")


def test_one_round_shows_no_knee_but_the_best_level_itself() -> None:
    assert number(offload.knee((0, 4, 8), rounds([0.1, 0.0101, 0.01], count=1))) == 8


def test_each_layer_saves_the_slope_of_the_planted_line() -> None:
    layers = (0, 10, 20, 33)
    turns = [
        turn(setting, number, 0.05 - 0.001 * count)
        for number in range(4)
        for setting, count in enumerate(layers)
    ]
    assert number(offload.saved_s(layers, turns).value) == pytest.approx(0.001)


def test_where_offloading_costs_time_it_is_said() -> None:
    turns = rounds([0.01, 0.02, 0.005], noise=0.01)
    levels = offload.levels((0, 4, 8), turns)
    assert isinstance(levels[0].decode_ratio.value, Missing)  # it is what the others are over
    assert offload.costs_at(levels) == (4,)
    assert offload.pays_from(levels) == Measured(8, "derived")
    assert isinstance(offload.pays_from(levels[:2]), Missing)


def test_a_setting_that_failed_says_why_and_takes_no_part() -> None:
    turns = [*rounds([0.02, 0.01]), turn(2, 0, 0.005, failed="out of memory")]
    levels = offload.levels((0, 4, 8), turns)
    assert levels[2].failed == "out of memory"
    assert levels[2].rounds == 0
    assert offload.knee((0, 4, 8), turns) == Measured(4, "derived")
    assert levels[1].host_bytes == Measured(101, "client")


def law(serial: float, extra: float = 0.0) -> Callable[[float], float]:
    return lambda p: 0.02 * (serial + (1 - serial) / p + extra * (p - 1))


@pytest.mark.parametrize("serial", [0.0, 0.1, 0.5])
def test_amdahls_law_is_read_back_exactly_where_there_is_no_noise(serial: float) -> None:
    gpus = (1, 2, 4, 8)
    turns = rounds(map(law(serial), gpus))
    assert number(parallel.serial(gpus, turns).value) == pytest.approx(serial, abs=1e-12)
    for size in parallel.sizes(gpus, turns)[1:]:
        assert number(size.decode.serial.value) == pytest.approx(serial, abs=1e-12)
        ideal = 0.02 / size.gpus
        drifted = [(law(serial)(size.gpus) - ideal) * (1 + 0.2 * n) for n in range(5)]
        assert number(size.overhead_s.value) == pytest.approx(sum(drifted) / 5)
        efficiency = number(size.decode.efficiency.value)
        assert number(size.overhead.value) == pytest.approx(1 - efficiency)
    assert number(parallel.growth(gpus, turns).value) == pytest.approx(0, abs=1e-12)


def test_communication_that_grows_with_the_gpus_shows_as_growth() -> None:
    gpus = (1, 2, 4)
    turns = rounds(map(law(0.05, extra=0.02), gpus), noise=0.002)
    assert bounds(parallel.growth(gpus, turns))[0] > 0
    assert isinstance(parallel.growth((1, 2), rounds([0.02, 0.01])).value, Missing)


def test_the_first_size_need_not_be_one() -> None:
    gpus = (2, 4)
    turns = rounds([0.02, 0.02 * (0.1 + 0.9 / 2)])
    (_, four) = parallel.sizes(gpus, turns)
    assert number(four.decode.serial.value) == pytest.approx(0.1)
    assert isinstance(parallel.sizes(gpus, turns)[0].decode.speedup.value, Missing)


def test_bounds_stay_in_order_where_the_formula_falls() -> None:
    gpus = (1, 2, 4)
    for size in parallel.sizes(gpus, rounds(map(law(0.1), gpus), noise=0.05))[1:]:
        for estimate in (size.decode.serial, size.overhead, size.decode.efficiency):
            low, high = bounds(estimate)
            assert low < number(estimate.value) < high


def test_the_interval_of_the_serial_fraction_holds_the_truth_about_as_often_as_it_says() -> None:
    gpus = (1, 2, 4)
    held = 0
    for seed in range(300):
        low, high = bounds(
            parallel.serial(gpus, rounds(map(law(0.1), gpus), noise=0.03, seed=seed))
        )
        held += low <= 0.1 <= high
    assert 0.91 < held / 300 <= 0.99
