"""Was the client what limited? Judged from one record, workload by workload.

It was where its own share moves a headline figure by more than three of its clock's errors, and a
rate by over a twentieth (never less than 0.2 ms): the median time per token, the pause between an
answer's end and the next send of a closed loop; or a wait by over a tenth (never less than 1 ms):
the median of TTFT and of the whole request, how late a load with a schedule was sent. A fast engine
sends several tokens before a client has read one: single gaps are then known within a range only,
while the speed, which rests on both ends of an answer, is not. That is said and does not pollute.
Tasks are judged by right and wrong, and of a canary no speed is read. Not aware of advice or run
quality.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis import asked, client_share, timing, waves
from steelyard.analysis.metrics.latency import E2E, LATENESS, TPOT, TTFT, TTFT_INTENDED
from steelyard.analysis.metrics.load import completed, shape
from steelyard.domain.bench import Statistic
from steelyard.domain.instrument import Instrument
from steelyard.domain.load import Closed, Load, Open
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.stats.quantiles import quantile, sample_floor

LIMIT_ERRORS: Final = 3.0
# Of a rate, by which variants are told apart, and of a wait, which nobody feels below a ms.
RATE_SHARE: Final = 0.05
RATE_FLOOR_S: Final = 0.0002
WAIT_SHARE: Final = 0.1
WAIT_FLOOR_S: Final = 0.001
CENSORED_MOST: Final = 0.01
# A pause or two is a resumed run; this many are a habit.
PAUSES_LEAST: Final = 5


@final
@dataclass(frozen=True, slots=True)
class Moved:
    """A figure of a section that the client moved: by how many seconds, of how many."""

    section: str
    figure: str
    by_s: float
    value_s: float

    def __str__(self) -> str:
        return (
            f"{self.section}: {self.figure} by {_time(self.by_s)} of {_time(self.value_s)} "
            f"({self.by_s / self.value_s:.0%})"
        )


@final
@dataclass(frozen=True, slots=True)
class Censored:
    """How many first tokens and gaps of a section are known within a range only."""

    section: str
    firsts: int
    of_firsts: int
    gaps: int
    of_gaps: int
    late_s: float

    @property
    def shows(self) -> bool:
        """Whether they are more than a few: one alone never is."""
        return self.firsts > max(1, CENSORED_MOST * self.of_firsts) or (
            self.gaps > max(1, CENSORED_MOST * self.of_gaps)
        )

    def __str__(self) -> str:
        late = f", read up to {_time(self.late_s)} late" if self.late_s else ""
        return (
            f"{self.section}: {self.firsts} of {self.of_firsts} first tokens and {self.gaps} of "
            f"{self.of_gaps} gaps{late}"
        )


def moved(record: RunRecord) -> tuple[Moved, ...]:
    """Return every headline figure that the client moved by more than it may."""
    return tuple(
        found
        for section in _timed(record)
        for found in _of_section(section, asked.load_of(record, section), record.instrument)
    )


def censored(record: RunRecord) -> tuple[Censored, ...]:
    """Return the sections in which more than a few samples are known within a range only."""
    found = (_censored(section, record.instrument) for section in _timed(record))
    return tuple(each for each in found if each.shows)


def user_stamped(record: RunRecord) -> tuple[int, int]:
    """Return how many answers the client stamped itself, and of how many."""
    stamps = [a.stamps for section in record.sections for a in completed(section)]
    return stamps.count("user"), len(stamps)


def pauses_s(attempts: Sequence[Attempt], streams: int) -> tuple[float, ...]:
    """Return the pauses of a closed loop between an answer's end and the send that follows it.

    Which request took whose place is not recorded; in order of time their sum is the same.
    """
    sent = sorted(attempt.sent_ns for attempt in attempts)
    ended = sorted(attempt.done_ns for attempt in attempts)
    return tuple(
        max(0, after - before) / timing.NS_PER_S
        for before, after in zip(ended, sent[streams:], strict=False)
    )


def _timed(record: RunRecord) -> Iterator[Section]:
    return (s for s in record.sections if s.kind == "workload" and shape(s) != "canary")


def _of_section(section: Section, load: Load, instrument: Instrument) -> Iterator[Moved]:
    answered = client_share.answers(completed(section))
    spans = [answer.span_s for answer in answered if answer.span_s > 0]
    metrics = TTFT, TPOT, E2E
    columns = client_share.bracketed(metrics, answered, instrument)
    for metric, found in zip(metrics, columns, strict=True):
        if not found.values.size:
            continue
        value_s, by_s = found.of("p50"), found.move("p50")
        if metric is TPOT:  # the clock's error is that of a whole span, and is held against it
            by_s, value_s = by_s / value_s * quantile(spans, 0.5), quantile(spans, 0.5)
        figure = f"{metric.title} p50" if metric is not TPOT else "the span of a median answer"
        beyond = _rate_moved if metric is TPOT else _wait_moved
        if beyond(by_s, value_s, _error_of(metric, instrument)):
            yield Moved(section.name, figure, by_s, value_s)
    if isinstance(load, Closed):
        yield from _pauses(section, load, instrument)
    if asked.scheduled(load) and not (isinstance(load, Open) and load.cap):
        yield from _lateness(section, instrument)


def _pauses(section: Section, load: Closed, instrument: Instrument) -> Iterator[Moved]:
    between = waves.pauses_s if waves.static(load) else pauses_s
    pauses = between(section.attempts, load.streams)
    whole = [r.value for a in completed(section) if isinstance(r := E2E.formula(a), Measured)]
    if len(pauses) < PAUSES_LEAST or not whole:
        return
    pause_s, whole_s = quantile(pauses, 0.5), quantile(whole, 0.5)
    if _rate_moved(pause_s, whole_s, instrument.ttft_error_s):
        yield Moved(section.name, "the pause before the next request", pause_s, whole_s)


def _lateness(section: Section, instrument: Instrument) -> Iterator[Moved]:
    """Hold how late requests were sent against how long their first token took, both at p99.

    With fewer requests than that takes, at the highest percentile that they allow.
    """
    done = completed(section)
    late = [r.value for a in done if isinstance(r := LATENESS.formula(a), Measured)]
    waits = [r.value for a in done if isinstance(r := TTFT_INTENDED.formula(a), Measured)]
    allowed = [s for s, q in client_share.QUANTILES.items() if len(waits) >= sample_floor(q)]
    if not allowed:
        return
    highest: Statistic = allowed[-1]
    q = client_share.QUANTILES[highest]
    late_s, wait_s = quantile(late, q), quantile(waits, q)
    if _wait_moved(late_s, wait_s, instrument.lateness_s):
        yield Moved(section.name, f"{TTFT_INTENDED.title} {highest}", late_s, wait_s)


def _rate_moved(by_s: float, value_s: float, error_s: Reading[float]) -> bool:
    return by_s > RATE_SHARE * value_s and by_s > max(_errors(error_s), RATE_FLOOR_S)


def _wait_moved(by_s: float, value_s: float, error_s: Reading[float]) -> bool:
    return by_s > WAIT_SHARE * value_s and by_s > max(_errors(error_s), WAIT_FLOOR_S)


def _errors(error_s: Reading[float]) -> float:
    return LIMIT_ERRORS * error_s.value if isinstance(error_s, Measured) else 0.0


def _error_of(metric: Metric[Attempt], instrument: Instrument) -> Reading[float]:
    return instrument.gap_error_s if metric is TPOT else instrument.ttft_error_s


def _censored(section: Section, instrument: Instrument) -> Censored:
    done = completed(section)
    firsts = [r.value for a in done if not isinstance(r := timing.ttft_spread_s(a), Missing)]
    gaps = [most - least for a in done for least, _, most in timing.gap_bounds_s(a)]
    first_limit_s = client_share.censored_limit_s(instrument.ttft_error_s)
    gap_limit_s = client_share.censored_limit_s(instrument.gap_error_s)
    return Censored(
        section=section.name,
        firsts=sum(spread > first_limit_s for spread in firsts),
        of_firsts=len(firsts),
        gaps=sum(width > gap_limit_s for width in gaps),
        of_gaps=len(gaps),
        late_s=max((attempt.late_ns for attempt in done), default=0) / timing.NS_PER_S,
    )


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
