"""Metrics of a section: workloads as a whole."""

from dataclasses import replace

import pytest
from tests.analysis.timed import NONE, attempt, failed, in_a_row, section, timings

from steelyard.analysis.metrics import load
from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section

DOCUMENTS = "documents/p200-500/o64/c1"
DEPTH = "depth/p2048/o64/c1"
CANARY = "canary/p0/o64/c10"


def near(reading: Reading[float], wanted: float) -> None:
    assert isinstance(reading, Measured), reading
    assert reading.value == pytest.approx(wanted, rel=1e-9)


def code(reading: Reading[float] | Reading[int]) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code


def test_system_throughput_is_all_tokens_over_elapsed_time() -> None:
    overlapping = section([attempt("0"), attempt("1")], streams=2)
    near(load.system_tps(overlapping), 20 / 0.151)


def test_the_time_of_a_failed_request_is_elapsed_all_the_same() -> None:
    mixed = section([attempt("0"), failed("1", sent_ms=200)])
    near(load.system_tps(mixed), 10 / 0.351)


def test_counts_without_timings_are_enough_for_a_system_throughput() -> None:
    near(load.system_tps(section([replace(attempt(), arrivals=())])), 10 / 0.151)
    instant = replace(attempt(), arrivals=(), done_ns=attempt().sent_ns)
    assert code(load.system_tps(section([instant]))) == "no_time"


def test_one_uncounted_request_leaves_no_system_throughput() -> None:
    uncounted = section([attempt("0"), replace(attempt("1"), usage=NONE)])
    assert code(load.system_tps(uncounted)) == "token_count_unavailable"
    assert code(load.output_tokens(uncounted.attempts)) == "token_count_unavailable"


@pytest.mark.parametrize("attempts", [(), (failed(),)])
def test_no_answer_is_no_zero(attempts: tuple[object, ...]) -> None:
    empty = section(attempts)  # type: ignore[arg-type]
    assert code(load.system_tps(empty)) == "no_requests"
    assert code(load.documents_per_hour(replace(empty, name=DOCUMENTS))) == "no_requests"
    assert code(load.context_load_s(replace(empty, name=DEPTH))) == "no_requests"
    assert code(load.identical_share(replace(empty, name=CANARY))) == "no_requests"
    assert load.elapsed_s(()) == 0.0


def test_documents_per_hour_counts_those_that_came_whole() -> None:
    read = section([attempt("0"), failed("1", sent_ms=449)], DOCUMENTS)
    near(load.documents_per_hour(read), 3600 / 0.6)


@pytest.mark.parametrize(
    "formula", [load.documents_per_hour, load.context_load_s, load.identical_share]
)
def test_a_metric_of_another_shape_is_not_applicable(formula: object) -> None:
    reading = formula(section(in_a_row(3)))  # type: ignore[operator]
    assert code(reading) == "not_applicable"


def test_a_machine_that_slows_down_shows_it_in_the_last_third() -> None:
    slowing = [
        attempt(str(n), sent_ms=1000 * n, gap_ms=gap)
        for n, gap in enumerate([10, 10, 12, 14, 20, 20])
    ]
    near(load.slowdown_share(section(slowing)), 0.5)
    near(load.slowdown_share(section(slowing[::-1])), 0.5)  # in the order sent, not stored
    assert code(load.slowdown_share(section(slowing[:2]))) == "too_few_samples"


def test_the_spread_of_latency_is_that_of_equal_requests() -> None:
    near(load.latency_cv(section(in_a_row(5))), 0.0)
    assert code(load.latency_cv(section(in_a_row(5), DOCUMENTS))) == "lengths_differ"


def test_the_context_load_is_the_mean_wait_at_depth() -> None:
    deep = [attempt("0", first_ms=500), attempt("1", first_ms=700)]
    near(load.context_load_s(section(deep, DEPTH)), 0.6)


def test_determinism_is_the_share_of_the_most_frequent_text() -> None:
    texts = [attempt(str(n), text=text) for n, text in enumerate(["a", "b", "a", "a"])]
    near(load.identical_share(section(texts, CANARY)), 0.75)


def test_clocks_that_agree_have_a_ratio_of_one() -> None:
    near(load.client_engine_ratio(section(in_a_row(4))), 1.0)


def test_requests_without_both_clocks_are_left_out_of_the_ratio() -> None:
    slow = replace(attempt("0"), timings=timings(decode_s=0.045))
    others = [
        replace(attempt("1"), timings=NONE),
        replace(attempt("2"), timings=timings(decode_s=None)),
        attempt("3", tokens=1),
    ]
    near(load.client_engine_ratio(section([slow, *others])), 2.0)
    assert code(load.client_engine_ratio(section(others))) == "not_reported"


def test_gap_percentiles_are_refused_below_their_floor() -> None:
    def gap(name: str, of: Section) -> Reading[float]:
        return METRICS[name].formula(of)  # type: ignore[arg-type]

    few = section(in_a_row(6))  # 54 gaps
    near(gap("itl_p50_s", few), 0.01)
    assert code(gap("itl_p95_s", few)) == "below_sample_floor"
    near(gap("itl_p95_s", section(in_a_row(7))), 0.01)
    assert code(gap("itl_p99_s", section(in_a_row(7)))) == "below_sample_floor"
