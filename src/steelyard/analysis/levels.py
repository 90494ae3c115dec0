"""One load of a bench: what was asked, what came, and every figure of it with its interval.

Sections of one name are interleaved blocks of one load: their requests are pooled, and there is no
steady window, since each block is short. Else figures are taken over the steady window where there
is one, or over all requests, and `steady` says why. Counts, throughput, tokens and goodput are
those of the whole load. Requests stand in the order in which they were sent, and intervals respect
that neighbours resemble each other. Not aware of other loads or of layout. Formulas of the times:
`analysis.timing`; windows: `analysis.steady`; intervals: `stats.series`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final, TypeVar

from steelyard.analysis import asked, client_share, goodput, steady, timing
from steelyard.analysis.asked import Block
from steelyard.analysis.level_figures import figures, published
from steelyard.analysis.level_sides import (
    engine_side,
    in_flight,
    service_side,
    throughput,
    tokens,
    turns,
)
from steelyard.analysis.metrics.latency import TTFT
from steelyard.domain.bench import Counts, Goodput, Level, Steady
from steelyard.domain.load import Closed, Conversations, Load, Ramp, Steps, described
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.slo import Slo
from steelyard.domain.stream import Attempt, Completed
from steelyard.stats.series import series_estimate

T = TypeVar("T")

_POINTS_MOST: Final = 500


def levels(record: RunRecord, objectives: Slo | None) -> tuple[Level, ...]:
    """Return the loads of a run in the order in which they first came; a canary is none."""
    by_name: dict[str, list[Section]] = {}
    for section in record.sections:
        if section.kind == "workload" and not section.name.startswith("canary"):
            by_name.setdefault(section.name, []).append(section)
    return tuple(_level(record, sections, objectives) for sections in by_name.values())


def _level(record: RunRecord, sections: Sequence[Section], objectives: Slo | None) -> Level:
    load = asked.load_of(record, sections[0])
    blocks = [asked.block_of(section) for section in sections]
    attempts = tuple(attempt for block in blocks for attempt in block.attempts)
    found = _steady(load, blocks)
    inside = _inside(found, blocks)
    workload = asked.workload_of(record, sections[0])
    counts = _counts(sections, attempts)
    through = throughput(blocks, load)
    return Level(
        name=sections[0].name,
        load=described(load),
        prompts=asked.prompts_in_words(workload),
        counts=counts,
        steady=found if isinstance(found, Missing) else Measured(_told(found.value), "derived"),
        throughput=through,
        tokens=tokens(attempts),
        figures=figures(inside, record.instrument, scheduled=asked.scheduled(load)),
        bound=client_share.bound(attempts, record.instrument),
        goodput=_goodput(attempts, objectives, through.elapsed_s, counts.dropped),
        published=published(attempts),
        turns=turns(attempts, load.turns) if isinstance(load, Conversations) else (),
        engine=engine_side(record, blocks),
        service=service_side(attempts),
        ttft_over_time=_thinned(_ttft_over_time(blocks)),
        in_flight_over_time=_thinned(_in_flight_over_time(blocks)),
        reason="; ".join(dict.fromkeys(section.reason for section in sections if section.reason)),
    )


def _steady(load: Load, blocks: Sequence[Block]) -> Reading[steady.SteadyWindow]:
    if len(blocks) > 1:
        return Missing(
            "interleaved", f"taken in {len(blocks)} short blocks in turns: all requests count"
        )
    match load:
        case Ramp() | Steps():
            return Missing("changes", "the load itself changes all along: all requests count")
        case Closed(batching="static"):
            return Missing("in_waves", "the load comes in waves: all requests count")
        case _:
            (block,) = blocks
    return steady.steady_window(
        [block.at_s(a.sent_ns) for a in block.attempts],
        [block.at_s(a.done_ns) for a in block.attempts],
        [timing.ttft_s(a) for a in block.attempts],
        _held(load),
    )


def _held(load: Load) -> int | None:
    """Return how many requests are in flight all the time, where the load holds a number."""
    match load:
        case Closed(streams=streams):
            return streams
        case Conversations(users=users, think_s=think_s) if not think_s:
            return users
        case _:
            return None


def _inside(found: Reading[steady.SteadyWindow], blocks: Sequence[Block]) -> tuple[Attempt, ...]:
    return tuple(
        attempt
        for block in blocks
        for attempt in block.attempts
        if isinstance(found, Missing) or found.value.holds(block.at_s(attempt.sent_ns))
    )


def _told(window: steady.SteadyWindow) -> Steady:
    return Steady(
        start_s=window.start_s,
        end_s=window.end_s,
        warmup=window.warmup,
        cooldown=window.cooldown,
        trend=_trend(window.trend),
    )


def _trend(found: Reading[steady.Trend]) -> str:
    if isinstance(found, Missing):
        return str(found)
    trend = found.value
    if not trend.shows:
        return "none shown"
    return (
        f"TTFT moved by {trend.change:+.0%} at about {trend.at_s:.3g} s (p = {trend.p_value:.2g})"
    )


def _counts(sections: Sequence[Section], attempts: Sequence[Attempt]) -> Counts:
    failures = Counter(a.outcome.why for a in attempts if not isinstance(a.outcome, Completed))
    dropped = sum(section.dropped for section in sections)
    planned = sum(
        section.planned or len(section.attempts) + section.dropped for section in sections
    )
    return Counts(
        planned=planned,
        sent=len(attempts),
        completed=len(attempts) - failures.total(),
        failed=failures.total(),
        dropped=dropped,
        failures=dict(failures.most_common()),
    )


def _goodput(
    attempts: Sequence[Attempt], objectives: Slo | None, elapsed_s: float, dropped: int
) -> Reading[Goodput]:
    if objectives is None:
        return Missing("no_objectives", "no objectives were given (--slo)")
    intervals = partial(series_estimate, seed=0)
    found = goodput.goodput(attempts, objectives, elapsed_s, intervals, dropped=dropped)
    return Measured(Goodput(found.share, found.rate_per_s, found.gates), "derived")


def _ttft_over_time(blocks: Sequence[Block]) -> list[tuple[float, float]]:
    return [
        (blocks[0].at_s(attempt.sent_ns), reading.value)
        for block in blocks
        for attempt in block.attempts
        if isinstance(reading := TTFT.formula(attempt), Measured)
    ]


def _in_flight_over_time(blocks: Sequence[Block]) -> list[tuple[float, int]]:
    return [
        (blocks[0].at_s(at_ns), flying)
        for block in blocks
        for at_ns, flying in in_flight(block.attempts)
    ]


def _thinned(points: Sequence[T]) -> tuple[T, ...]:
    return tuple(points[:: -(-len(points) // _POINTS_MOST) or 1])
