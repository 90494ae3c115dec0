"""The bench summary: planted times come back as figures, and one or two runs make a bench."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.analysis.bench_levels import code, figure, level, point, value, varied
from tests.analysis.benched import (
    QUIET,
    answered,
    bench,
    benches,
    closed,
    paced,
)
from tests.analysis.rows import estimate
from tests.analysis.timed import NONE, failed, sample, section, vitals

from steelyard.analysis import benchmark
from steelyard.domain.bench import Footprint
from steelyard.domain.errors import BadInput
from steelyard.domain.load import Closed, Open, Ramp
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.slo import slo
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.stats.knee import Found

# ── figures ─────────────────────────────────────────────────────────────────────────────────────


def test_planted_times_come_back_with_n_interval_and_share() -> None:
    found = level(bench(varied(400, 4), Closed(4)))
    ttft = figure(found, "ttft_s", "p50")
    assert value(ttft.estimate.low) < 0.06 < value(ttft.estimate.high)
    assert ttft.estimate.n > 380
    assert ttft.unit == "s"
    assert value(ttft.client_share) == pytest.approx(0.00002)
    assert point(found, "ttft_s", "p99") == pytest.approx(0.07, abs=0.001)
    assert point(found, "tpot_s", "p50") == pytest.approx(0.01)
    assert point(found, "itl_s", "p99") == pytest.approx(0.01)
    assert point(found, "output_tps", "mean") == pytest.approx(100.0)
    assert point(found, "e2e_s", "mean") == pytest.approx(0.151, abs=0.001)
    assert figure(found, "itl_s", "p50").estimate.n == 9 * ttft.estimate.n


def test_a_closed_loop_has_no_intended_time_and_an_answer_without_thinking_no_ttfat() -> None:
    metrics = {each.metric for each in level(bench(closed(8))).figures}
    assert metrics == {"ttft_s", "tpot_s", "itl_s", "e2e_s", "output_tps"}


def test_a_schedule_brings_the_times_from_the_intended_moment() -> None:
    found = level(bench(paced(60, late=lambda _: 5.0), Open(20.0)))
    assert point(found, "ttft_s", "p50") == pytest.approx(0.060)
    assert point(found, "ttft_intended_s", "p50") == pytest.approx(0.065)
    assert point(found, "e2e_intended_s", "p50") == pytest.approx(0.156)
    assert point(found, "lateness_s", "p95") == pytest.approx(0.005)


def test_thinking_brings_the_time_to_the_answer() -> None:
    def thinking(found: Attempt) -> Attempt:
        role, first, *rest = found.arrivals
        return replace(found, arrivals=(role, replace(first, kind="reasoning"), *rest))

    found = level(bench([thinking(a) for a in closed(8)]))
    assert point(found, "ttfat_s", "p50") == pytest.approx(0.07)
    assert point(found, "ttft_s", "p50") == pytest.approx(0.06)


def test_a_percentile_below_its_floor_says_how_many_it_takes() -> None:
    found = figure(level(bench(varied(64))), "ttft_s", "p99").estimate
    assert isinstance(found.value, Missing)
    assert found.value.detail == "p99 takes 299 samples; there are 64"


def test_gaps_of_one_request_do_not_count_as_independent() -> None:
    # One request in ten is slow as a whole: its nine gaps are one piece of news.
    source = random.Random(4)
    gaps_ms = [20.0 if source.random() < 0.1 else 10.0 for _ in range(50)]
    slow = [answered(str(n), 300.0 * n, gap_ms=each) for n, each in enumerate(gaps_ms)]
    refused = figure(level(bench(slow)), "itl_s", "p95").estimate.value
    assert isinstance(refused, Missing)
    assert "450, which hang together and are worth" in refused.detail
    mixed = random.Random(2)
    lively = [answered(str(n), 300.0 * n, gap_ms=mixed.uniform(9, 11)) for n in range(60)]
    gaps = figure(level(bench(lively)), "itl_s", "p50").estimate
    whole = figure(level(bench(lively)), "tpot_s", "p50").estimate
    # As wide as that of 60 requests, not of 540 gaps.
    wide = value(gaps.high) - value(gaps.low)
    assert wide > 0.5 * (value(whole.high) - value(whole.low))


def test_the_interval_of_a_mean_of_gaps_is_that_of_its_requests() -> None:
    source = random.Random(3)
    speeds = [source.uniform(8, 12) for _ in range(100)]
    lively = [answered(str(n), 300.0 * n, gap_ms=each) for n, each in enumerate(speeds)]
    found = figure(level(bench(lively)), "itl_s", "mean").estimate
    mean = sum(speeds) / 100
    error = math.sqrt(sum((each - mean) ** 2 for each in speeds) / 99 / 100)
    assert value(found.value) == pytest.approx(mean / 1000)
    half_ms = 1000 * (value(found.high) - value(found.low)) / 2
    assert half_ms == pytest.approx(1.98 * error, rel=0.35)


@pytest.mark.parametrize("requests", [1, 2, 5])
def test_a_handful_of_requests_is_summarised_without_percentiles(requests: int) -> None:
    found = level(bench(closed(requests)))
    assert code(figure(found, "itl_s", "p99").estimate.value) == "below_sample_floor"
    assert code(figure(found, "itl_s", "mean").estimate.low) == "too_few_samples"


def test_few_requests_give_a_gap_and_no_interval() -> None:
    found = figure(level(bench(closed(5))), "itl_s", "p50").estimate
    assert value(found.value) == pytest.approx(0.01)
    assert code(found.low) == "too_few_samples"


def test_requests_without_token_counts_leave_speeds_out_and_keep_latencies() -> None:
    uncounted = level(bench([replace(a, usage=NONE) for a in closed(8)]))
    assert point(uncounted, "ttft_s", "p50") == pytest.approx(0.06)
    assert code(figure(uncounted, "tpot_s", "p50").estimate.value) == "token_count_unavailable"
    assert code(uncounted.throughput.system_tps) == "token_count_unavailable"


def test_figures_are_taken_over_the_steady_window() -> None:
    def first(number: int) -> float:
        return 200.0 if number < 30 else 60.0 + number % 5

    found = level(bench(closed(300, first=first)))
    steady = found.steady
    assert isinstance(steady, Measured)
    assert 25 <= steady.value.warmup <= 40
    assert steady.value.trend == "none shown"
    assert point(found, "ttft_s", "mean") == pytest.approx(0.062, abs=0.001)
    assert found.counts.completed == 300
    assert found.ttft_over_time[0] == pytest.approx((0.0, 0.2))


@pytest.mark.parametrize(
    ("loads", "reason"),
    [
        ([(Closed(1), closed(40))], "too_few_requests"),
        ([(Closed(1), closed(60)), (Closed(1), closed(60))], "interleaved"),
        ([(Ramp("rate", 1.0, 20.0, 6.0), paced(60))], "changes"),
    ],
)
def test_without_a_steady_window_all_requests_count_and_the_reason_is_kept(
    loads: list[tuple[Closed | Ramp, Sequence[Attempt]]], reason: str
) -> None:
    found = level(benches(loads))
    assert code(found.steady) == reason
    requests = sum(len(attempts) for _, attempts in loads)
    assert figure(found, "ttft_s", "p50").estimate.n == requests


def test_what_other_tools_would_have_printed_stands_beside() -> None:
    found = {(p.tool, p.measure): p for p in level(bench(closed(8))).published}
    # vLLM takes the announced role, 1 ms after sending, for the first token.
    assert value(found["vllm", "ttft"].p50) == pytest.approx(0.001)
    assert value(found["aiperf", "ttft"].p50) == pytest.approx(0.06)
    assert value(found["guidellm", "tpot"].mean) == pytest.approx(0.015)
    assert found["vllm", "itl"].n == 8 * 10
    nothing = level(bench([failed("0")])).published
    assert {code(each.mean) for each in nothing} == {"no_requests"}


# ── the whole bench ─────────────────────────────────────────────────────────────────────────────


def test_tasks_and_the_canary_are_no_loads() -> None:
    run = bench(closed(4))
    canary = section(closed(4), "canary/p0/o64/c1")
    judged = replace(canary, name="logic/l1", kind="task")
    found = benchmark.measurement(replace(run, sections=(canary, *run.sections, judged)))
    assert [each.name for each in found.levels] == ["bench/p100/o10/c1"]
    assert found.levels[0].load == "1 at a time"


def test_the_same_records_give_the_same_summary() -> None:
    run = benches([(Closed(4), varied(120, 4)), (Open(20.0), paced(60))])
    first = benchmark.summary([run], slo=slo("ttft_p95=500ms,errors=1%"))
    assert first == benchmark.summary([run], slo=slo("ttft_p95=500ms,errors=1%"))
    assert first.objectives == "ttft_p95 ≤ 500 ms, errors ≤ 1 %"
    assert first.instrument is QUIET
    assert [each.load for each in first.measurements[0].levels] == ["4 at a time", "20/s poisson"]


def test_a_bench_is_of_one_run_or_of_two() -> None:
    run = bench(closed(4))
    for count in (0, 3):
        with pytest.raises(BadInput, match=f"not of {count}"):
            benchmark.summary([run] * count)


def test_the_footprint_is_what_the_vitals_saw_unless_the_caller_knows_better() -> None:
    looks = vitals([sample(0.0), sample(1.0, own_cpu_share=Measured(0.15, "derived"))])
    run = replace(bench(closed(4)), vitals=Measured(looks, "client"))
    assert value(benchmark.measurement(run).footprint.cpu_share) == pytest.approx(0.1)
    unseen = benchmark.measurement(replace(run, vitals=NONE)).footprint
    assert code(unseen.cpu_share) == "not_reported"
    known = Footprint(Measured(0.3, "client"), Measured(31_000_000, "client"), 2)
    assert benchmark.measurement(run, footprint=known).footprint == known
    assert benchmark.summary([run], footprints=[known]).measurements[0].footprint == known


def test_a_finished_search_becomes_a_knee_with_its_reasons() -> None:
    rate = estimate(50.0, 1.0, 3000)
    held, over = Measured(45.0, "derived"), Measured(60.0, "derived")
    found = benchmark.knee_of(Found(rate, "capacity", held, over, 5, True, 52.0))
    assert isinstance(found, Measured)
    assert (found.value.rate_per_s, found.value.probes) == (rate, 5)
    assert "45/s was sustained; at 60/s requests piled up" in found.value.reason
    wide = benchmark.knee_of(
        Found(rate, "objectives", NONE, NONE, 8, False, 52.0), slo=slo("ttft_p95=1s")
    )
    assert isinstance(wide, Measured)
    assert wide.value.reason == (
        "where ttft_p95 ≤ 1 s are just met; the interval is wider than was asked for"
    )
    none = Estimate(NONE, NONE, NONE, 0)
    assert benchmark.knee_of(Found(none, "capacity", NONE, NONE, 1, False, 0.0)) == NONE
