"""Latencies from planted stamps, and the telemetry states of row A4."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.timed import MS, NONE, arrivals, attempt, failed, timings, usage

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import TelemetryStatus
from steelyard.domain.stream import Arrival, Attempt, Completed, EngineTimings

SPEEDS = (timing.output_tps, timing.tpot_s, timing.prompt_tps, timing.ttft_prompt_tps)


def near(reading: Reading[float], wanted: float) -> None:
    assert isinstance(reading, Measured), reading
    assert reading.value == pytest.approx(wanted, rel=1e-9)


def code(reading: Reading[float]) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code


def monolithic(tokens: int, *, counted: bool = True) -> Attempt:
    """An answer that came in one piece."""
    return replace(attempt(), arrivals=arrivals(60, 0, 1), usage=usage(tokens) if counted else NONE)


def test_planted_times_come_back() -> None:
    planted = attempt(first_ms=62.5, gap_ms=4.0, tokens=11)
    near(timing.ttft_s(planted), 0.0625)
    near(timing.ttfat_s(planted), 0.0625)
    near(timing.tpot_s(planted), 0.004)
    near(timing.output_tps(planted), 250.0)
    near(timing.e2e_s(planted), 0.1035)
    assert timing.gaps_s(planted) == pytest.approx([0.004] * 10)
    near(timing.prompt_tps(planted), 100 / 0.05)
    near(timing.ttft_prompt_tps(planted), 100 / 0.0625)


def test_an_announced_role_and_an_empty_piece_are_no_token() -> None:
    empty = Arrival(5 * MS, "content", 0)
    planted = attempt()
    near(timing.ttft_s(replace(planted, arrivals=(empty, *planted.arrivals))), 0.06)


def test_thinking_is_a_token_but_no_answer() -> None:
    thought = arrivals(20, 10, 4, kind="reasoning")
    answer = arrivals(60, 10, 6, said=4)
    both = replace(attempt(), arrivals=thought + answer)
    near(timing.ttft_s(both), 0.02)
    near(timing.ttfat_s(both), 0.06)
    near(timing.output_tps(both), 100.0)
    only = replace(attempt(), arrivals=thought, usage=usage(4))
    assert code(timing.ttfat_s(only)) == "no_answer_token"


def test_a_tool_call_is_an_answer() -> None:
    called = replace(attempt(), arrivals=arrivals(30, 10, 10, kind="tool_call"))
    near(timing.ttfat_s(called), 0.03)


@pytest.mark.parametrize("per_event", [2, 4, 8, 32])
def test_several_tokens_an_event_are_counted_by_usage_and_not_by_events(per_event: int) -> None:
    planted = attempt(tokens=128, per_event=per_event, gap_ms=20.0)
    near(timing.output_tps(planted), per_event / 0.020)
    speed = timing.output_tps(planted)
    assert isinstance(speed, Measured)
    assert speed.source == "estimated"


def test_the_end_token_is_counted_and_has_no_text() -> None:
    ended = replace(attempt(tokens=10), usage=usage(11), finish_reason="stop")
    near(timing.output_tps(ended), 100.0)


def test_more_events_than_tokens_never_make_an_answer_faster() -> None:
    split = replace(attempt(tokens=10), usage=usage(8))
    near(timing.output_tps(split), 7 / 0.09)


def test_hidden_thinking_leaves_no_speed() -> None:
    hidden = replace(attempt(), usage=usage(40, thought=30))
    assert code(timing.output_tps(hidden)) == "reasoning_hidden"
    shown = replace(
        attempt(), arrivals=arrivals(60, 10, 10, kind="reasoning"), usage=usage(10, thought=10)
    )
    near(timing.output_tps(shown), 100.0)
    near(timing.output_tps(replace(attempt(), usage=usage(10, thought=0))), 100.0)


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (attempt(), "OK"),
        (attempt(tokens=1), "OK"),
        (replace(attempt(tokens=1), usage=usage(2)), "OK"),
        (replace(attempt(), timings=NONE), "OK"),
        (replace(attempt(), usage=NONE), "TOKEN_COUNT_UNAVAILABLE"),
        (monolithic(10), "TIMING_UNAVAILABLE"),
        (monolithic(1, counted=False), "TOKEN_COUNT_UNAVAILABLE"),
        (replace(attempt(), arrivals=()), "TIMING_UNAVAILABLE"),
        (replace(attempt(), arrivals=(), usage=usage(0)), "TIMING_UNAVAILABLE"),
        (replace(attempt(), arrivals=(), usage=NONE), "TOKEN_AND_TIMING_UNAVAILABLE"),
        (failed(), "TOKEN_AND_TIMING_UNAVAILABLE"),
    ],
    ids=[
        "whole",
        "one token",
        "one token and the end",
        "no engine timings",
        "missing counts",
        "one piece",
        "one piece uncounted",
        "missing timings",
        "zero-token completion",
        "nothing",
        "failed",
    ],
)
def test_the_states_of_telemetry(seen: Attempt, status: TelemetryStatus) -> None:
    assert timing.telemetry_status(seen) == status
    for speed in SPEEDS:
        if status != "OK":
            assert isinstance(speed(seen), Missing)


def test_a_zero_token_completion_is_neither_zero_nor_infinite() -> None:
    silent = replace(attempt(), arrivals=(), usage=usage(0), outcome=Completed())
    assert code(timing.output_tps(silent)) == "timing_unavailable"
    assert code(timing.ttft_s(silent)) == "no_tokens"
    assert code(timing.ttfat_s(silent)) == "no_answer_token"


def test_one_token_has_a_wait_and_no_rate() -> None:
    single = attempt(tokens=1)
    near(timing.ttft_s(single), 0.06)
    assert code(timing.output_tps(single)) == code(timing.tpot_s(single)) == "single_token"
    miscounted = replace(attempt(tokens=10), usage=usage(1))
    assert code(timing.output_tps(miscounted)) == "single_token"


def test_a_burst_has_a_wait_and_no_rate() -> None:
    """Tokens that come closer than the client can tell apart say nothing about the engine."""
    burst = replace(attempt(tokens=10), arrivals=arrivals(60, 0.05, 10))
    near(timing.ttft_s(burst), 0.06)
    assert code(timing.output_tps(burst)) == code(timing.tpot_s(burst)) == "burst"


def test_a_failed_request_gives_its_reason_for_every_number() -> None:
    broken = failed(why="stalled")
    for formula in (*SPEEDS, timing.ttft_s, timing.ttfat_s, timing.e2e_s):
        reading = formula(broken)
        assert reading == Missing("request_failed", "stalled")
    assert timing.gaps_s(broken) == ()


@pytest.mark.parametrize(
    "partial",
    [timings(prefill_s=None), timings(prompt=None), NONE],
    ids=["no prefill", "no count", "no timings at all"],
)
def test_partial_metadata_leaves_out_what_needs_it_and_nothing_else(
    partial: Reading[EngineTimings],
) -> None:
    given = replace(attempt(), timings=partial)
    assert timing.prompt_tps(given) == NONE
    near(timing.output_tps(given), 100.0)


@pytest.mark.parametrize("cached", [timings(prompt=0), timings(prefill_s=0.0)])
def test_a_prompt_wholly_from_the_cache_has_no_prefill_speed(
    cached: Reading[EngineTimings],
) -> None:
    assert code(timing.prompt_tps(replace(attempt(), timings=cached))) == "no_prefill"


def test_the_engines_own_time_is_the_sum_of_both_its_phases() -> None:
    near(timing.engine_s(attempt()), 0.14)
    for partial in (NONE, timings(prefill_s=None), timings(decode_s=None)):
        assert timing.engine_s(replace(attempt(), timings=partial)) == NONE


def test_the_engines_time_ends_with_the_last_token_and_stays_within_the_request() -> None:
    planted = attempt(sent_ms=100)
    start, end, basis = timing.busy_interval(planted)
    assert (end, basis) == (planted.arrivals[-1].at_ns, "engine")
    assert end - start == 140 * MS
    boasting = replace(planted, timings=timings(prefill_s=9.0))
    assert timing.busy_interval(boasting)[0] == planted.sent_ns
    silent = replace(planted, arrivals=())
    assert timing.busy_interval(silent)[1] == planted.done_ns


def test_without_the_engines_word_the_whole_request_counts() -> None:
    quiet = replace(attempt(sent_ms=5), timings=NONE)
    assert timing.busy_interval(quiet) == (quiet.sent_ns, quiet.done_ns, "client")


def test_overlapping_intervals_count_once() -> None:
    assert timing.union_ns([]) == 0
    assert timing.union_ns([(0, 10), (5, 20), (6, 7), (30, 40)]) == 30
    assert timing.union_ns([(30, 40), (0, 10)]) == 20


def test_a_late_start_counts_from_the_intended_time() -> None:
    late = replace(attempt(sent_ms=25, first_ms=60, gap_ms=10, tokens=10), intended_ns=5 * MS)
    near(timing.lateness_s(late), 0.020)
    near(timing.ttft_s(late), 0.060)
    near(timing.ttft_intended_s(late), 0.080)
    near(timing.e2e_s(late), 0.151)
    near(timing.e2e_intended_s(late), 0.171)


def test_a_failed_request_was_late_all_the_same() -> None:
    broken = replace(failed(why="stalled"), intended_ns=-3 * MS)
    near(timing.lateness_s(broken), 0.003)
    for formula in (timing.ttft_intended_s, timing.e2e_intended_s, timing.ttft_spread_s):
        assert formula(broken) == Missing("request_failed", "stalled")
    assert timing.gap_bounds_s(broken) == ()


def test_looking_at_several_attempts_in_turns_mixes_nothing_up() -> None:
    pair = [spread_out((50, 0), (60, 1)), spread_out((10, 0), (40, 0), (90, 2))]
    expected = [(0.010,), (0.030, 0.050)]
    for found in (*pair, *reversed(pair), *pair):
        assert timing.gaps_s(found) == pytest.approx(expected[pair.index(found)])
        assert timing.events(found) == tuple(found.arrivals)
    same = replace(pair[0], sent_ns=pair[0].sent_ns - MS)
    assert timing.gaps_s(same) == timing.gaps_s(pair[0])
    near(timing.ttft_s(same), 0.051)


def spread_out(*events: tuple[float, float], send_ms: float = 0.0) -> Attempt:
    """Tokens as (stamp, how much earlier each may have come), in milliseconds."""
    came = tuple(
        Arrival(round(at * MS), "content", number + 1, round(early * MS))
        for number, (at, early) in enumerate(events)
    )
    return replace(
        attempt(), arrivals=came, usage=usage(len(came)), send_spread_ns=round(send_ms * MS)
    )


def test_what_a_first_token_waited_for_is_stated_beside_the_wait() -> None:
    near(timing.ttft_spread_s(spread_out((50, 4), (60, 0), send_ms=0.5)), 0.0045)
    near(timing.ttft_spread_s(spread_out((50, 0), (60, 3))), 0.0)
    assert code(timing.ttft_spread_s(replace(attempt(), arrivals=()))) == "no_tokens"


def test_a_gap_lies_between_what_the_spreads_of_its_ends_allow() -> None:
    bounds = timing.gap_bounds_s(spread_out((50, 0), (60, 8), (60, 0), (61, 5)))
    expected = [(0.002, 0.010, 0.010), (0.0, 0.0, 0.008), (0.0, 0.001, 0.001)]
    assert [pytest.approx(each) for each in expected] == list(bounds)
    values = [value for _, value, _ in bounds]
    assert values == list(timing.gaps_s(spread_out((50, 0), (60, 8), (60, 0), (61, 5))))


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30)),
        min_size=2,
        max_size=12,
    )
)
def test_the_true_gap_is_never_outside_its_bounds(steps: list[tuple[int, int, int]]) -> None:
    """Each step: how long after the one before it truly came, and how much later it was stamped."""
    truth: list[int] = []
    stamps: list[tuple[int, int]] = []
    for gap, late, slack in steps:
        truth.append((truth[-1] if truth else 100) + gap)
        at = max(truth[-1] + late, stamps[-1][0] if stamps else 0)
        stamps.append((at, at - truth[-1] + slack))
    given_attempt = spread_out(*((float(at), float(early)) for at, early in stamps))
    gaps_s = [(after - before) / 1e3 for before, after in pairwise(truth)]
    for gap_s, (low, value, high) in zip(gaps_s, timing.gap_bounds_s(given_attempt), strict=True):
        assert low - 1e-9 <= gap_s <= high + 1e-9
        assert low <= value <= high
