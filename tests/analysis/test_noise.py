"""The canary: what blocks a campaign, and what its spread lets one see."""

import random
from dataclasses import replace

import pytest
from tests.analysis.timed import NONE, attempt, failed, section, timings

from steelyard.analysis.noise import canary, smallest_difference
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import ControlProfile, Section
from steelyard.domain.task import Mark, Right

STANDARD = ControlProfile()
STRICT = ControlProfile("strict", blocking_noise_cv=0.03)
NAME = "canary/p0/o64/c10"


def repeats(spread: float = 0.01, count: int = 10) -> Section:
    """Ten repeats whose decoding time varies by `spread`, seeded."""
    source = random.Random(4)
    attempts = [
        replace(
            attempt(str(n), sent_ms=200 * n),
            timings=timings(prefill_s=0.0, decode_s=0.09 * source.gauss(1, spread)),
        )
        for n in range(count)
    ]
    marks = {str(n): Mark(Right(), constraints={"json": True, "short": True}) for n in range(count)}
    return section(attempts, NAME, marks=marks)


def test_steady_repeats_pass_and_set_the_floor() -> None:
    found = canary([repeats()], STRICT)
    assert found.passed
    assert found.basis == "engine"
    cv, low, high = (
        value_of(r) for r in (found.latency_cv.value, found.latency_cv.low, found.latency_cv.high)
    )
    assert cv is not None
    assert low is not None
    assert high is not None
    assert low < 0.01 < high
    assert value_of(found.smallest_difference) == pytest.approx(smallest_difference(cv, 10))
    assert found.adherence_spread == Measured(0.0, "derived")
    assert found.identical_share == Measured(1.0, "derived")
    assert found.missing_share == Measured(0.0, "derived")


def test_one_section_of_ten_and_ten_sections_of_one_are_the_same() -> None:
    whole = repeats()
    parts = [
        replace(whole, attempts=(a,), marks={a.sample: whole.marks[a.sample]})
        for a in whole.attempts
    ]
    assert canary(parts, STANDARD) == canary([whole], STANDARD)


def test_noise_blocks_only_under_the_strict_profile() -> None:
    noisy = repeats(spread=0.10)
    assert canary([noisy], STANDARD).passed
    (blocked,) = canary([noisy], STRICT).blocking
    assert blocked.code == "CANARY_TOO_NOISY"
    assert "limit 3%" in blocked.seen
    assert blocked.advice


def test_noise_that_is_unknown_does_not_pass_the_strict_profile() -> None:
    single = repeats(count=1)
    assert [c.code for c in canary([single], STRICT).blocking] == ["CANARY_TOO_NOISY"]
    assert isinstance(canary([single], STANDARD).smallest_difference, Missing)


def test_a_text_that_varies_blocks_where_the_engine_promises_that_it_does_not() -> None:
    whole = repeats()
    other = (replace(whole.attempts[0], text="something else"), *whole.attempts[1:])
    varied = replace(whole, attempts=other)
    (blocked,) = canary([varied], STANDARD).blocking
    assert blocked.code == "CANARY_NOT_DETERMINISTIC"
    assert "10%" in blocked.seen
    assert canary([varied], STANDARD, promises_determinism=False).passed


def test_adherence_that_varies_blocks() -> None:
    whole = repeats()
    marks = {**whole.marks, "3": Mark(Right(), constraints={"json": True, "short": False})}
    (blocked,) = canary([replace(whole, marks=marks)], STANDARD).blocking
    assert blocked.code == "CANARY_ADHERENCE_SPREAD"
    assert "0.50" in blocked.seen


def test_a_request_without_a_format_has_no_adherence_to_vary() -> None:
    found = canary([replace(repeats(), marks={})], STANDARD)
    assert found.passed
    assert isinstance(found.adherence_spread, Missing)


@pytest.mark.parametrize("bad", [failed("0"), replace(attempt("0"), usage=NONE)])
def test_one_repeat_without_telemetry_blocks(bad: object) -> None:
    whole = repeats()
    broken = replace(whole, attempts=(bad, *whole.attempts[1:]))  # type: ignore[arg-type]
    found = canary([broken], STANDARD)
    assert [c.code for c in found.blocking] == ["CANARY_MISSING_TELEMETRY"]
    assert found.missing_share == Measured(0.1, "derived")


def test_a_canary_that_never_ran_blocks() -> None:
    found = canary([], STANDARD)
    assert [c.code for c in found.blocking] == ["CANARY_MISSING_TELEMETRY"]
    assert isinstance(found.identical_share, Missing)
    assert isinstance(found.missing_share, Missing)


def test_without_the_engines_word_the_clients_clock_is_taken_for_all() -> None:
    whole = repeats()
    quiet = (replace(whole.attempts[0], timings=NONE), *whole.attempts[1:])
    found = canary([replace(whole, attempts=quiet)], STANDARD)
    assert found.basis == "client"
    assert value_of(found.latency_cv.value) == pytest.approx(0.0, abs=1e-12)


def test_the_smallest_difference_is_seen_as_often_as_said() -> None:
    source = random.Random(2)
    cv, rounds, seen = 0.05, 600, 0
    gap = smallest_difference(cv, 10)
    for _ in range(rounds):
        one = sum(source.gauss(1, cv) for _ in range(10)) / 10
        other = sum(source.gauss(1 + gap, cv) for _ in range(10)) / 10
        seen += other - one > 1.96 * cv * (2 / 10) ** 0.5
    assert 0.74 <= seen / rounds <= 0.86
