"""Continuous against static batching over planted answers whose figures follow in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.analysis.benched import answered, bench, benches

from steelyard.analysis import benchmark, client_limits, waves
from steelyard.analysis.levels import levels
from steelyard.domain.bench import Batching
from steelyard.domain.load import Closed
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt

REFILLED, WAVES = Closed(4), Closed(4, batching="static")
# 20 ms to the first token and 10 ms from token to token: three short answers and a long one.
TOKENS = (2, 2, 2, 16)
LASTS_MS = [20.0 + 10.0 * (tokens - 1) for tokens in TOKENS]
# An answer's last event comes a millisecond after its last token in planted times.
TAIL_MS = 1.0


def value(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def one(number: int, at_ms: float) -> Attempt:
    tokens = TOKENS[number % 4]
    return answered(str(number), at_ms, first_ms=20.0, gap_ms=10.0, tokens=tokens)


def lasts_ms(attempt: Attempt) -> float:
    return (attempt.done_ns - attempt.sent_ns) / 1e6


def refilled(requests: int, begin_ms: float = 0.0) -> tuple[Attempt, ...]:
    """Each answer makes room for the next request at once."""
    ready = [begin_ms] * 4
    found = []
    for number in range(requests):
        place = ready.index(min(ready))
        found.append(one(number, ready[place]))
        ready[place] += lasts_ms(found[-1])
    return tuple(found)


def in_waves(requests: int, begin_ms: float = 0.0) -> tuple[Attempt, ...]:
    """Four at once, the next four when all of them have ended."""
    found: list[Attempt] = []
    for first in range(0, requests, 4):
        wave = [one(number, begin_ms) for number in range(first, min(first + 4, requests))]
        begin_ms += max(map(lasts_ms, wave))
        found += wave
    return tuple(found)


def both(order: str, requests: int = 32) -> RunRecord:
    """Turns of either in an order: A in waves, B refilled."""
    at_ms = itertools.count(0, 10_000)
    return benches(
        [
            (WAVES, in_waves(requests, begin))
            if side == "A"
            else (REFILLED, refilled(requests, begin))
            for side, begin in zip(order, at_ms, strict=False)
        ]
    )


def only(record: RunRecord) -> Batching:
    (found,) = benchmark.summary([record]).measurements[0].batching
    return found


def means(attempts: Sequence[Attempt]) -> tuple[float, float]:
    """The mean and the longest time of an answer, in seconds."""
    spans = [lasts_ms(attempt) / 1e3 for attempt in attempts[:4]]
    return sum(spans) / 4, max(spans)


def test_the_ratio_is_the_longest_answer_of_a_wave_over_the_mean_one() -> None:
    found = only(both("ABBABAABABBA"))
    mean_s, longest_s = means(in_waves(4))
    assert value(found.static_tps.value) == pytest.approx(sum(TOKENS) / longest_s)
    assert value(found.continuous_tps.value) == pytest.approx(sum(TOKENS) / mean_s)
    assert value(found.ratio.value) == pytest.approx(longest_s / mean_s)
    assert value(found.idle_share.value) == pytest.approx(1 - mean_s / longest_s)
    assert (found.level, found.streams, found.ratio.n, found.idle_share.n) == (
        "4 at a time",
        4,
        3,
        6 * 8,
    )


def test_the_emptying_end_of_a_short_load_does_not_count_against_refilling() -> None:
    whole = [level.throughput for level in levels(both("ABBABAAB", requests=8), None)]
    mean_s, longest_s = means(in_waves(4))
    # All tokens over all elapsed time: the ends of such short turns swallow most of the gain.
    assert value(whole[1].system_tps) / value(whole[0].system_tps) < 0.8 * longest_s / mean_s
    assert value(only(both("ABBABAAB", requests=8)).ratio.value) == pytest.approx(
        longest_s / mean_s
    )


def test_a_block_that_was_not_measured_whole_is_left_out_of_the_ratio() -> None:
    found = only(both("ABBABAABBA"))
    assert found.ratio.n == 2
    none = only(both("ABB"))
    assert none.ratio.value == Missing("no_samples", "no block of four turns was measured whole")


def test_one_uncounted_answer_leaves_no_ratio() -> None:
    turns = [(WAVES, in_waves(8)), *[(REFILLED, refilled(8, 10_000.0))] * 2]
    unknown = replace(in_waves(8, 20_000.0)[0], usage=Missing("no_usage", "none was sent"))
    found = only(benches([*turns, (WAVES, (unknown, *in_waves(8, 20_000.0)[1:]))]))
    assert isinstance(found.ratio.value, Missing)
    assert found.ratio.value.code == "token_count_unavailable"


def test_a_level_measured_one_way_has_no_comparison_and_waves_tell_their_idle_places() -> None:
    summary = benchmark.summary([bench(in_waves(20), WAVES)])
    (one_way,) = summary.measurements
    mean_s, longest_s = means(in_waves(4))
    assert one_way.batching == ()
    (level,) = one_way.levels
    assert level.load == "4 at a time, in waves"
    assert isinstance(level.steady, Missing)
    assert level.steady.code == "in_waves"
    assert value(level.throughput.idle_share.value) == pytest.approx(1 - mean_s / longest_s)
    (level,) = benchmark.summary([bench(refilled(20), REFILLED)]).measurements[0].levels
    assert isinstance(level.throughput.idle_share.value, Missing)


def test_a_short_last_wave_does_not_count_as_idle_places() -> None:
    full = waves.idle_share([], WAVES)
    assert isinstance(full.value, Missing)
    (level,) = benchmark.summary([bench(in_waves(9), WAVES)]).measurements[0].levels
    assert level.throughput.idle_share.n == 2


def test_the_wait_for_a_waves_longest_answer_is_not_the_clients_pause() -> None:
    pauses = waves.pauses_s(in_waves(12), 4)
    assert pauses == pytest.approx([0.0] * 8)
    assert sum(client_limits.pauses_s(in_waves(12), 4)) > 0.5
    late = tuple(
        replace(attempt, sent_ns=attempt.sent_ns + 3_000_000 * (int(attempt.sample) // 4))
        for attempt in in_waves(12)
    )
    assert max(waves.pauses_s(late, 4)) == pytest.approx(0.006, abs=0.004)


def test_the_sentence_says_the_ratio_and_what_stood_idle() -> None:
    said = benchmark.summary([both("ABBABAAB")]).sentences
    (sentence,) = [text for text in said if "refilled at once" in text]
    ratio = means(in_waves(4))[1] / means(in_waves(4))[0]
    assert f"{ratio:.3g} [" in sentence
    assert "of the place-seconds stand idle" in sentence
