"""Metrics of one section: a workload as a whole, or a task's cost per right answer.

Not aware of other runs: pooling over repeats, and intervals, are in `speeds`. The shape of a
workload is the first part of its section's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from steelyard.analysis import timing
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt, Completed
from steelyard.stats.means import cv_estimate, mean
from steelyard.stats.quantiles import quantile_estimate

_S_PER_HOUR: Final = 3600.0
_THIRDS: Final = 3
_ONE_LENGTH: Final = frozenset({"interactive", "depth", "canary"})


def shape(section: Section) -> str:
    """Return the shape of the section's workload; a task's key otherwise."""
    return section.name.partition("/")[0]


def completed(section: Section) -> tuple[Attempt, ...]:
    """Return the attempts whose response came whole, in the order they were sent."""
    whole = [a for a in section.attempts if isinstance(a.outcome, Completed)]
    return tuple(sorted(whole, key=lambda attempt: attempt.sent_ns))


def measured(
    formula: Callable[[Attempt], Reading[float]], attempts: Sequence[Attempt]
) -> tuple[float, ...]:
    """Return the values of the attempts that have one."""
    return tuple(r.value for a in attempts if isinstance(r := formula(a), Measured))


def elapsed_s(attempts: Sequence[Attempt]) -> float:
    """Return the seconds from the first request sent to the last response ended."""
    if not attempts:
        return 0.0
    last = max(a.done_ns for a in attempts)
    return (last - min(a.sent_ns for a in attempts)) / timing.NS_PER_S


def output_tokens(attempts: Sequence[Attempt]) -> Reading[int]:
    """Return all output tokens; one attempt without a count leaves no total."""
    total = 0
    for attempt in attempts:
        if isinstance(attempt.usage, Missing):
            return Missing("token_count_unavailable", f"request {attempt.sample}: {attempt.usage}")
        total += attempt.usage.value.output_tokens
    return Measured(total, "engine")


def gap_quantile(q: float) -> Callable[[Section], Reading[float]]:
    """Return the formula of a quantile over all gaps of a section."""

    def formula(section: Section) -> Reading[float]:
        gaps = [gap for attempt in completed(section) for gap in timing.gaps_s(attempt)]
        return quantile_estimate(gaps, q).value

    return formula


def system_tps(section: Section) -> Reading[float]:
    """Return all output tokens over the time from the first request to the last response."""
    done = completed(section)
    tokens = output_tokens(done)
    seconds = elapsed_s(section.attempts)
    if isinstance(tokens, Missing) or not done:
        return tokens if isinstance(tokens, Missing) else _no_request()
    if seconds <= 0:
        return Missing("no_time", "a rate takes time to pass")
    return Measured(tokens.value / seconds, "derived")


def documents_per_hour(section: Section) -> Reading[float]:
    """Return documents answered per hour at the section's own concurrency."""
    if shape(section) != "documents":
        return _not_this(section, "documents")
    done = completed(section)
    if not done:
        return _no_request()
    return Measured(len(done) / elapsed_s(section.attempts) * _S_PER_HOUR, "derived")


def slowdown_share(section: Section) -> Reading[float]:
    """Return by how much output speed fell from the first third of the requests to the last."""
    speeds = measured(timing.output_tps, completed(section))
    third = len(speeds) // _THIRDS
    if third == 0:
        return Missing("too_few_samples", f"thirds take 3 timed requests; there are {len(speeds)}")
    return Measured(1 - mean(speeds[-third:]) / mean(speeds[:third]), "derived")


def latency_cv(section: Section) -> Reading[float]:
    """Return the relative spread of whole-request times where all requests are alike."""
    if shape(section) not in _ONE_LENGTH:
        return Missing("lengths_differ", "requests of different length are not alike")
    return cv_estimate(measured(timing.e2e_s, completed(section))).value


def context_load_s(section: Section) -> Reading[float]:
    """Return the mean TTFT of a cold, filled context."""
    if shape(section) != "depth":
        return _not_this(section, "depth")
    waits = measured(timing.ttft_s, completed(section))
    return Measured(mean(waits), "derived") if waits else _no_request()


