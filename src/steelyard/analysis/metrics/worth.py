"""What a right answer costs: seconds, tokens and joules, with intervals (row G13).

Time and tokens of wrong, invalid and failed answers, and of thinking, are in the numerator: they
were spent. Not aware of money. Intervals: Fieller's, over clusters of items.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import timing
from steelyard.analysis.clusters import clusters_of
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Right
from steelyard.domain.vitals import VitalSample
from steelyard.stats.ratios import ratio_estimate

_UJ_PER_J: Final = 1e6


def seconds_per_right(sections: Sequence[Section], confidence: float = 0.95) -> Estimate:
    """Estimate the seconds that a right answer takes at the sections' own load.

    The numerator is the time with at least one request in flight; where requests overlap, each
    item bears its share of it.
    """
    spent: dict[str, float] = {}
    busy_ns = 0
    for section in sections:
        busy_ns += timing.union_ns((a.sent_ns, a.done_ns) for a in section.attempts)
        for item, attempts in _by_item(section).items():
            spent[item] = sum(a.done_ns - a.sent_ns for a in attempts) / timing.NS_PER_S
    alone = sum(spent.values())
    overlap = busy_ns / timing.NS_PER_S / alone if alone > 0 else 1.0
    return per_right(sections, {item: s * overlap for item, s in spent.items()}, confidence)


def tokens_per_right(sections: Sequence[Section], confidence: float = 0.95) -> Estimate:
    """Estimate the output tokens that a right answer takes."""
    spent: dict[str, float] = {}
    for section in sections:
        for item, attempts in _by_item(section).items():
            for attempt in attempts:
                if isinstance(attempt.usage, Missing):
                    why = Missing("token_count_unavailable", f"item {item}: {attempt.usage}")
                    return Estimate(why, why, why, 0)
                tokens = attempt.usage.value.output_tokens
                spent[item] = spent.get(item, 0.0) + tokens
    return per_right(sections, spent, confidence)


def joules_per_right(record: RunRecord) -> Reading[float]:
    """Return the energy drawn while tasks ran, over their right answers; of the whole package."""
    if isinstance(record.vitals, Missing):
        return record.vitals
    right, used_j = 0, 0.0
    for section in (s for s in record.sections if s.kind == "task"):
        drawn = energy_j(record.vitals.value.samples, section.started_ns, section.ended_ns)
        if isinstance(drawn, Missing):
            return drawn
        used_j += drawn.value
        right += sum(isinstance(mark.outcome, Right) for mark in section.marks.values())
    if right == 0:
        return Missing("zero_denominator", "no answer was right")
    return Measured(used_j / right, "derived")


def joules_per_token(record: RunRecord) -> Reading[float]:
    """Return the energy drawn over the sections per output token, idle power included."""
    if isinstance(record.vitals, Missing):
        return record.vitals
    tokens, used_j = 0, 0.0
    for section in record.sections:
        drawn = energy_j(record.vitals.value.samples, section.started_ns, section.ended_ns)
        if isinstance(drawn, Missing):
            return drawn
        used_j += drawn.value
        for attempt in section.attempts:
            if isinstance(attempt.usage, Missing):
                return Missing("token_count_unavailable", f"request {attempt.sample}")
            tokens += attempt.usage.value.output_tokens
    if tokens == 0:
        return Missing("zero_denominator", "no token was generated")
    return Measured(used_j / tokens, "derived")


def energy_j(samples: Sequence[VitalSample], start_ns: int, end_ns: int) -> Reading[float]:
    """Return the energy between two moments, the counter read as straight between samples.

    What was not sampled is not guessed: a span that reaches out of the samples has no energy.
    """
    points = [(s.at_ns, s.energy_uj.value) for s in samples if isinstance(s.energy_uj, Measured)]
    if not points:
        why = next((s.energy_uj for s in samples if isinstance(s.energy_uj, Missing)), None)
        return why or Missing("no_samples", "the machine was not sampled")
    if start_ns < points[0][0] or end_ns > points[-1][0]:
        return Missing("not_sampled", "part of it ran before or after the machine was sampled")
    used = _at(points, end_ns) - _at(points, start_ns)
    return Measured(used / _UJ_PER_J, "derived")


def _at(points: Sequence[tuple[int, int]], at_ns: int) -> float:
    """Return the counter at a moment within the points."""
    number = bisect_left(points, (at_ns, 0))
    (after_ns, after_uj) = points[number]
    (before_ns, before_uj) = points[max(0, number - 1)]
    part = (at_ns - before_ns) / (after_ns - before_ns) if after_ns > before_ns else 0.0
    return before_uj + part * (after_uj - before_uj)


def _by_item(section: Section) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for attempt in section.attempts:
        found.setdefault(f"{section.name}/{attempt.sample}", []).append(attempt)
    return found


def per_right(
    sections: Sequence[Section], spent: Mapping[str, float], confidence: float
) -> Estimate:
    """Estimate what was spent by item, over the right answers; n are the items."""
    right = {
        f"{section.name}/{item}": float(isinstance(mark.outcome, Right))
        for section in sections
        for item, mark in section.marks.items()
    }
    clusters = clusters_of(sections)
    items = sorted({*right, *spent})
    found = ratio_estimate(
        [spent.get(item, 0.0) for item in items],
        [right.get(item, 0.0) for item in items],
        [clusters.get(item, item) for item in items],
        confidence,
    )
    return replace(found, n=len(items))


WORTH_SECTION_METRICS: Final[tuple[Metric[Section], ...]] = (
    Metric(
        name="seconds_per_right",
        title="Time per right answer",
        unit="s",
        better="lower",
        definition="Time with a request in flight / right answers. Wrong, invalid and failed"
        " answers and thinking are in the time.",
        formula=lambda section: seconds_per_right([section]).value,
        digits=2,
    ),
    Metric(
        name="tokens_per_right",
        title="Tokens per right answer",
        unit="tok",
        better="lower",
        definition="Output tokens of all answers / right answers.",
        formula=lambda section: tokens_per_right([section]).value,
        needs=frozenset({"usage"}),
    ),
)
WORTH_RUN_METRICS: Final[tuple[Metric[RunRecord], ...]] = (
    Metric(
        name="joules_per_right",
        title="Energy per right answer",
        unit="J",
        better="lower",
        definition="Energy of the processor package while tasks ran / right answers. The rest of"
        " the machine and idle power are in it as far as the counter sees them.",
        formula=joules_per_right,
        needs=frozenset({"energy counter"}),
    ),
    Metric(
        name="joules_per_token",
        title="Energy per output token",
        unit="J",
        better="lower",
        definition="Energy of the processor package over the run / output tokens, idle included.",
        formula=joules_per_token,
        needs=frozenset({"energy counter", "usage"}),
        digits=3,
    ),
)
