"""The smaller tables of a bench as text: comparison, other tools' words, tokens, the server's side.

A dash stands where there is no number, and its reason beside it. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.bench import (
    BenchSummary,
    Difference,
    EngineSide,
    Level,
    Measurement,
    Published,
    ServiceSide,
    Turn,
)
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.reports.bench_columns import rounded, title_of, unit_of, with_interval
from steelyard.reports.declared import Metrics
from steelyard.reports.figures import LEAST_P, NOTHING, display, duration, percent, said
from steelyard.reports.story import Line

_TOOLS: Final[Mapping[str, str]] = {
    "vllm": "vllm bench serve",
    "sglang": "sglang bench_serving",
    "inference_perf": "inference-perf",
    "genai_perf": "genai-perf",
    "hf": "inference-benchmarker",
    "loadgen": "MLPerf LoadGen",
    "endpoints": "MLCommons endpoints",
}


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """One line of a comparison as text; `reasons` say why there is a dash."""

    title: str
    a: str
    b: str
    ratio: str
    interval: str
    detectable: str
    p_value: str
    words: str
    reasons: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Theirs:
    """What another tool would have printed, in milliseconds; `≈` where it is approximated."""

    tool: str
    measure: str
    mean: str
    p50: str
    p99: str
    n: str
    reasons: tuple[str, ...]


def compared(summary: BenchSummary, metrics: Metrics) -> tuple[Compared, ...]:
    """Return the lines of the comparison."""
    several = len({found.level for found in summary.differences}) > 1
    return tuple(_compared(found, metrics, several=several) for found in summary.differences)


def theirs(level: Level) -> tuple[Theirs, ...]:
    """Return what other tools would have printed for a level."""
    return tuple(_theirs(published) for published in level.published)


def token_lines(level: Level) -> tuple[Line, ...]:
    """Return what was sent and generated at a level."""
    tokens, through = level.tokens, level.throughput
    return (
        Line("elapsed", duration(through.elapsed_s)),
        Line("planned, sent", f"{level.counts.planned:,}, {level.counts.sent:,}"),
        Line("in flight, mean", said(through.in_flight_mean, rounded)),
        Line("in flight, at most", f"{through.in_flight_max:,}"),
        Line(
            "places idle in waves",
            with_interval(through.idle_share, percent),
            "share of place-seconds in which a place waited for the longest of its wave",
        ),
        Line("offered, requests/s", said(through.offered_per_s, rounded)),
        Line("prompt tokens", said(tokens.prompt, _thousands)),
        Line("of them from a cache", said(tokens.cached, _thousands)),
        Line("output tokens", said(tokens.output, _thousands)),
        Line("prompt length wanted, mean", said(tokens.prompt_wanted, rounded)),
        Line("prompt length that came, mean", said(tokens.prompt_came, rounded)),
        *_billed(tokens.cost_usd),
        *_service(level.service),
    )


def _billed(cost_usd: Reading[float]) -> tuple[Line, ...]:
    """Return what was billed; nothing where nothing is."""
    if isinstance(cost_usd, Missing) and cost_usd.code == "not_billed":
        return ()
    return (Line("billed, US dollars", said(cost_usd, "{:.6g}".format)),)


def _service(side: Reading[ServiceSide]) -> tuple[Line, ...]:
    """Return a hosted service's accounts of its answers; nothing where none are kept."""
    if isinstance(side, Missing):
        kept = side.code != "no_account"
        return (Line("the service's accounts", said(side, str)),) if kept else ()
    own, money = side.value, "{:.6g}".format
    by = ", ".join(f"{name} {count:,}" for name, count in own.providers.items()) or "not told"
    return (
        Line("accounts, of answers", f"{own.accounts:,} of {own.answers:,}"),
        Line("providers, by the accounts", by),
        Line("prompt tokens, native", said(own.prompt_tokens, _thousands)),
        Line("output tokens, native", said(own.output_tokens, _thousands)),
        Line("latency, s, median", said(own.latency_s, rounded), "what the service calls so"),
        Line("generation, s, median", said(own.generation_s, rounded), "what the service calls so"),
        Line("billed, by the accounts", said(own.cost_usd, money), "US dollars"),
        Line("billed upstream", said(own.upstream_usd, money), "US dollars"),
    )


