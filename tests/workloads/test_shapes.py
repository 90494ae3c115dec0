"""Every load option says what it means, and refuses what it does not understand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.load import Closed, Conversations, Open, Ramp, Steps
from steelyard.domain.slo import Limit, seconds, slo
from steelyard.workloads.shapes import (
    Typed,
    concurrency,
    conversations,
    loads,
    ramp,
    rates,
    spacing,
    steps,
    trace,
)

MOONCAKE = """\
{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}

{"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": [46, 48]}
"""
AZURE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.680590,374,44
2023-11-16 18:15:50.995169,396,109
"""


def test_levels_become_one_load_each() -> None:
    assert concurrency("1, 8,32") == (Closed(1), Closed(8), Closed(32))
    assert rates("5") == (Open(5.0),)
    assert rates("1,2.5", "constant", 8) == (
        *(Open(1.0, "constant", 0.0, 8), Open(2.5, "constant", 0.0, 8)),
    )


def test_levels_are_batched_in_one_way_or_in_both() -> None:
    static = tuple(Closed(level, batching="static") for level in (1, 8))
    assert concurrency("1,8", "static") == static
    assert concurrency("1,8", "both") == (Closed(1), static[0], Closed(8), static[1])
    assert loads(Typed(concurrency="8", batching="static")) == static[1:]
    with pytest.raises(UnknownName, match="no kind of --batching 'statics'"):
        concurrency("8", "statics")


def test_arrivals_have_their_own_variation() -> None:
    assert spacing("poisson") == ("poisson", 1.0)
    assert spacing("constant") == ("constant", 0.0)
    assert spacing("gamma") == ("gamma", 2.0)
    assert spacing("Gamma:0.5") == ("gamma", 0.5)


def test_ramps_and_steps_say_what_changes_and_how_long() -> None:
    assert ramp("rate:1..20/60s") == Ramp("rate", 1.0, 20.0, 60.0)
    assert ramp("rate:0..2.5/1h30m") == Ramp("rate", 0.0, 2.5, 5400.0)
    assert ramp("streams:64..1/500ms") == Ramp("streams", 64.0, 1.0, 0.5)
    assert steps("rate:1,0,5/30s") == Steps("rate", (1.0, 0.0, 5.0), 30.0)
    assert steps("streams:1,8,1/2m") == Steps("streams", (1.0, 8.0, 1.0), 120.0)


