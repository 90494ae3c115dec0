"""Goodput counts every request once, and a percentile gate is never surer than its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.analysis.timed import MS, NONE, attempt, failed

from steelyard.analysis.goodput import Goodput, gates, goodput, strain
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.slo import slo
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate, Gate
from steelyard.stats.quantiles import quantile_estimate


def many(count: int, first_ms: float = 60.0, gap_ms: float = 10.0) -> list[Attempt]:
    return [attempt(str(n), first_ms=first_ms, gap_ms=gap_ms) for n in range(count)]


def counts(found: Goodput) -> tuple[int, int, int, int]:
    return found.good, found.missed, found.failed, found.unknown


def only(attempts: list[Attempt], text: str) -> Gate:
    (gate,) = gates(attempts, slo(text))
    return gate


def test_a_request_that_was_never_sent_counts_as_failed() -> None:
    found = goodput(many(6), slo("ttft=500ms,errors=30%"), elapsed_s=4.0, dropped=2)
    assert counts(found) == (6, 0, 2, 0)
    assert found.requests == 8
    assert found.share.value == found.best_share == Measured(0.75, "derived")
    (gate,) = found.gates
    assert gate.state == "met"
    assert gate.found.startswith("2 of 8 (25 %), 2 of them never sent;")
    (none,) = goodput([], slo("errors=1%"), elapsed_s=4.0, dropped=3).gates
    assert none.state == "failed"


def test_a_request_is_good_when_it_meets_every_limit() -> None:
    load = [*many(6), *many(2, first_ms=600.0), *many(1, gap_ms=80.0), failed()]
    found = goodput(load, slo("ttft=500ms,tpot=50ms,e2e=10s"), elapsed_s=4.0)
    assert counts(found) == (6, 3, 1, 0)
    assert found.requests == 10
    assert found.share.value == Measured(0.6, "derived")
    assert found.best_share == Measured(0.6, "derived")
    assert found.rate_per_s == Measured(1.5, "derived")
    assert found.gates == ()


def test_failed_requests_count_against_goodput_even_without_a_time_limit() -> None:
    found = goodput([*many(3), failed()], slo("errors=50%"), elapsed_s=1.0)
    assert counts(found) == (3, 0, 1, 0)


def test_the_limit_itself_is_within_the_limit() -> None:
    assert goodput(many(1), slo("ttft=60ms"), 1.0).good == 1
    assert goodput(many(1), slo("ttft=59.9ms"), 1.0).missed == 1


def test_a_percentile_limit_holds_for_a_single_request_unless_it_has_its_own() -> None:
    load = many(4, first_ms=300.0)
    assert goodput(load, slo("ttft_p95=200ms"), 1.0).good == 0
    assert goodput(load, slo("ttft_p95=200ms,ttft=1s"), 1.0).good == 4
    assert goodput(load, slo("ttft=1s,ttft_p95=200ms"), 1.0).good == 4


def test_of_two_percentile_limits_the_loosest_is_the_single_requests() -> None:
    for text in ("ttft_p50=100ms,ttft_p99=400ms", "ttft_p99=400ms,ttft_p50=100ms"):
        assert goodput(many(4, first_ms=300.0), slo(text), 1.0).good == 4


def test_what_was_not_measured_is_neither_good_nor_bad_and_widens_the_share() -> None:
    uncounted = [replace(one, usage=NONE) for one in many(5)]
    sure = goodput(many(10), slo("tpot=50ms"), 1.0)
    found = goodput([*many(5), *uncounted], slo("tpot=50ms"), 1.0)
    assert counts(found) == (5, 0, 0, 5)
    assert (found.share.value, found.best_share) == (
        *(Measured(0.5, "derived"), Measured(1.0, "derived")),
    )
    low, high = value_of(found.share.low), value_of(found.share.high)
    assert low is not None
    assert low < 0.5
    assert high == value_of(sure.share.high)


def test_an_answer_of_one_token_has_no_time_between_tokens_to_miss() -> None:
    short = [attempt(str(n), tokens=1) for n in range(70)]
    assert goodput(short, slo("tpot=50ms"), 1.0).good == 70
    gate = only([*many(70), *short], "tpot_p95=50ms")
    assert (gate.state, gate.found) == ("met", "10 ms [10 ms, 10 ms], 70 requests")


def test_tokens_that_came_at_once_meet_any_limit_that_can_be_told_from_it() -> None:
    burst = many(1, gap_ms=0.05)
    assert goodput(burst, slo("tpot=1ms"), 1.0).good == 1
    assert goodput(burst, slo("tpot=0.1ms"), 1.0).unknown == 1


def test_a_percentile_gate_is_met_failed_or_undecided_by_its_whole_interval() -> None:
    spread = [attempt(str(n), first_ms=100.0 + n) for n in range(200)]
    assert only(spread, "ttft_p95=400ms").state == "met"
    assert only(spread, "ttft_p95=200ms").state == "failed"
    near = only(spread, "ttft_p95=290ms")
    assert near.state == "undecided"
    assert near.name == "ttft_p95"
    assert near.demanded == "p95 of time to first token at most 290 ms"
    assert near.found.startswith("289 ms [28")
    assert near.found.endswith("200 requests")


def test_a_percentile_below_its_sample_floor_decides_nothing() -> None:
    gate = only(many(58), "ttft_p95=10s")
    assert gate.state == "undecided"
    assert gate.found == "not measured: p95 takes 59 samples; there are 58"
    assert only(many(59), "ttft_p95=10s").state == "met"


def test_failed_requests_never_enter_a_latency() -> None:
    assert only([*many(58), failed()], "ttft_p95=10s").state == "undecided"
    assert only([failed()], "e2e_p50=10s").found == "no request completed"


def test_a_gate_with_too_much_unmeasured_is_undecided() -> None:
    uncounted = [replace(one, usage=NONE) for one in many(2)]
    gate = only([*many(100), *uncounted], "tpot_p95=50ms")
    assert gate.state == "undecided"
    assert "not measured for 2 of 102 requests" in gate.found
    assert only([*many(300), *uncounted], "tpot_p95=50ms").state == "met"


def test_errors_are_counted_not_estimated() -> None:
    assert only([*many(99), failed()], "errors=1%").state == "met"
    gate = only([*many(98), failed("a"), failed("b")], "errors=1%")
    assert gate.state == "failed"
    assert gate.found.startswith("2 of 100 (2 %); the server's own rate lies in [")
    assert only(many(3), "errors=0%").state == "met"
    assert only([failed()], "errors=0%").state == "failed"
    assert only([], "errors=5%").state == "undecided"


def test_gaps_of_one_request_are_worth_less_than_as_many_independent_ones() -> None:
    mixed = many(300) + many(100, gap_ms=30.0)
    assert only(mixed, "gap_p90=40ms").state == "met"
    assert only(mixed, "gap_p90=20ms").state == "failed"
    few = only(many(6) + many(2, gap_ms=30.0), "gap_p75=40ms")
    assert few.state == "undecided"
    assert "72 are worth" in few.found


def test_one_stall_in_every_request_shows_in_the_gaps() -> None:
    def stalled(one: Attempt) -> Attempt:
        moved = [
            replace(a, at_ns=a.at_ns + 200 * MS * (number > 5))
            for number, a in enumerate(one.arrivals)
        ]
        return replace(one, arrivals=tuple(moved), done_ns=one.done_ns + 200 * MS)

    load = [stalled(one) for one in many(100)]
    assert only(load, "gap_p95=100ms").state == "failed"
    assert only(load, "gap_p50=15ms").state == "met"


def test_another_interval_can_take_the_place_of_the_plain_one() -> None:
    def easy(values: Sequence[float], q: float) -> Estimate:
        return quantile_estimate(values, q, confidence=0.5)

    (gate,) = gates(many(20), slo("ttft_p95=10s"), easy)
    assert gate.state == "met"
    assert goodput(many(20), slo("ttft_p95=10s"), 1.0, easy).gates == (gate,)


def test_a_load_without_requests_or_time_has_no_number() -> None:
    empty = goodput([], slo("ttft=1s,ttft_p95=1s"), 5.0)
    assert isinstance(empty.share.value, Missing)
    assert isinstance(empty.rate_per_s, Missing)
    assert empty.gates[0].state == "undecided"
    assert isinstance(goodput(many(1), slo("ttft=1s"), 0.0).rate_per_s, Missing)


@pytest.mark.parametrize("text", ["ttft_p50=1s,tpot_p50=1s,errors=1%,gap_p50=1s,e2e=1s"])
def test_gates_stand_in_the_order_they_were_typed(text: str) -> None:
    assert [gate.name for gate in gates(many(9), slo(text))] == [
        *("ttft_p50", "tpot_p50", "errors", "gap_p50")
    ]


def test_time_to_the_first_answer_token_has_its_own_limit() -> None:
    assert goodput(many(2), slo("ttfat=60ms"), 1.0).good == 2
    assert goodput(many(2), slo("ttfat=59ms"), 1.0).missed == 2


def test_strain_is_the_worst_value_over_its_limit() -> None:
    load = many(10)
    assert strain(load, slo("ttft_p95=120ms")) == Measured(0.5, "derived")
    assert strain(load, slo("ttft_p95=120ms,tpot_p50=5ms,gap_p99=40ms")) == Measured(2.0, "derived")
    found = value_of(strain([*load, *many(9), failed()], slo("errors=10%")))
    assert found == pytest.approx(0.5)
    assert strain([*load, failed()], slo("errors=0%,ttft_p50=1s")) == Measured(math.inf, "derived")
    assert isinstance(strain([failed()], slo("ttft_p95=1s")), Missing)
    assert isinstance(strain(load, slo("ttft=1s")), Missing)