def engine_lines(side: EngineSide) -> tuple[Line, ...]:
    """Return the server's own word over a level, and energy."""
    return (
        Line("running, at most", said(side.running_max, _whole), "requests that it worked on"),
        Line("waiting, at most", said(side.waiting_max, _whole), "requests in its queue"),
        Line("KV cache, at most", said(side.kv_usage_max, percent), "share in use"),
        Line(
            "prompt speed, tok/s", with_interval(side.prompt_tps, rounded),
            "prompt tokens not from a cache, by the engine's own prefill time",
        ),
        Line("energy, J", said(side.energy_j, rounded)),
        Line("energy an output token, J", said(side.j_per_output_token, rounded)),
        Line(
            "the same above idle, J", said(side.j_per_output_token_above_idle, rounded),
            "what the idle machine would have drawn is taken off",
        ),
    )  # fmt: skip


def energy(one: Measurement) -> tuple[str, ...]:
    """Say in one line what an output token cost at each level; nothing where none was measured."""
    found = [
        f"{rounded(j.value)} at {level.load} (above idle {said(above, rounded)})"
        for level in one.levels
        if isinstance(j := level.engine.j_per_output_token, Measured)
        for above in (level.engine.j_per_output_token_above_idle,)
    ]
    return (f"Energy, J an output token: {', '.join(found)}",) if found else ()


def turn_text(turn: Turn) -> str:
    """Say what one turn of the conversations waited for, and how much of it was cached."""
    return (
        f"turn {turn.number}: TTFT p50 {said(turn.ttft_p50_s, duration)};"
        f" prompt tokens {said(turn.prompt_tokens_mean, rounded)},"
        f" of them cached {said(turn.cached_tokens_mean, rounded)};"
        f" {counted(turn.requests, 'request')}"
    )


def _compared(found: Difference, metrics: Metrics, *, several: bool) -> Compared:
    sides = [e.value.value for e in (found.a, found.b) if isinstance(e.value, Measured)]
    shown = display(unit_of(found.metric, metrics), sides, declared=None)
    title = title_of(found.metric, metrics)
    title = f"{title}, {shown.unit}" if shown.unit else title
    low, high = found.ratio.low, found.ratio.high
    interval = ""
    if isinstance(low, Measured) and isinstance(high, Measured):
        interval = f"[{low.value:.3f}, {high.value:.3f}]"
    readings = (found.a.value, found.b.value, found.ratio.value, found.detectable, found.p_value)
    return Compared(
        title=f"{title}: {found.level}" if several else title,
        a=_bare(found.a.value, shown.text),
        b=_bare(found.b.value, shown.text),
        ratio=_bare(found.ratio.value, "{:.3f}".format),
        interval=interval,
        detectable=_bare(found.detectable, percent),
        p_value=_bare(found.p_value, _p),
        words=found.words,
        reasons=_reasons(*readings),
    )


def _theirs(found: Published) -> Theirs:
    def milli(seconds: float) -> str:
        mark = "≈ " if found.approximates else ""
        return f"{mark}{rounded(seconds * 1e3)}"

    return Theirs(
        tool=_TOOLS.get(found.tool, found.tool),
        measure=found.measure.upper(),
        mean=_bare(found.mean, milli),
        p50=_bare(found.p50, milli),
        p99=_bare(found.p99, milli),
        n=f"{found.n:,}",
        reasons=_reasons(found.mean, found.p50, found.p99),
    )


def _bare(reading: Reading[float], write: Callable[[float], str]) -> str:
    return write(reading.value) if isinstance(reading, Measured) else NOTHING


def _reasons(*readings: Reading[float]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one) for one in readings if isinstance(one, Missing)))


def _p(value: float) -> str:
    return f"< {LEAST_P}" if value < LEAST_P else f"{value:.3f}"


def _thousands(count: int) -> str:
    return f"{count:,}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"
