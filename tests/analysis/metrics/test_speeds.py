"""Speeds with their circumstances: pooled over repeats, refused where too little is known."""

from dataclasses import replace

import pytest
from tests.analysis.timed import NONE, attempt, failed, in_a_row, section, timings, usage

from steelyard.analysis.metrics.speeds import centre, speeds
from steelyard.analysis.ratings import rated_metrics
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import Device, Section
from steelyard.domain.summary import Speed

BOX = Device("Debian 12", "a processor", 2, 8 << 30, "x86_64")


def one(found: tuple[Speed, ...], metric: str) -> Speed:
    (speed,) = [speed for speed in found if speed.metric == metric]
    return speed


def test_every_speed_carries_its_circumstances() -> None:
    name = "depth/p2048/o64/c1"
    cold = [replace(a, timings=timings(cached=7)) for a in in_a_row(2)]
    for speed in speeds([section(cold, name)]):
        assert (speed.prompt_tokens, speed.depth_tokens, speed.streams) == (2048, 2048, 1)
        assert speed.cached_tokens == Measured(7, "engine")


@pytest.mark.parametrize("name", ["interactive/p512/o64/c1", "depth/p16/o64/c1"])
def test_a_short_or_fresh_prompt_has_no_depth(name: str) -> None:
    assert {speed.depth_tokens for speed in speeds([section(in_a_row(2), name)])} == {0}


def test_where_the_name_states_no_length_the_engines_count_does() -> None:
    found = speeds([section(in_a_row(3), "own prompts")])
    assert {speed.prompt_tokens for speed in found} == {100}
    empty = speeds([section([failed()], "own prompts")])
    assert {speed.prompt_tokens for speed in empty} == {0}


def test_the_cache_state_comes_from_usage_where_there_are_no_timings() -> None:
    told = [replace(a, timings=NONE, usage=usage(10, cached=3)) for a in in_a_row(2)]
    assert speeds([section(told)])[0].cached_tokens == Measured(3, "engine")
    silent = [replace(a, timings=NONE, usage=NONE) for a in in_a_row(2)]
    reading = speeds([section(silent)])[0].cached_tokens
    assert isinstance(reading, Missing)


def test_repeats_are_pooled_and_six_requests_have_a_median() -> None:
    fast, slow = section(in_a_row(3, gap_ms=10)), section(in_a_row(3, gap_ms=20))
    speed = one(speeds([fast, slow]), "output_tps")
    assert speed.estimate.n == 6
    assert value_of(speed.estimate.value) == pytest.approx(75.0)
    assert value_of(speed.estimate.low) == pytest.approx(50.0)
    assert value_of(speed.estimate.high) == pytest.approx(100.0)
    assert speed.rating == "excellent"


def test_no_interval_of_speeds_reaches_below_zero() -> None:
    found = centre([100.0, 9_000.0])
    assert value_of(found.low) == 0.0
    assert (value_of(found.high) or 0) > 9_000
    assert (value_of(centre([-100.0, 9_000.0]).low) or 0) < 0


def test_below_six_the_centre_is_the_mean() -> None:
    assert value_of(centre([1.0, 1.0, 4.0]).value) == 2.0
    assert value_of(centre([1.0, 1.0, 1.0, 1.0, 1.0, 40.0]).value) == 1.0


def test_a_factor_brings_rates_up_and_durations_down() -> None:
    plain, brought = speeds([section(in_a_row(8))]), speeds([section(in_a_row(8))], [2.0])
    for metric, change in (
        ("output_tps", 2.0),
        ("ttft_s", 0.5),
        ("itl_p50_s", 0.5),
        ("latency_cv", 1.0),
        ("system_tps", 2.0),
    ):
        before = value_of(one(plain, metric).estimate.value)
        after = value_of(one(brought, metric).estimate.value)
        assert before is not None
        assert after == pytest.approx(before * change)


def test_gaps_are_bounded_by_whole_requests() -> None:
    few = one(speeds([section(in_a_row(3))]), "itl_p50_s").estimate
    assert value_of(few.value) == pytest.approx(0.01)
    assert isinstance(few.low, Missing)
    many = [attempt(str(n), sent_ms=500 * n, gap_ms=10 + n) for n in range(8)]
    estimate = one(speeds([section(many)]), "itl_p50_s").estimate
    low, high = value_of(estimate.low), value_of(estimate.high)
    assert low is not None
    assert high is not None
    assert 0.010 <= low < high <= 0.017
    assert estimate == one(speeds([section(many)]), "itl_p50_s").estimate
    refused = one(speeds([section(many)]), "itl_p99_s").estimate.value
    assert isinstance(refused, Missing)


def test_only_what_applies_to_the_shape_is_there() -> None:
    names = {speed.metric for speed in speeds([section(in_a_row(3))])}
    assert "documents_per_hour" not in names
    assert "client_engine_ratio" not in names
    read = speeds([section(in_a_row(3), "documents/p200-500/o64/c1")])
    assert one(read, "documents_per_hour").rating == "excellent"
    assert "latency_cv" not in {speed.metric for speed in read}


def test_what_could_not_be_measured_is_there_with_its_reason() -> None:
    broken = speeds([section([failed(why="stalled")])])
    reading = one(broken, "ttft_s").estimate.value
    assert reading == Missing("no_requests", "no request was answered whole")
    uncounted = speeds([section([replace(attempt(), usage=NONE)])])
    assert one(uncounted, "output_tps").rating is None
    why = one(uncounted, "output_tps").estimate.value
    assert isinstance(why, Missing)
    assert why.code == "token_count_unavailable"


def test_tasks_have_no_speeds() -> None:
    judged: Section = replace(section(in_a_row(3), "logic"), kind="task")
    assert speeds([judged]) == ()


def test_the_users_bands_are_what_rates() -> None:
    strict = rated_metrics(BOX, {"output_tps": (1000.0, 500.0, 200.0, 150.0)})
    assert one(speeds([section(in_a_row(3))], metrics=strict), "output_tps").rating == "failed"