def identical_share(section: Section) -> Reading[float]:
    """Return the share of repeats of one and the same request that gave its most frequent text."""
    if shape(section) != "canary":
        return _not_this(section, "canary")
    texts = Counter((a.reasoning, a.text) for a in completed(section))
    if not texts:
        return _no_request()
    return Measured(texts.most_common(1)[0][1] / texts.total(), "derived")


def client_engine_ratio(section: Section) -> Reading[float]:
    """Return the client's decoding time over the engine's own, summed over the requests."""
    client = engine = 0.0
    for attempt in completed(section):
        found = timing.window(attempt)
        if isinstance(found, Missing) or isinstance(attempt.timings, Missing):
            continue
        if isinstance(decode := attempt.timings.value.decode_s, Measured):
            client += found.value.span_s
            engine += decode.value
    if engine <= 0:
        return Missing("not_reported", "no request has both clocks")
    return Measured(client / engine, "derived")


def _not_this(section: Section, wanted: str) -> Missing:
    return Missing("not_applicable", f"{section.name} is no {wanted} workload")


def _no_request() -> Missing:
    return Missing("no_requests", "no request was answered whole")


SECTION_METRICS: Final[tuple[Metric[Section], ...]] = (
    *(
        Metric(
            name=f"itl_p{percent}_s",
            title=f"Gap between tokens, p{percent}",
            unit="s",
            better="lower",
            definition=f"The p{percent} of all gaps between neighbouring token events. Events of"
            " one network read share a stamp. Refused below its sample floor.",
            formula=gap_quantile(percent / 100),
            needs=frozenset({"token arrivals"}),
            digits=4,
        )
        for percent in (50, 95, 99)
    ),
    Metric(
        name="system_tps",
        title="System throughput",
        unit="tok/s",
        better="higher",
        definition="Output tokens of all answered requests / time from the first request to the"
        " last response. Counts and elapsed time are all it takes: it stands also where tokens were"
        " counted and not timed one by one. One answer without a count leaves no total.",
        formula=system_tps,
        needs=frozenset({"usage"}),
        formula_version=2,
    ),
    Metric(
        name="documents_per_hour",
        title="Documents per hour",
        unit="1/h",
        better="higher",
        definition="Distinct documents answered whole, per hour of elapsed time.",
        formula=documents_per_hour,
        bands=(120.0, 60.0, 30.0, 10.0),
    ),
    Metric(
        name="slowdown_share",
        title="Slow-down",
        unit="share",
        better="lower",
        definition="1 - mean output speed of the last third of the requests / that of the first"
        " third. Below zero, it became faster.",
        formula=slowdown_share,
        needs=frozenset({"token arrivals", "usage"}),
        bands=(0.05, 0.10, 0.20, 0.40),
        display_unit="%",
        scale=100.0,
    ),
    Metric(
        name="latency_cv",
        title="Spread of latency",
        unit="share",
        better="lower",
        definition="Standard deviation / mean of the whole-request times of equal requests.",
        formula=latency_cv,
        bands=(0.10, 0.20, 0.30, 0.50),
        display_unit="%",
        scale=100.0,
    ),
    Metric(
        name="context_load_s",
        title="Context load",
        unit="s",
        better="lower",
        definition="Mean time to first token with a cold context filled to the stated depth.",
        formula=context_load_s,
        needs=frozenset({"token arrivals"}),
        bands=(5.0, 15.0, 30.0, 60.0),
        digits=2,
    ),
    Metric(
        name="identical_share",
        title="Determinism",
        unit="share",
        better="higher",
        definition="Share of repeats of one request, fixed seed, that gave the most frequent text.",
        formula=identical_share,
        display_unit="%",
        scale=100.0,
    ),
    Metric(
        name="client_engine_ratio",
        title="Client clock / engine clock",
        unit="ratio",
        better="neither",
        definition="Decoding time between the client's stamps / decoding time by the engine's own"
        " word, summed over the requests. A check of the clocks, never a correction.",
        formula=client_engine_ratio,
        needs=frozenset({"token arrivals", "engine timings"}),
        digits=3,
    ),
)
