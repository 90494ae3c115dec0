"""The last screen of a bench: order, width, one row a level, reasons, no foreign control codes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.reports import example_bench as example

from steelyard.domain.bench import BenchSummary
from steelyard.domain.caution import Caution
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Proof
from steelyard.reports import bench_terminal, terminal

ALL = (example.summary, example.open_bench, example.small_bench, example.comparison)


def shown(summary: BenchSummary, width: int = 80, *, conventions: bool = False) -> str:
    return terminal.plain(bench_terminal.screen(summary, width, conventions=conventions))


def flat(summary: BenchSummary, width: int = 80) -> str:
    return " ".join(shown(summary, width).split())


def row(text: str, beginning: str) -> list[str]:
    """The cells of the first table row that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(beginning))
    return line.removeprefix(beginning).split()


def test_sentences_come_first_then_the_instrument_then_the_levels() -> None:
    text = shown(example.summary())
    order = ["What was found", "1,164 tok/s", "Instrument:", "req/s", "steady from", "Cautions"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_the_instrument_line_says_error_stamps_and_cost() -> None:
    text = flat(example.small_bench())
    assert (
        "first token ± 0.024 ms, gaps ± 0.011 ms (kernel stamps), 95 % of samples" in text
    )  # 0.02308 and 0.01018, rounded up: a bound may be said too large only
    assert "client used 3.1 % of a core, 31.4 MB" in text


def test_an_engine_that_was_started_says_how_long_it_took_and_one_that_was_up_says_nothing() -> (
    None
):
    whole = example.small_bench()
    assert "ready after" not in flat(whole)
    (one,) = whole.measurements
    took = replace(one, load_s=Measured(1.25, "client"), first_request_s=Missing("no_requests"))
    text = flat(replace(whole, measurements=(took,)))
    assert "ready after 1.2 s; first request — (no requests)" in text


def test_bounds_of_several_levels_are_a_range_and_an_unknown_one_says_why() -> None:
    assert "first token ± 0.024 to 0.079 ms" in flat(example.summary())
    why = Missing("no_spread", "the reads were not stamped")
    base = example.level(8)
    dark = replace(base, bound=replace(base.bound, ttft_s=why))
    text = flat(example.summary(example.measurement("one", dark)))
    assert "first token ± — (the reads were not stamped)" in text


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for make in ALL:
        text = shown(make(), width, conventions=True)
        assert max(map(len, text.splitlines())) <= max(width, 80)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_column_is_lost_on_a_narrow_screen(width: int) -> None:
    text = shown(example.open_bench(), width)
    heads = ["req/s", "tok/s", "TTFT", "intended", "TPOT", "gap", "E2E", "goodput", "never"]
    assert [head for head in heads if head not in text] == []


def test_a_row_has_the_numbers_of_its_level() -> None:
    text = shown(example.summary(), 200)
    assert row(text, "8 at a time ") == [
        "1,200", "0", "5.33", "683", "63", "95", "139", "11.8", "17.2", "25.3", "1.50", "84.0",
    ]  # fmt: skip


def test_the_interval_and_the_clients_share_stand_under_each_number() -> None:
    lines = shown(example.summary(), 200).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("8 at a time "))
    assert "[61,66]" in lines[place + 1]
    assert lines[place + 1].startswith("  95 % interval")
    assert "±0.021" in lines[place + 2]
    assert lines[place + 2].startswith("  client's share")


def test_where_intervals_do_not_fit_it_says_so_and_the_clients_share_stays() -> None:
    text = shown(example.open_bench(), 80)
    assert "95 % interval" not in text
    assert "too narrow for intervals" in text
    assert text.count("client's share") == 6


def test_an_absent_number_is_a_dash_and_its_reason_follows() -> None:
    text = shown(example.small_bench(), 200)
    assert "—" in row(text, "1 at a time ")
    shares = row(text, "  client's share ")
    assert " ".join(shares).count("±") == 6  # of seven times: the dash has none
    assert "— TTFT p99 at 1 at a time: p99 takes 299 samples; there are 64" in text


def test_latency_from_the_intended_time_is_shown_for_open_loads_only() -> None:
    assert "intended" in shown(example.open_bench())
    assert "intended" not in shown(example.summary())


def test_goodput_has_no_column_where_no_objective_was_given() -> None:
    none = replace(example.level(8), goodput=Missing("no_objectives", "no --slo was given"))
    text = shown(example.summary(example.measurement("one", none)))
    assert "goodput" not in text
    assert "at most 200 ms" not in text


