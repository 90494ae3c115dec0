"""Benches as they might have gone: levels of a closed loop, an open loop, two servers compared.

Readings are missing for several reasons, one level ended early, and names that come from outside
carry markup that must never run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tests.reports.example_rows import estimate, measured
from tests.reports.example_rows import no_estimate as no_estimate  # noqa: PLC0414 - used by tests

from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.bench import (
    Batching,
    BenchSummary,
    Bound,
    Counts,
    Difference,
    EngineSide,
    Figure,
    Footprint,
    Goodput,
    Knee,
    Level,
    Measurement,
    Published,
    Statistic,
    Steady,
    Throughput,
    Tokens,
    Turn,
)
from steelyard.domain.caution import Caution
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import AppliedControl, Device, Environment, Proof
from steelyard.domain.summary import Estimate, Gate
from steelyard.reports.declared import Metrics

HOSTILE = "qwen3<script>document.title='owned'</script>"
FEW = Missing("below_sample_floor", "p99 takes 299 samples; there are 64")
SILENT = Missing("no_metrics", "the server has no /metrics")
NO_COUNTER = Missing("no_counter", "this machine has no power counter")
NOT_SEARCHED = Missing("not_searched", "no knee was looked for (--find-knee)")
STATISTICS: Mapping[Statistic, float] = {
    "mean": 1.06, "p50": 1.0, "p90": 1.3, "p95": 1.5, "p99": 2.2,
}  # fmt: skip


def metrics() -> Metrics:
    return METRICS


def figures(metric: str, unit: str, middle: float, n: int, client: float) -> tuple[Figure, ...]:
    found = []
    for statistic, factor in STATISTICS.items():
        value = middle * factor
        few = statistic == "p99" and n < 299
        found.append(
            Figure(
                metric=metric,
                statistic=statistic,
                unit=unit,
                estimate=no_estimate(FEW) if few else estimate(value, value * 0.04, n),
                client_share=measured(client),
            )
        )
    return tuple(found)


def level(streams: int, *, n: int = 1200, failed: int = 0) -> Level:
    busy = 1 + streams / 12
    elapsed_s = n / streams * 0.9 * busy
    tokens = n * 128
    return Level(
        name=f"c{streams}",
        load=f"{streams} at a time",
        prompts="synthetic, 512 tokens in, 128 out",
        counts=Counts(n + failed, n + failed, n, failed, 0, {"reset": failed} if failed else {}),
        steady=Measured(
            Steady(1.25, elapsed_s - 1.5, 3 * streams, streams, "none shown"), "derived"
        ),
        throughput=Throughput(
            elapsed_s=elapsed_s,
            requests_per_s=estimate(n / elapsed_s, 0.3, n),
            offered_per_s=Missing("closed_loop", "a closed loop offers what the server takes"),
            system_tps=measured(tokens / elapsed_s),
            in_flight_mean=measured(streams * 0.97),
            in_flight_max=streams,
        ),
        tokens=Tokens(
            Measured(n * 520, "engine"),
            Measured(tokens, "engine"),
            Missing("not_reported", "the server reports no cached tokens"),
            measured(512.0),
            measured(520.3),
        ),
        figures=(
            *figures("ttft_s", "s", 0.038 * busy, n, 2.1e-5),
            *figures("tpot_s", "s", 0.0071 * busy, n, 1.1e-6),
            *figures("itl_s", "s", 0.0069 * busy, n * 127, 9e-6),
            *figures("e2e_s", "s", 0.9 * busy, n, 2.4e-5),
            *figures("output_tps", "tok/s", 141 / busy, n, 0.02),
        ),
        bound=Bound(
            measured(2.13e-5 * busy), measured(9.4e-6 * busy), measured(0.002 * streams),
            measured(0.0011 * streams), "kernel",
        ),
        goodput=Measured(
            Goodput(
                estimate(min(0.99, 1.4 / busy), 0.01, n),
                measured(n / elapsed_s * 0.7),
                (
                    Gate(
                        "ttft_p95",
                        "met" if streams < 32 else "failed",
                        "p95 of time to first token at most 200 ms",
                        f"{57 * busy:.0f} ms [{55 * busy:.0f}, {59 * busy:.0f}], {n:,} requests",
                    ),
                ),
            ),
            "derived",
        ),
        published=published(0.038 * busy, n),
        turns=(),
        engine=EngineSide(
            running_max=measured(float(streams)),
            waiting_max=measured(0.0),
            kv_usage_max=measured(min(0.98, 0.02 * streams)),
            prompt_tps=estimate(5200.0, 40.0, n),
            energy_j=measured(elapsed_s * 61),
            j_per_output_token=measured(elapsed_s * 61 / tokens),
            j_per_output_token_above_idle=measured(elapsed_s * 22 / tokens),
        ),
        ttft_over_time=tuple(
            (i * elapsed_s / 150, 0.038 * busy * (1 + 0.2 * math.sin(i) + (0.8 if i < 3 else 0)))
            for i in range(150)
        ),
        in_flight_over_time=(
            *((i * 0.1, i) for i in range(streams)),
            *(
                (1.25 + i * (elapsed_s - 2.75) / 60, streams - (i % 7 == 0))
                for i in range(61)
            ),
            (elapsed_s, 0),
        ),
    )  # fmt: skip


def published(ttft_s: float, n: int) -> tuple[Published, ...]:
    none = Missing("no_tokens", "no chunk had choices")
    return (
        Published(
            "vllm", "ttft", measured(ttft_s), measured(ttft_s * 0.97), measured(ttft_s * 2), n,
            approximates=True,
        ),
        Published(
            "guidellm", "tpot", measured(0.0075), measured(0.0074), measured(0.012), n,
            approximates=False,
        ),
        Published("llmperf", "itl", none, none, none, 0, approximates=True),
    )  # fmt: skip


def small_level() -> Level:
    """64 requests: no p99, no steady window, a server that says nothing of itself."""
    return replace(
        level(1, n=64),
        steady=Missing("too_short", "64 requests are too few to find a steady window"),
        engine=EngineSide(
            SILENT, SILENT, SILENT, no_estimate(SILENT), NO_COUNTER, NO_COUNTER, NO_COUNTER
        ),
        reason="the server broke off",
    )


def open_level(rate: float, *, n: int = 900) -> Level:
    base = level(8, n=n, failed=3)
    return replace(
        base,
        name=f"r{rate:g}-poisson",
        load=f"{rate:g}/s poisson",
        counts=replace(base.counts, planned=n + 15, dropped=12),
        throughput=replace(base.throughput, offered_per_s=measured(rate)),
        figures=(
            *base.figures,
            *figures("ttft_intended_s", "s", 0.071 + rate / 100, n, 4e-5),
            *figures("lateness_s", "s", 0.00004, n, 1e-6),
        ),
    )


def conversation_level() -> Level:
    turns = tuple(
        Turn(number, 100, measured(0.04 + 0.002 * number), measured(500.0 * number),
             measured(500.0 * (number - 1)))
        for number in range(1, 4)
    )  # fmt: skip
    return replace(level(8, n=300), load="8 users, 3 turns, 2 s of thought", turns=turns)


def measurement(subject: str = HOSTILE, *levels: Level) -> Measurement:
    return Measurement(
        run_id="0192f0c4a7be4d0a",
        subject=subject,
        engine="vllm",
        build=Measured("0.33.0", "engine"),
        started_at="2026-11-30T09:12:44Z",
        outcome="completed",
        reason="",
        quality="CLEAN",
        cautions=(
            Caution("CLIENT_LATE", "3.1 % of gaps are known only as a range", "use --processes 2"),
        ),
        controls=(AppliedControl("temperature", "0", Missing("not_readable", "no such route")),),
        proofs=(Proof("model", passed=True, found=f"the server says that it serves {subject}"),),
        levels=levels or (level(1), level(8), level(32, failed=4)),
        knee=NOT_SEARCHED,
        footprint=Footprint(measured(0.031), Measured(31_400_000, "client"), 1),
        simulated=False,
    )


def summary(*measurements: Measurement) -> BenchSummary:
    return BenchSummary(
        device=Device("Linux", "AMD EPYC 9R14", 2, 24 * 1024**3, "x86_64"),
        environment=Environment(
            kernel="6.1.0", python="3.11.7", packages={"steelyard": "0.1.0", "numpy": "2.3.0"}
        ),
        instrument=Instrument(
            measured(2.6e-5), measured(1.1e-5), measured(9e-5), "kernel", 32, 640
        ),
        measurements=measurements or (measurement(),),
        objectives="ttft_p95 ≤ 200 ms",
        sentences=(
            "At 32 at a time: 1,164 tok/s, TTFT p95 209 ms [201, 217];"
            " the client's own share is at most 0.021 ms.",
            "4 of 1,204 requests failed at 32 at a time.",
        ),
    )  # fmt: skip


def open_bench() -> BenchSummary:
    """Three rates, a knee, and a small closed level whose p99 is refused."""
    knee = Knee(estimate(12.3, 0.3, 8), 8, "at 12.6/s the queue grew without end")
    one = measurement("http://127.0.0.1:8000", *(open_level(rate) for rate in (2.0, 5.0, 9.0)))
    return summary(replace(one, knee=Measured(knee, "derived")))


def small_bench() -> BenchSummary:
    return summary(replace(measurement("one", small_level()), cautions=()))


def both_ways() -> BenchSummary:
    """Two levels with places refilled at once and in waves; of the second one block was lost."""
    few = Missing("too_few_blocks", "one block has no spread")
    found = (
        Batching(
            "8 at a time", 8, estimate(412.0, 9.0, 8), estimate(180.0, 3.0, 8),
            Estimate(measured(2.289), measured(2.213), measured(2.368), 4),
            measured(0.0003), estimate(0.561, 0.02, 32),
        ),
        Batching(
            "32 at a time", 32, estimate(910.0, 9.0, 2), estimate(310.0, 3.0, 2),
            Estimate(measured(2.935), few, few, 1), few, estimate(0.66, 0.02, 8),
        ),
    )  # fmt: skip
    return summary(replace(measurement(), batching=found))


def comparison() -> BenchSummary:
    a, b = measurement("http://a:8000"), measurement("http://b:8000")
    none = Missing("one_block", "an interval takes two blocks")
    differences = (
        Difference(
            "ttft_s", estimate(0.063, 0.001), estimate(0.057, 0.001),
            Estimate(measured(0.905), measured(0.87), measured(0.94), 8),
            measured(0.0004), measured(0.03),
            "Time to first token p50: B is better, -9.5% [-13.0%, -6.0%]", "8 at a time",
        ),
        Difference(
            "system_tps", estimate(1164.0, 9.0), estimate(1170.0, 8.0),
            Estimate(measured(1.005), none, none, 1), none, none,
            "System throughput: no difference shown", "8 at a time",
        ),
    )  # fmt: skip
    return replace(summary(a, b), differences=differences)
