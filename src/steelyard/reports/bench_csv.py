"""`bench.csv`: one row for each level, metric and statistic, in base units.

What is one number of the whole level (a count, a rate, an energy) has the statistic `whole`. An
absent number is an empty cell with its code and reason beside it. Text that a spreadsheet would
take for a formula is quoted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from steelyard.domain.bench import (
    NOT_IN_WAVES,
    Batching,
    BenchSummary,
    Level,
    Measurement,
    ServiceSide,
)
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import NO_SIDECAR, Estimate
from steelyard.reports.csv import inert, number_text

HEADINGS: Final = (
    "run_id", "subject", "simulated", "quality", "level", "load", "metric", "statistic", "unit",
    "value", "low", "high", "n", "source", "client_share", "missing", "detail",
)  # fmt: skip
_WHOLE: Final = "whole"
_NO_INTERVAL: Final = Missing("no_interval", "this is one number of the whole level")
_NO_SHARE: Final = Missing("not_a_time", "only a time has a share of the client in it")


def write(summary: BenchSummary) -> str:
    """Return the file's text; lines end as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADINGS)
    for one in summary.measurements:
        for level in one.levels:
            for row in _rows(level):
                writer.writerow([*_texts(one, level), *row])
        for about, row in _raw(one):
            writer.writerow([*_about(one), *about, *row])
        for way in one.batching:
            for row in _both_ways(way):
                writer.writerow([*_about(one), "", inert(way.level), *row])
    return out.getvalue().encode("utf-8", "replace").decode("utf-8")


def _texts(one: Measurement, level: Level) -> list[str]:
    return [*_about(one), inert(level.name), inert(level.load)]


def _about(one: Measurement) -> list[str]:
    simulated = "yes" if one.simulated else "no"
    return [inert(text) for text in (one.run_id, one.subject, simulated, one.quality)]


def _raw(one: Measurement) -> Iterator[tuple[list[str], list[str]]]:
    """Return the bare engine's speed and what was served by it, for each test at each level."""
    if isinstance(one.raw, Missing):
        if one.raw.code != NO_SIDECAR.code:
            yield ["", ""], _row("raw_tps", _WHOLE, "tok/s", Estimate(*(one.raw,) * 3, 0))
        return
    loads = {level.name: level.load for level in one.levels}
    for test in one.raw.value.tests:
        about = [inert(test.beside), inert(loads.get(test.beside, ""))]
        raw = _row(f"raw_{test.metric}.{test.test}", _WHOLE, "tok/s", test.raw_tps)
        raw[-1] = raw[-1] or f"state {test.state}"
        yield about, raw
        name = f"served_by_raw_{test.metric.removesuffix('_tps')}.{test.test}"
        yield about, _row(name, _WHOLE, "ratio", test.ratio)


def _both_ways(way: Batching) -> Iterator[list[str]]:
    yield _row("continuous_tps", _WHOLE, "tok/s", way.continuous_tps)
    yield _row("static_tps", _WHOLE, "tok/s", way.static_tps)
    yield _row("continuous_over_static", _WHOLE, "ratio", way.ratio)
    yield _row("places_idle_share", _WHOLE, "share", way.idle_share)


def _rows(level: Level) -> Iterator[list[str]]:
    for f in level.figures:
        yield _row(f.metric, f.statistic, f.unit, f.estimate, f.client_share)
    for metric, unit, reading in _readings(level):
        yield _row(metric, _WHOLE, unit, Estimate(reading, _NO_INTERVAL, _NO_INTERVAL, 0))
    for metric, unit, estimate in _estimates(level):
        yield _row(metric, _WHOLE, unit, estimate)


def _readings(level: Level) -> Iterator[tuple[str, str, Reading[float]]]:
    """Return what is one number of the whole level, without an interval."""
    counts, through, tokens, side = level.counts, level.throughput, level.tokens, level.engine
    for name in ("planned", "sent", "completed", "failed", "dropped"):
        yield name, "count", _counted(getattr(counts, name))
    yield "elapsed_s", "s", Measured(through.elapsed_s, "client")
    yield "offered_per_s", "1/s", through.offered_per_s
    yield "system_tps", "tok/s", through.system_tps
    yield "in_flight_mean", "count", through.in_flight_mean
    yield "in_flight_max", "count", _counted(through.in_flight_max)
    yield "prompt_tokens", "tok", _float(tokens.prompt)
    yield "output_tokens", "tok", _float(tokens.output)
    yield "cached_tokens", "tok", _float(tokens.cached)
    yield "prompt_tokens_wanted_mean", "tok", tokens.prompt_wanted
    yield "prompt_tokens_mean", "tok", tokens.prompt_came
    yield "cost_usd", "USD", tokens.cost_usd
    if isinstance(level.service, Measured):
        yield from _service(level.service.value)
    yield "bound_ttft_s", "s", level.bound.ttft_s
    yield "bound_gap_s", "s", level.bound.gap_s
    yield "censored_gaps_share", "share", level.bound.censored_gaps
    yield "late_s", "s", level.bound.late_s
    if isinstance(level.goodput, Measured):
        yield "goodput_per_s", "1/s", level.goodput.value.per_s
    for name, unit in _ENGINE:
        yield name, unit, getattr(side, name)


def _service(side: ServiceSide) -> Iterator[tuple[str, str, Reading[float]]]:
    yield "service_accounts", "count", _counted(side.accounts)
    yield "service_prompt_tokens", "tok", _float(side.prompt_tokens)
    yield "service_output_tokens", "tok", _float(side.output_tokens)
    yield "service_latency_s", "s", side.latency_s
    yield "service_generation_s", "s", side.generation_s
    yield "service_cost_usd", "USD", side.cost_usd
    yield "service_upstream_usd", "USD", side.upstream_usd


_ENGINE: Final = (
    ("running_max", "count"), ("waiting_max", "count"), ("kv_usage_max", "share"),
    ("energy_j", "J"), ("j_per_output_token", "J"), ("j_per_output_token_above_idle", "J"),
)  # fmt: skip


def _estimates(level: Level) -> Iterator[tuple[str, str, Estimate]]:
    yield "requests_per_s", "1/s", level.throughput.requests_per_s
    if level.throughput.idle_share != NOT_IN_WAVES:
        yield "places_idle_share", "share", level.throughput.idle_share
    yield "engine_prompt_tps", "tok/s", level.engine.prompt_tps
    match level.goodput:
        case Measured(value=goodput):
            yield "goodput_share", "share", goodput.share
        case Missing():
            why = level.goodput
            yield "goodput_share", "share", Estimate(why, why, why, 0)


def _row(
    metric: str, statistic: str, unit: str, found: Estimate, share: Reading[float] = _NO_SHARE
) -> list[str]:
    value = found.value
    # What no interval belongs to rests on the level as a whole and not on so many samples.
    n = "" if found.low is _NO_INTERVAL else str(found.n)
    numbers = [_text(value), _text(found.low), _text(found.high), n]
    match value:
        case Measured(source=source):
            rest = [source, _text(share), "", ""]
        case Missing():
            rest = ["", _text(share), value.code, inert(value.detail)]
    return [metric, statistic, unit, *numbers, *rest]


def _text(reading: Reading[float]) -> str:
    return number_text(reading.value) if isinstance(reading, Measured) else ""


def _counted(count: int) -> Reading[float]:
    return Measured(float(count), "client")


def _float(reading: Reading[int]) -> Reading[float]:
    match reading:
        case Measured(value=value, source=source):
            return Measured(float(value), source)
        case Missing():
            return reading
