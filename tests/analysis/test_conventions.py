"""One stream, many numbers: each tool's convention gives what that tool would print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.analysis.timed import MS, NONE, arrivals, attempt, failed, usage

from steelyard.analysis.conventions import CONVENTIONS, Convention, tokens_per_event
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Arrival, Attempt

BY_NAME = {each.name: each for each in CONVENTIONS}


def stream(*events: tuple[float, str, int], tokens: int, done_ms: float = 0.0) -> Attempt:
    """Events as (milliseconds after sending, kind, characters so far)."""
    came = tuple(Arrival(round(at * MS), kind, end) for at, kind, end in events)  # type: ignore[arg-type]
    done_ns = round(done_ms * MS) or came[-1].at_ns
    return replace(attempt(), arrivals=came, usage=usage(tokens), done_ns=done_ns)


# One token, then steps of four every 40 ms; a token is a character.
SPECULATIVE = stream(
    (1, "role", 0),
    (100, "content", 1),
    (140, "content", 5),
    (180, "content", 9),
    (220, "content", 13),
    (220, "finish", 13),
    (230, "usage", 13),
    tokens=13,
    done_ms=232,
)


def ms(name: str, given: Attempt) -> list[float]:
    reading = BY_NAME[name].formula(given)
    assert isinstance(reading, Measured), reading
    return [round(value * 1e3, 6) for value in reading.value]


def test_four_tokens_every_forty_milliseconds_are_told_in_every_way() -> None:
    assert ms("vllm_itl_s", SPECULATIVE) == [99, 40, 40, 40]
    assert ms("evalscope_itl_s", SPECULATIVE) == [99, 40, 40, 40]
    assert ms("genai_perf_itl_s", SPECULATIVE) == [10]
    assert ms("aiperf_itl_s", SPECULATIVE) == [10]
    assert ms("guidellm_itl_s", SPECULATIVE) == [10]
    assert ms("hf_itl_s", SPECULATIVE) == [10]
    assert ms("sglang_itl_s", SPECULATIVE) == [10] * 12
    assert ms("inference_perf_itl_s", SPECULATIVE) == [40, 0, 0, 0] * 3
    assert ms("aiperf_icl_s", SPECULATIVE) == [40, 40, 40]
    assert ms("endpoints_itl_s", SPECULATIVE) == [40, 40, 40]


def test_without_a_role_the_chunk_gaps_are_the_steps() -> None:
    bare = replace(SPECULATIVE, arrivals=SPECULATIVE.arrivals[1:])
    assert ms("vllm_itl_s", bare) == [40, 40, 40]
    assert ms("vllm_ttft_s", bare) == [100]


def test_every_tools_time_per_output_token() -> None:
    assert ms("vllm_tpot_s", SPECULATIVE) == [round(219 / 12, 6)]
    assert ms("evalscope_tpot_s", SPECULATIVE) == [round(219 / 12, 6)]
    assert ms("sglang_tpot_s", SPECULATIVE) == [10]
    assert ms("inference_perf_tpot_s", SPECULATIVE) == [10]
    assert ms("guidellm_tpot_s", SPECULATIVE) == [round(220 / 13, 6)]
    assert ms("endpoints_tpot_s", SPECULATIVE) == [11]
    assert ms("llmperf_itl_s", SPECULATIVE) == [round(220 / 6, 6)]


THOUGHTFUL = stream(
    (2, "role", 0),
    (50, "reasoning", 1),
    (60, "reasoning", 2),
    (70, "content", 3),
    (80, "content", 4),
    (90, "finish", 4),
    tokens=5,
)


@pytest.mark.parametrize(
    ("tool", "wanted"),
    [
        ("vllm", 2),
        ("evalscope", 2),
        ("sglang", 50),
        ("aiperf", 50),
        ("genai_perf", 50),
        ("guidellm", 50),
        ("endpoints", 50),
        ("inference_perf", 70),
        ("hf", 70),
        ("llmperf", 70),
    ],
)
def test_what_a_first_token_is(tool: str, wanted: float) -> None:
    assert ms(f"{tool}_ttft_s", THOUGHTFUL) == [wanted]


def test_thinking_is_no_token_to_those_who_read_content_alone() -> None:
    assert ms("inference_perf_itl_s", THOUGHTFUL) == [10]
    assert ms("hf_itl_s", THOUGHTFUL) == [2.5]
    assert ms("endpoints_itl_s", THOUGHTFUL) == [10, 10, 10]


def test_one_tool_begins_with_the_scheduled_time() -> None:
    late = replace(THOUGHTFUL, intended_ns=-30 * MS)
    assert ms("loadgen_ttft_s", late) == [80]
    assert ms("guidellm_ttft_s", late) == [50]


def test_a_finish_with_a_moment_of_its_own_is_a_chunk() -> None:
    assert ms("vllm_itl_s", THOUGHTFUL) == [48, 10, 10, 10, 10]
    assert ms("vllm_tpot_s", THOUGHTFUL) == [22]


@pytest.mark.parametrize("events", [1, 3, 7, 40])
@pytest.mark.parametrize("tokens", [1, 5, 41, 128])
def test_tokens_of_events_add_up_and_none_is_empty(events: int, tokens: int) -> None:
    given = replace(
        attempt(),
        arrivals=tuple(Arrival(n * MS, "content", 1 + n * n) for n in range(events)),
        usage=usage(tokens),
    )
    found = tokens_per_event(given)
    assert isinstance(found, Measured)
    assert len(found.value) == events
    assert min(found.value) >= 1
    if tokens > events + 1:
        assert (sum(found.value), found.source) == (tokens, "estimated")
    else:
        assert (set(found.value), found.source) == ({1}, "derived")


def test_the_end_token_belongs_to_no_event() -> None:
    ended = replace(attempt(tokens=10), usage=usage(11))
    assert tokens_per_event(ended) == Measured((1,) * 10, "derived")
    assert ms("sglang_itl_s", ended) == ms(
        "vllm_itl_s", replace(ended, arrivals=ended.arrivals[1:])
    )


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda each: each.name)
def test_where_there_is_no_value_there_is_a_reason(convention: Convention) -> None:
    for given in (failed(), replace(attempt(), arrivals=(), usage=NONE)):
        reading = convention.formula(given)
        assert isinstance(reading, Missing), reading
        assert reading.code in {"request_failed", "no_tokens", "single_token", "not_reported"}
    single = replace(attempt(), arrivals=arrivals(60, 0, 1), usage=usage(1))
    if not convention.name.endswith(("ttft_s", "guidellm_tpot_s", "llmperf_itl_s")):
        assert isinstance(convention.formula(single), Missing)


def test_no_two_conventions_share_a_name_and_the_page_has_them_all() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "conventions.md").read_text()
    assert len(BY_NAME) == len(CONVENTIONS)
    assert [name for name in BY_NAME if f"`{name}`" not in page] == []
    assert all(each.definition.endswith(".") for each in CONVENTIONS)