def test_conversations_need_users_alone() -> None:
    assert conversations("users=8,turns=3,think=2s") == Conversations(8, 3, 2.0)
    assert conversations("users=2") == Conversations(2, 4, 0.0)
    assert conversations("think=0, users=2") == Conversations(2, 4, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("45m", 2700.0), ("90s", 90.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1m0.5s", 60.5)],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    assert seconds(text, "--duration") == expected


def test_a_mooncake_trace_counts_from_its_first_request(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(MOONCAKE)
    found = trace(path, 2.0)
    assert found.at_s == (0.0, 3.053)
    assert (found.prompt_tokens, found.output_tokens) == ((6955, 6472), (52, 26))
    assert found.sha256 == hashlib.sha256(MOONCAKE.encode()).hexdigest()
    assert found.speed == 2.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2023-11-16 18:15:46.680590", "2023-11-16 18:15:50.995169"),
        ("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690"),
        ("2023-11-16T18:15:46.680590+00:00", "2023-11-16T19:15:50.995169+01:00"),
        ("10.5", "14.814579"),
    ],
)
def test_an_azure_trace_may_hold_iso_times_or_seconds(
    tmp_path: Path, first: str, second: str
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"\ufeffTIMESTAMP, ContextTokens,GeneratedTokens\n{first},374,44\n{second},9,1")
    found = trace(path)
    assert found.at_s == pytest.approx((0.0, 4.314579), abs=1e-12)
    assert (found.prompt_tokens, found.output_tokens) == ((374, 9), (44, 1))


def test_columns_are_found_by_name_and_lengths_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("GeneratedTokens,TIMESTAMP\n5,0\n6,2\n")
    found = trace(path)
    assert (found.at_s, found.prompt_tokens, found.output_tokens) == ((0.0, 2.0), (), (5, 6))


def test_a_list_of_seconds_is_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("[1, 1.5, 3]")
    assert trace(path).at_s == (0.0, 0.5, 2.0)


def test_one_command_asks_for_one_kind_of_load(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("[0, 1]")
    assert loads(Typed()) == (Closed(1),)
    assert loads(Typed(concurrency="2,4")) == (Closed(2), Closed(4))
    assert loads(Typed(rate="3", arrivals="gamma:3", cap=9)) == (Open(3.0, "gamma", 3.0, 9),)
    assert loads(Typed(ramp="rate:1..2/9s")) == (Ramp("rate", 1.0, 2.0, 9.0),)
    assert loads(Typed(steps="streams:1,2/9s")) == (Steps("streams", (1.0, 2.0), 9.0),)
    assert loads(Typed(conversations="users=1")) == (Conversations(1),)
    assert loads(Typed(trace=path, trace_speed=3.0)) == (trace(path, 3.0),)


@pytest.mark.parametrize(
    ("typed", "cause"),
    [
        (Typed(concurrency="1", rate="2"), "--concurrency and --rate"),
        (Typed(arrivals="constant"), "--arrivals says nothing without --rate"),
        (Typed(concurrency="1", cap=3), "--cap says nothing without --rate"),
        (Typed(rate="1", trace_speed=2.0), "--trace-speed says nothing without --trace"),
        (Typed(rate="1", cap=0), "--cap 0"),
        (Typed(trace=Path("nowhere.csv")), "cannot be read"),
        (Typed(trace=Path("trace.parquet")), "a trace is a"),
        (Typed(trace=Path("trace.csv"), trace_speed=0.0), "--trace-speed 0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(typed: Typed, cause: str) -> None:
    refused(lambda: loads(typed), cause)


@pytest.mark.parametrize(
    ("read", "text", "cause"),
    [
        (concurrency, "", "no whole number"),
        (concurrency, "1,,2", "no whole number"),
        (concurrency, "0", "no whole number"),
        (concurrency, "2.5", "no whole number"),
        (concurrency, "1000000", "no whole number"),
        (concurrency, "0" * 20 + "9" * 9, "no whole number"),
        (concurrency, "4,4", "names 4 twice"),
        (rates, "fast", "no number above 0"),
        (rates, "-1", "no number above 0"),
        (rates, "nan", "no number above 0"),
        (rates, "1,1.0", "names 1 twice"),
        (spacing, "poison", "no kind of --arrivals 'poison'"),
        (spacing, "poisson:2", "no variation"),
        (spacing, "gamma:", "no number above 0"),
        (spacing, "gamma:1000", "too wild"),
        (ramp, "1..20/60s", "cannot be read"),
        (ramp, "rate:1..20", "cannot be read"),
        (ramp, "rate:20/60s", "from nowhere"),
        (ramp, "rats:1..20/60s", "no kind of --ramp 'rats'"),
        (ramp, "rate:1..20/60", "no duration"),
        (ramp, "rate:5..5/60s", "stays where it is"),
        (ramp, "streams:0..5/60s", "no whole number"),
        (ramp, "streams:1.5..5/60s", "no whole number"),
        (steps, "rate:0,0/30s", "never sends"),
        (steps, "rate:/30s", "no number above 0"),
        (steps, "rate:1,2/0s", "no time at all"),
        (conversations, "8", "sets nothing"),
        (conversations, "users=", "sets nothing"),
        (conversations, "turns=4", "no users"),
        (conversations, "user=4", "no part of --conversations 'user'"),
        (conversations, "users=4,users=5", "users twice"),
        (conversations, "users=4,turns=0", "no whole number"),
        (conversations, "users=4,think=2", "no duration"),
    ],
)
def test_what_cannot_be_read_is_refused(read: Callable[[str], Any], text: str, cause: str) -> None:
    refused(lambda: read(text), cause)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("t.jsonl", b"", "holds no request"),
        ("t.jsonl", b"{", "line 1 is no JSON"),
        ("t.jsonl", b'{"timestamp": 1}\n{"at": 2}', "line 2: there is no timestamp"),
        ("t.jsonl", b'{"timestamp": NaN}', "no moment"),
        ("t.jsonl", b'{"timestamp": 1' + b"0" * 400 + b"}", "no moment"),
        ("t.jsonl", b'{"timestamp": "1"}', "no moment"),
        ("t.jsonl", b'{"timestamp": 5}\n{"timestamp": 4}', "request 2 comes before"),
        ("t.jsonl", b'{"timestamp": 5, "input_length": -4}', "no number of tokens"),
        ("t.jsonl", b'{"timestamp": 5, "input_length": 4.5}', "no number of tokens"),
        ("t.jsonl", b'{"timestamp": 1, "input_length": 4}\n{"timestamp": 2}', "1 of 2 requests"),
        ("t.jsonl", b"\xff\xfe", "no text: byte 0"),
        ("t.csv", b"when,what\n1,2", "no column TIMESTAMP"),
        ("t.csv", b"TIMESTAMP\nyesterday", "line 2: 'yesterday' is no moment"),
        ("t.csv", b"TIMESTAMP\ninf", "no moment"),
        ("t.csv", b"TIMESTAMP\n1\n2023-11-16 18:15:46", "mixes"),
        ("t.csv", b"TIMESTAMP,ContextTokens\n1", "no number of tokens"),
        ("t.csv", b"TIMESTAMP\n" + b"1" * 200_000, "is no CSV"),
        ("t.json", b'{"a": 1}', "no list"),
        ("t.json", b"[]", "holds no request"),
        ("t.json", b"[0, true]", "no moment"),
        ("t.json", b"[0, null]", "no moment"),
    ],
)
def test_a_damaged_trace_is_refused_and_says_where(
    tmp_path: Path, name: str, content: bytes, cause: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refused(lambda: trace(path), cause)


def test_objectives_are_read_in_their_order() -> None:
    assert slo("ttft_p95=500ms, tpot_p99.9=50ms,e2e=10s,gap_p99=1m,errors=1%").limits == (
        Limit("ttft", 0.95, 0.5, "s"),
        Limit("tpot", 0.999, 0.05, "s"),
        Limit("e2e", None, 10.0, "s"),
        Limit("gap", 0.99, 60.0, "s"),
        Limit("errors", None, 0.01, "share"),
    )
    assert [limit.name for limit in slo("ttft_p99.9=1s,e2e=1s").limits] == ["ttft_p99.9", "e2e"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is no limit"),
        ("ttft_p95", "is no limit"),
        ("ttft_p95=", "is no limit"),
        ("ttft_p95=1s,", "is no limit"),
        ("tfft_p95=1s", "no metric for --slo 'tfft'"),
        ("ttft_95=1s", "no percentile"),
        ("ttft_p0=1s", "no percentile"),
        ("ttft_p100=1s", "no percentile"),
        ("ttft_=1s", "no percentile"),
        ("ttft_p95=500", "no duration"),
        ("ttft_p95=0ms", "no time at all"),
        ("errors=0.01", "no share"),
        ("errors=101%", "no share"),
        ("errors_p95=1%", "no percentile"),
        ("gap=1s", "over all gaps"),
        ("ttft_p95=1s,ttft_p95=2s", "limits ttft_p95 twice"),
    ],
)
def test_an_objective_that_is_not_exact_is_refused(text: str, cause: str) -> None:
    refused(lambda: slo(text), cause)


def test_a_misspelt_objective_is_told_the_nearest() -> None:
    with pytest.raises(BadInput) as caught:
        slo("tpott_p95=1s")
    assert "did you mean 'tpot'" in caught.value.hint


def refused(read: Callable[[], object], cause: str) -> None:
    with pytest.raises(BadInput) as caught:
        read()
    assert cause in str(caught.value)
    assert caught.value.hint
