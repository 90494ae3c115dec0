"""What a bench says of a whole load: counts, rates, tokens, turns, and the span of its servers."""

from dataclasses import replace

import pytest
from tests.analysis.bench_levels import code, figure, level, value
from tests.analysis.benched import (
    EPOCH_NS,
    answered,
    bench,
    benches,
    closed,
    paced,
    work,
)
from tests.analysis.timed import MS, failed, usage

from steelyard.analysis.asked import prompts_in_words
from steelyard.domain.load import Closed, Conversations, Open
from steelyard.domain.prompts import FromFile, Prefix, PromptSource, Recorded, ShareGpt, Synthetic
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.serverside import PowerSeries, ServerColumn, ServerSeries


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
