"""B against A over interleaved blocks of the same loads: each metric's ratio and its evidence.

A section is a turn. Where the turns came in blocks of four, two of each (A B B A), each block gives
one ratio, so that a steady drift falls on both alike; else the turns of A and of B are paired in
the order in which they came. The smallest difference that would have shown comes from the spread
of those ratios, at its upper bound. Not aware of servers or reports. Sources: `stats.interleaved`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from steelyard.analysis import asked
from steelyard.analysis.level_sides import system_tps
from steelyard.analysis.metrics.latency import E2E, OUTPUT_TPS, TPOT, TTFT
from steelyard.analysis.metrics.load import SECTION_METRICS, completed, measured
from steelyard.domain.bench import Difference
from steelyard.domain.load import described
from steelyard.domain.metric import Better, Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.stats.interleaved import TURNS_PER_BLOCK, Spread, compare, mde, pairs
from steelyard.stats.means import mean_estimate, variance
from steelyard.stats.quantiles import quantile

_Value: TypeAlias = Callable[[Section], Reading[float]]
_PAIR: Final = 2
_LEVEL: Final = 0.05


def differences(record_a: RunRecord, record_b: RunRecord) -> tuple[Difference, ...]:
    """Return the differences of two runs that took turns, load by load, metric by metric."""
    b_sections = _by_name(record_b)
    return tuple(
        difference
        for name, sections in _by_name(record_a).items()
        if name in b_sections
        for difference in _of_load(
            described(asked.load_of(record_a, sections[0])), sections, b_sections[name]
        )
    )


def _of_load(level: str, a: Sequence[Section], b: Sequence[Section]) -> Iterator[Difference]:
    for metric in (TTFT, TPOT, E2E, OUTPUT_TPS):
        named = metric.name, f"{metric.title} p50", metric.better
        yield _difference(named, level, partial(_median, metric), a, b)
    system = next(metric for metric in SECTION_METRICS if metric.name == "system_tps")
    yield _difference((system.name, system.title, system.better), level, _system, a, b)


def _difference(
    metric: tuple[str, str, Better],
    level: str,
    value: _Value,
    a: Sequence[Section],
    b: Sequence[Section],
) -> Difference:
    name, title, better = metric
    values_a, values_b = [value(section) for section in a], [value(section) for section in b]
    lost = next((r for r in (*values_a, *values_b) if isinstance(r, Missing)), None)
    if lost is not None:
        none = Estimate(lost, lost, lost, 0)
        return Difference(name, none, none, none, lost, lost, f"{title}: {lost}", level)
    found_a = [reading.value for reading in values_a if isinstance(reading, Measured)]
    found_b = [reading.value for reading in values_b if isinstance(reading, Measured)]
    blocks = _blocks(a, b, found_a, found_b)
    compared = compare(blocks)
    detectable = _detectable(blocks)
    return Difference(
        metric=name,
        a=mean_estimate(found_a),
        b=mean_estimate(found_b),
        ratio=compared.ratio,
        p_value=compared.p_value,
        detectable=detectable,
        words=_words(title, better, compared.ratio, compared.p_value, detectable),
        level=level,
    )


def _blocks(
    a: Sequence[Section], b: Sequence[Section], values_a: Sequence[float], values_b: Sequence[float]
) -> Sequence[tuple[float, float]]:
    """Return one (A, B) for each block of four turns, or for each pair of turns."""
    turns = sorted(
        [(_began_ns(s), "A", v) for s, v in zip(a, values_a, strict=True)]
        + [(_began_ns(s), "B", v) for s, v in zip(b, values_b, strict=True)]
    )
    order = "".join(side for _, side, _ in turns)
    fours = [order[n : n + TURNS_PER_BLOCK] for n in range(0, len(order), TURNS_PER_BLOCK)]
    if all(four in ("ABBA", "BAAB") for four in fours) and _positive(values_a, values_b):
        return pairs(order, [value for _, _, value in turns])
    return list(zip(values_a, values_b, strict=False))


def _began_ns(section: Section) -> int:
    return asked.block_of(section).span_ns[0]


def _positive(*sides: Sequence[float]) -> bool:
    return all(value > 0 for side in sides for value in side)


def _detectable(blocks: Sequence[tuple[float, float]]) -> Reading[float]:
    if not _positive(*blocks):
        return Missing("not_positive", "a ratio needs values above zero on either side")
    logs = [math.log(b / a) for a, b in blocks]
    if len(logs) < _PAIR:
        return Missing("too_few_blocks", f"a spread takes 2 blocks; there are {len(logs)}")
    spread = Spread(within=0.0, between=math.sqrt(variance(logs)), turns=len(logs), per_turn=1.0)
    return mde(spread, blocks=len(logs), per_turn=1)


def _words(
    title: str, better: Better, ratio: Estimate, p: Reading[float], detectable: Reading[float]
) -> str:
    match ratio, p:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ), Measured(value=chance):
            interval = f"[{low - 1:+.1%}, {high - 1:+.1%}]"
            if chance >= _LEVEL:
                return f"{title}: no difference shown, {interval}{_would_show(detectable)}"
            good = (value > 1) == (better == "higher")
            return f"{title}: B is {'better' if good else 'worse'}, {value - 1:+.1%} {interval}"
        case Estimate(value=Measured(value=value)), Missing() as why:
            return f"{title}: {value - 1:+.1%}, and nothing says how sure that is: {why}"
        case _:
            return f"{title}: {ratio.value}"


def _would_show(detectable: Reading[float]) -> str:
    if isinstance(detectable, Missing):
        return ""
    return f"; one of {detectable.value:.1%} would have shown in four of five such comparisons"


def _median(metric: Metric[Attempt], section: Section) -> Reading[float]:
    values = measured(metric.formula, completed(section))
    if not values:
        readings = (metric.formula(attempt) for attempt in completed(section))
        return next(
            (reading for reading in readings if isinstance(reading, Missing)),
            Missing("no_requests", "a block without an answer: no request was answered whole"),
        )
    return Measured(quantile(values, 0.5), "derived")


def _system(section: Section) -> Reading[float]:
    return system_tps([asked.block_of(section)])


def _by_name(record: RunRecord) -> Mapping[str, list[Section]]:
    found: dict[str, list[Section]] = {}
    for section in record.sections:
        if section.kind == "workload":
            found.setdefault(section.name, []).append(section)
    return found