def test_the_knee_is_said_where_it_was_sought() -> None:
    text = flat(example.open_bench())
    assert "Knee: 12.3 [12.0, 12.6] requests a second, in 8 probes; at 12.6/s the queue" in text
    assert "Knee" not in shown(example.summary())
    lost = Missing("not_found", "every probe failed")
    one = replace(example.measurement(), knee=lost)
    assert "Knee: — (every probe failed)" in shown(example.summary(one))


def test_a_comparison_has_ratio_interval_and_what_could_have_been_seen() -> None:
    text = shown(example.comparison())
    assert row(text, "TTFT, ms ") == [
        "63.0", "57.0", "0.905", "[0.870,", "0.940]", "3.0", "%", "<", "0.001",
    ]  # fmt: skip
    assert "\nA: http://a:8000" in text
    assert "\nB: http://b:8000" in text
    assert text.count("\n8 at a time ") == 4  # two tables of either side
    assert "— System throughput, tok/s: an interval takes two blocks" in text


def test_a_level_sent_both_ways_has_its_ratio_and_what_stood_idle() -> None:
    text = shown(example.both_ways())
    table = text[text.index("Continuous against static batching") :]
    assert row(table, "8 at a time ") == ["412", "180", "2.289", "56.1", "%"]
    assert "[2.213, 2.368]" in table
    assert "— 32 at a time, both ways: one block has no spread" in table
    assert max(map(len, table.splitlines())) <= 80
    assert "static batching" not in shown(example.summary())


def test_other_tools_words_come_only_when_asked_for() -> None:
    assert "vllm" not in shown(example.small_bench()).replace("vllm, build", "")
    text = shown(example.small_bench(), conventions=True)
    assert row(text, "vllm bench serve ") == ["TTFT", "≈", "41.2", "≈", "39.9", "≈", "82.3", "64"]
    assert row(text, "guidellm ") == ["TPOT", "7.50", "7.40", "12.0", "64"]
    assert "no chunk had choices" in text


def test_an_objective_is_styled_by_its_state() -> None:
    lines = bench_terminal.screen(example.summary(), 200)
    styles = {part.text.strip()[:44]: part.style for line in lines for part in line}
    assert styles["p95 of time to first token at most 200 ms: f"] == "bad"
    assert styles["p95 of time to first token at most 200 ms: m"] == "good"


def test_what_spoils_a_bench_stands_before_everything_else() -> None:
    bad = replace(
        example.measurement("one"),
        outcome="failed",
        reason="the server went away",
        quality="POLLUTED",
        cautions=(Caution("CLIENT_BOTTLENECK", "TTFT p50 moved by 8 %", "use --processes 2"),),
        proofs=(Proof("model", passed=False, found="it serves another one"),),
        simulated=True,
    )
    text = shown(example.summary(bad))
    first = " ".join(text.split("What was found", maxsplit=1)[0].split())
    assert "Simulated data" in first
    assert "is failed: the server went away." in first
    assert "polluted (CLIENT_BOTTLENECK)" in first
    assert "Not proved: model: it serves another one." in first


def test_a_name_cannot_move_the_cursor() -> None:
    evil = "m\x1b[2J\rgone"
    one = example.measurement(evil, replace(example.level(1), load=evil, prompts=evil))
    text = shown(example.summary(one), 120, conventions=True)
    assert "\x1b" not in text
    assert "\r" not in text


def test_turns_and_failures_are_told() -> None:
    text = flat(example.summary(example.measurement("one", example.conversation_level())))
    assert "turn 2: TTFT p50 44 ms; prompt tokens 1,000, of them cached 500; 100 requests" in text
    assert "failed: 4 reset" in flat(example.summary())


def test_a_bench_without_levels_is_a_screen_too() -> None:
    stopped = replace(example.measurement("one"), levels=(), outcome="failed", reason="no answer")
    text = flat(example.summary(stopped))
    assert "no level was measured" in text


def test_a_long_share_beside_seconds_is_in_milliseconds() -> None:
    figures = example.figures("e2e_s", "s", 3.0, 400, 2.41e-5)
    one = replace(example.level(8), figures=figures)
    text = shown(example.summary(example.measurement("one", one)), 120)
    assert "±0.025 ms" in text


def test_all_statistics_of_a_metric_share_one_unit() -> None:
    figures = example.figures("ttft_s", "s", 0.7, 400, 1e-5)  # p50 0.70 s, p99 1.54 s
    one = replace(example.level(8), figures=figures)
    text = shown(example.summary(example.measurement("one", one)), 120)
    assert "p50 s" in text
    assert "p99 s" in text
    assert isinstance(figures[0].estimate.value, Measured)
