"""What a recording says, and what a harness says of it, as plain text. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from steelyard.analysis import benchmark
from steelyard.app.evals.texts import number, table
from steelyard.domain.bench import Figure, Level, Measurement
from steelyard.domain.harness import HarnessRun, HarnessScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord

_SHOWN: Final = (
    ("ttft_s", "TTFT"),
    ("itl_s", "gap"),
    ("tpot_s", "TPOT"),
    ("e2e_s", "whole"),
)
_MS: Final = 1000


def measured(record: RunRecord) -> Measurement:
    """Return a recording as a bench has its loads."""
    return benchmark.measurement(record)


def recording_text(record: RunRecord) -> str:
    """Return the telemetry of a recording: counts, tokens, cost, times."""
    found = measured(record)
    lines = [
        *(["SIMULATED: a scripted engine, nothing here was measured"] * record.simulated),
        f"{found.subject} on {found.engine}, run {record.id}",
        *([f"{record.outcome}: {record.reason}"] if record.outcome != "completed" else []),
    ]
    for level in found.levels:
        lines += _level(level)
    return "\n".join(lines)


def _level(level: Level) -> Iterator[str]:
    counts, tokens = level.counts, level.tokens
    if not counts.sent:
        refused = f"; {counts.dropped} were refused" if counts.dropped else ""
        yield f"requests   none was passed on{refused}"
        return
    failures = ", ".join(f"{n} {why}" for why, n in counts.failures.items())
    refused = f", {counts.dropped} refused" if counts.dropped else ""
    yield (
        f"requests   {counts.sent} passed on, {counts.completed} answered, {counts.failed} failed"
        f"{f' ({failures})' if failures else ''}{refused}; at most"
        f" {level.throughput.in_flight_max} at once"
    )
    yield (
        f"tokens     {_count(tokens.prompt)} in, of them {_count(tokens.cached)} from a cache,"
        f" {_count(tokens.output)} out"
    )
    cost = tokens.cost_usd
    yield f"cost       {f'{cost.value:.6g} USD' if isinstance(cost, Measured) else f'— ({cost})'}"
    for name, title in _SHOWN:
        middle, high = level.figure(name, "p50"), level.figure(name, "p95")
        if middle is not None and high is not None:
            n = middle.estimate.n
            times = f"{_time(middle)} p50, {_time(high)} p95  (n = {n})" if n else _time(middle)
            yield f"{title:<10} {times}"
    if level.reason:
        yield f"           {level.reason}"


def _count(reading: Reading[int]) -> str:
    return f"{reading.value:,}" if isinstance(reading, Measured) else f"— ({reading})"


def _time(figure: Figure) -> str:
    value = figure.estimate.value
    if isinstance(value, Missing):
        return f"— ({value})" if not figure.estimate.n else f"— ({value.code})"
    return f"{value.value * _MS:,.1f} ms"


def harness_text(run: HarnessRun) -> str:
    """Return the scores of a harness, said to be its own."""
    head = f"{run.harness}'s own scores ({run.versions}; up to {run.limit} items a task)"
    if not run.scores:
        return f"{head}: none"
    heads = ("task", "metric", "value", "± stderr", "n", "by")
    return f"{head}\n{table([heads, *map(_row, run.scores)])}"


def _row(score: HarnessScore) -> tuple[str, ...]:
    return (
        score.task,
        score.metric,
        number(score.value, 4),
        number(score.stderr, 4),
        f"{score.items.value:,}" if isinstance(score.items, Measured) else "—",
        score.variant,
    )
