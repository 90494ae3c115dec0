"""A bench in sentences: each load, what went wrong, the knee and the comparison."""

from dataclasses import replace

from tests.analysis.bench_levels import varied
from tests.analysis.benched import (
    EPOCH_NS,
    bench,
    benches,
    closed,
    smeared,
)
from tests.analysis.rows import estimate
from tests.analysis.test_bench_turns import took_turns
from tests.analysis.timed import MS, failed

from steelyard.analysis import benchmark
from steelyard.domain.bench import BenchSummary, Knee
from steelyard.domain.caution import Caution
from steelyard.domain.load import Closed
from steelyard.domain.reading import Measured
from steelyard.domain.slo import slo


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
