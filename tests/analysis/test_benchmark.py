"""The bench summary: planted loads come back as figures, counts, rates, differences and words."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import pytest
from tests.analysis.benched import (
    EPOCH_NS,
    QUIET,
    answered,
    bench,
    benches,
    closed,
    paced,
    smeared,
    work,
)
from tests.analysis.rows import estimate
from tests.analysis.timed import MS, NONE, failed, sample, section, usage, vitals

from steelyard.analysis import benchmark
from steelyard.analysis.asked import prompts_in_words
from steelyard.domain.bench import BenchSummary, Figure, Footprint, Knee, Level, Statistic
from steelyard.domain.caution import Caution
from steelyard.domain.errors import BadInput
from steelyard.domain.load import Closed, Conversations, Open, Ramp
from steelyard.domain.prompts import FromFile, Prefix, PromptSource, Recorded, ShareGpt, Synthetic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.serverside import PowerSeries, ServerColumn, ServerSeries
from steelyard.domain.slo import slo
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.stats.knee import Found

T = TypeVar("T")


def value(reading: Reading[T]) -> T:
    assert isinstance(reading, Measured), reading
    return reading.value


def code(reading: Reading[T]) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code


def level(run: RunRecord, objectives: str = "") -> Level:
    (found,) = benchmark.measurement(run, slo=slo(objectives) if objectives else None).levels
    return found


def figure(found: Level, metric: str, statistic: Statistic) -> Figure:
    held = found.figure(metric, statistic)
    assert held is not None, (metric, statistic)
    return held


def point(found: Level, metric: str, statistic: Statistic) -> float:
    return value(figure(found, metric, statistic).estimate.value)


def varied(requests: int, streams: int = 1, seed: int = 1) -> tuple[Attempt, ...]:
    source = random.Random(seed)
    waits = [source.uniform(50.0, 70.0) for _ in range(requests)]
    return closed(requests, streams, first=waits.__getitem__)


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


# ── the whole load ──────────────────────────────────────────────────────────────────────────────


def test_counts_tell_what_was_planned_sent_and_lost_and_why() -> None:
    broken = [
        replace(failed(str(n), why=why), sent_ns=EPOCH_NS, intended_ns=EPOCH_NS, done_ns=EPOCH_NS)
        for n, why in enumerate(("disconnected", "http_500", "http_500"))
    ]
    run = bench([*closed(8), *broken], planned=15, dropped=4, reason="the time was up")
    found = level(run)
    counts = found.counts
    assert (counts.planned, counts.sent, counts.completed) == (15, 11, 8)
    assert (counts.failed, counts.dropped) == (3, 4)
    assert counts.failures == {"http_500": 2, "disconnected": 1}
    assert found.reason == "the time was up"
    assert level(bench(closed(8))).counts.planned == 8


def test_rates_are_of_the_whole_load() -> None:
    found = level(bench(closed(200, 4, pause_ms=0.0), Closed(4))).throughput
    assert found.elapsed_s == pytest.approx(50 * 0.151)
    assert value(found.requests_per_s.value) == pytest.approx(4 / 0.151)
    assert value(found.requests_per_s.low) <= 4 / 0.151 <= value(found.requests_per_s.high)
    assert value(found.system_tps) == pytest.approx(10 * 4 / 0.151)
    assert value(found.in_flight_mean) == pytest.approx(4.0)
    assert found.in_flight_max == 4
    assert code(found.offered_per_s) == "no_schedule"


def test_a_rate_of_few_answers_has_no_interval() -> None:
    found = level(bench(closed(99))).throughput.requests_per_s
    assert code(found.low) == "too_few_samples"
    assert value(found.value) > 0


def test_the_offered_rate_is_that_of_the_schedule() -> None:
    slow = [replace(a, sent_ns=a.sent_ns + n * 10 * MS) for n, a in enumerate(paced(101))]
    found = level(bench(slow, Open(20.0))).throughput
    assert value(found.offered_per_s) == pytest.approx(20.0)


def test_what_ended_a_load_early_changes_no_offered_rate() -> None:
    ended = bench(paced(101), Open(20.0), planned=1200, dropped=1099)
    lasting = replace(work(Open(20.0)), duration_s=60.0)
    ended = replace(ended, spec=replace(ended.spec, workloads=(lasting,)))
    assert value(level(ended).throughput.offered_per_s) == pytest.approx(20.0)
    apart = benches([(Open(20.0), paced(11)), (Open(20.0), paced(21))])
    assert value(level(apart).throughput.offered_per_s) == pytest.approx(20.0)
    alone = level(bench(paced(1), Open(20.0), planned=100, dropped=99))
    assert code(alone.throughput.offered_per_s) == "too_few_requests"


def test_tokens_that_were_counted_and_not_timed_make_a_system_throughput() -> None:
    whole = [replace(a, arrivals=a.arrivals[-3:-2]) for a in closed(10, pause_ms=0.0)]
    found = level(bench(whole))
    assert code(figure(found, "tpot_s", "p50").estimate.value) == "timing_unavailable"
    assert value(found.throughput.system_tps) == pytest.approx(10 / 0.151)


def test_requests_that_were_never_sent_have_missed_every_objective() -> None:
    found = level(bench(closed(60), planned=80, dropped=20), "ttft=1s,errors=1%").goodput
    assert isinstance(found, Measured)
    assert value(found.value.share.value) == pytest.approx(60 / 80)
    (gate,) = found.value.gates
    assert gate.state == "failed"
    assert "20 of 80 (25 %), 20 of them never sent" in gate.found


def test_blocks_of_one_load_are_pooled_without_the_time_between_them() -> None:
    later = [
        replace(a, sent_ns=a.sent_ns + 60_000 * MS, done_ns=a.done_ns + 60_000 * MS)
        for a in closed(10, pause_ms=0.0)
    ]
    found = level(benches([(Closed(1), closed(10, pause_ms=0.0)), (Closed(1), later)]))
    assert found.counts.sent == 20
    assert found.throughput.elapsed_s == pytest.approx(20 * 0.151)
    assert value(found.throughput.in_flight_mean) == pytest.approx(1.0)


def test_one_that_follows_in_the_same_instant_is_not_in_flight_beside() -> None:
    found = level(bench(closed(8, pause_ms=0.0)))
    assert found.throughput.in_flight_max == 1
    assert {flying for _, flying in found.in_flight_over_time} == {0, 1}


def test_charts_get_at_most_five_hundred_points() -> None:
    found = level(bench(closed(1300)))
    assert 400 < len(found.ttft_over_time) <= 500
    assert len(found.in_flight_over_time) <= 500


def test_tokens_are_the_engines_and_wanted_stands_beside_what_came() -> None:
    counted = [
        replace(a, usage=usage(10, prompt=100 + n % 3, cached=4)) for n, a in enumerate(closed(9))
    ]
    found = level(bench(counted)).tokens
    assert value(found.prompt) == 909
    assert value(found.output) == 90
    assert value(found.cached) == 36
    assert value(found.prompt_wanted) == 101
    assert value(found.prompt_came) == 101
    silent = level(bench(closed(4))).tokens
    assert code(silent.cached) == "not_reported"


def test_goodput_is_there_with_objectives_only_and_failed_requests_are_never_good() -> None:
    lost = [failed(str(n), sent_ms=EPOCH_NS / MS) for n in range(4)]
    attempts = [*closed(36), *lost]
    assert code(level(bench(attempts)).goodput) == "no_objectives"
    found = level(bench(attempts), "ttft_p50=100ms,errors=5%").goodput
    assert isinstance(found, Measured)
    assert value(found.value.share.value) == 0.9
    assert [gate.state for gate in found.value.gates] == ["met", "failed"]


def test_turns_are_counted_within_each_conversation() -> None:
    talk = [
        replace(
            answered(f"{user}/{turn}", 200.0 * turn + user, first_ms=60.0 + 20 * (turn % 3)),
            usage=usage(10, prompt=100 * (1 + turn % 3), cached=90 * (turn % 3)),
        )
        for user in range(2)
        for turn in range(12)
    ]
    found = level(bench(talk, Conversations(2, turns=3))).turns
    assert [(turn.number, turn.requests) for turn in found] == [(1, 8), (2, 8), (3, 8)]
    assert [value(turn.ttft_p50_s) for turn in found] == pytest.approx([0.06, 0.08, 0.1])
    assert [value(turn.prompt_tokens_mean) for turn in found] == [100, 200, 300]
    assert [value(turn.cached_tokens_mean) for turn in found] == [0, 90, 180]
    assert level(bench(closed(4))).turns == ()


def test_the_servers_word_and_energy_are_of_the_loads_own_span() -> None:
    attempts = closed(10, pause_ms=0.0)
    end_ns = attempts[-1].done_ns
    asked = tuple(range(EPOCH_NS - 1000 * MS, end_ns + 2000 * MS, 100 * MS))
    inside = [n for n, at in enumerate(asked) if at >= EPOCH_NS and at + MS <= end_ns]
    values = tuple(7.0 if n in inside else 99.0 for n in range(len(asked)))
    column = ServerColumn("q", "requests_waiting", tuple(range(len(asked))), values)
    server = ServerSeries(asked, tuple(at + MS for at in asked), (column,))
    joules = tuple(10.0 * (at - asked[0]) / 1e9 for at in asked)
    run = replace(
        bench(attempts),
        server=Measured(server, "engine"),
        power=Measured(PowerSeries("meter", "joules", asked, joules), "client"),
        idle=Measured((EPOCH_NS - 900 * MS, EPOCH_NS - 100 * MS), "client"),
    )
    found = level(run).engine
    assert value(found.waiting_max) == 7.0
    assert code(found.running_max) == "not_exposed"
    assert value(found.energy_j) == pytest.approx(15.1)
    assert value(found.j_per_output_token) == pytest.approx(0.151)
    assert value(found.j_per_output_token_above_idle) == pytest.approx(0.0, abs=1e-9)
    assert value(found.prompt_tps.value) == pytest.approx(2000.0)
    unwatched = level(replace(run, idle=Missing("not_watched"))).engine
    assert code(unwatched.j_per_output_token_above_idle) == "not_watched"
    assert value(unwatched.j_per_output_token) == pytest.approx(0.151)
    bare = level(bench(attempts)).engine
    assert (code(bare.waiting_max), code(bare.energy_j)) == ("not_scraped", "not_sampled")


def test_a_load_that_answered_nothing_has_reasons_and_no_number() -> None:
    lost = [
        replace(failed(str(n)), sent_ns=EPOCH_NS, intended_ns=EPOCH_NS, done_ns=EPOCH_NS + MS)
        for n in range(4)
    ]
    found = level(bench(lost), "ttft=1s")
    assert found.counts.failed == 4
    assert {code(each.estimate.value) for each in found.figures} == {"no_requests"}
    assert code(found.throughput.system_tps) == "no_requests"
    assert value(found.throughput.requests_per_s.value) == 0.0
    assert found.throughput.elapsed_s == pytest.approx(0.001)
    nothing = level(bench([]))
    assert nothing.counts.sent == 0
    assert code(nothing.throughput.requests_per_s.value) == "no_time"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "100 tokens in, 10 out"),
        (Synthetic(512, 128, input_sd=16.0), "synthetic, 512 ± 16 tokens in, 128 out"),
        (Prefix(), "8 shared beginnings of 1,024 tokens, 128 fresh ones behind, 64 out"),
        (FromFile("ab" * 32, 20, "jsonl"), "20 prompts of a file (abababababab)"),
        (ShareGpt("cd" * 32, 7), "7 recorded conversations (cdcdcdcdcdcd)"),
        (Recorded((1, 2), (3, 4)), "synthetic, the lengths of a trace of 2 requests"),
    ],
)
def test_prompts_are_described(source: PromptSource | None, words: str) -> None:
    assert prompts_in_words(replace(work(Closed(1)), prompts=source)) == words


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


# ── A against B ─────────────────────────────────────────────────────────────────────────────────


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


# ── words ───────────────────────────────────────────────────────────────────────────────────────


def said(summary: BenchSummary) -> str:
    return "\n".join(summary.sentences)


def test_each_load_is_said_in_one_sentence() -> None:
    words = said(benchmark.summary([bench(varied(320, 32), Closed(32))]))
    assert "At 32 at a time: " in words
    assert " tok/s; TTFT p95 6" in words
    assert "the client's own share of a TTFT is at most 0.02 ms" in words
    few = said(benchmark.summary([bench(varied(64))]))
    assert "At 1 at a time TTFT p99 is not given (p99 takes 299 samples; there are 64)." in few


def test_what_went_wrong_is_said() -> None:
    lost = replace(failed("9", why="http_500"), sent_ns=EPOCH_NS, done_ns=EPOCH_NS + MS)
    run = bench([*closed(39), lost], planned=42, dropped=2, reason="more is sent than is served")
    polluting = Caution("CLIENT_BOTTLENECK", "the client was slow", "wait")
    run = replace(run, cautions=(polluting,), outcome="cancelled", reason="interrupted")
    words = said(benchmark.summary([run], slo=slo("ttft_p50=1ms")))
    for sentence in (
        "POLLUTED, so compare nothing with it: the client was slow.",
        "the outcome is cancelled: interrupted.",
        "1 of 40 requests failed (1 http 500).",
        "2 of 42 requests were never sent",
        "At 1 at a time: more is sent than is served.",
        "met their objectives.",
        "the objective 'p50 of time to first token at most 1 ms' is failed (60 ms",
    ):
        assert sentence in words


def test_a_load_without_an_answer_is_said_in_one_word() -> None:
    lost = [replace(failed(str(n)), sent_ns=EPOCH_NS, done_ns=EPOCH_NS + MS) for n in range(4)]
    words = benchmark.summary([bench(lost)]).sentences
    assert words[0] == "At 1 at a time: no request was answered."
    assert "p99" not in said(benchmark.summary([bench(lost)]))


def test_a_refused_percentile_is_said_once_for_all_loads() -> None:
    run = benches([(Closed(n), varied(40, n)) for n in (1, 2, 4)])
    words = [each for each in benchmark.summary([run]).sentences if "p99" in each]
    assert len(words) == 1
    assert words[0].endswith("there are 40), nor at 2 other loads.")


def test_a_knee_and_a_comparison_are_said() -> None:
    rate = estimate(50.0, 1.0, 3000)
    run = bench(closed(8))
    knee = Measured(Knee(rate, 5, "what it completes"), "derived")
    words = said(benchmark.summary([run], knees=[knee]))
    assert (
        "The knee is at 50 [49, 51] requests a second, after 5 probes: what it completes." in words
    )
    assert "knee" not in said(benchmark.summary([run]))
    two = said(benchmark.summary(took_turns("ABBABAAB", 1.1)))
    assert two.startswith(
        "A is m.gguf, B is m.gguf.\nAt 1 at a time: Time to first token p50: B is"
    )


def test_a_withheld_percentile_gives_way_to_the_next_one_below() -> None:
    slow = closed(64, first=lambda n: 120.0 if n % 13 == 5 else 60.0)
    torn = [smeared(a, first_ms=60.0 * (n % 13 == 5)) for n, a in enumerate(slow)]
    words = said(benchmark.summary([bench(torn)]))
    assert "TTFT p90 60 ms" in words
