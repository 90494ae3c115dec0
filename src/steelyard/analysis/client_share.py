"""What the client itself did to the numbers: brackets around each value, and what they amount to.

An arrival came at its stamp or up to its spread earlier, a request left at its stamp or up to its
spread later. So each value lies in a bracket, and a statistic is taken three times: of the values,
of all lower ends, of all upper ends. The larger move, and the clock's own error on top, is what the
client may have done to it: a bound, since all brackets lean one way at once. The mean of all gaps
telescopes, so it moves only with both ends of each answer. A figure that moves by over a tenth is
withheld. Not aware of sections, load shapes or reports. Spreads: `analysis.timing`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from steelyard.analysis import timing
from steelyard.domain.bench import Bound, Statistic
from steelyard.domain.instrument import Instrument
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Attempt, Completed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[Any]

# Value, least, most, the clock's error, the request it belongs to.
_Row: TypeAlias = tuple[float, float, float, float, int]
QUANTILES: Final[dict[Statistic, float]] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
GAPS: Final = "itl_s"
# A figure is withheld when the client may have moved it by more than this share of it.
LIMITED_SHARE: Final = 0.10
# A gap counts as censored when its bracket is wider than so many of the clock's errors, and than an
# ordinary write or wake-up: a quiet machine's errors are smaller than those.
CENSORED_ERRORS: Final = 3.0
CENSORED_FLOOR_S: Final = 0.0001
# Stands for the clock's error where the instrument was not calibrated: to judge by, never to state.
ERROR_FLOOR_S: Final = 0.0001
_BOUND_QUANTILE: Final = 0.95
_NO_REQUESTS: Final[Missing] = Missing("no_requests", "no request was answered whole")


@final
@dataclass(frozen=True, slots=True)
class Bracketed:
    """One value for each request, or one for each gap, with both ends of its bracket.

    `clock` is the clock's error of each value, `requests` the request that each belongs to;
    `mean_*` are the same for the mean. `known` is the instrument's error where it was calibrated,
    `why` says why there are no values.
    """

    values: Column
    least: Column
    most: Column
    clock: Column
    requests: Column
    mean_least: float
    mean_most: float
    mean_clock: float
    unit: str
    known: Reading[float]
    why: Missing

    def of(self, statistic: Statistic) -> float:
        """Return the statistic of the values as they were stamped."""
        return _take(self.values, statistic)

    def move(self, statistic: Statistic) -> float:
        """Return by how much the brackets alone may have moved a statistic; 0 without values."""
        if not self.values.size:
            return 0.0
        value = self.of(statistic)
        if statistic == "mean":
            return max(value - self.mean_least, self.mean_most - value)
        return max(value - _take(self.least, statistic), _take(self.most, statistic) - value)

    def error(self, statistic: Statistic) -> float:
        """Return the clock's error of a statistic, or what stands for it."""
        if not self.values.size:
            return 0.0
        return self.mean_clock if statistic == "mean" else float(self.clock.mean())


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request, what is not known of its ends, and the span between its tokens.

    `sent_s` is the spread of the write, the others are those of arrivals: the first token, the
    first token of the answer, the last one, the end of the response. All in seconds. `thought`
    says that it began with thinking, so that its answer came later.
    """

    attempt: Attempt
    sent_s: float
    first_s: float
    answer_s: float
    last_s: float
    end_s: float
    span_s: float
    thought: bool


def answers(attempts: Sequence[Attempt]) -> tuple[Answer, ...]:
    """Return the requests that were answered whole, in the order given."""
    return tuple(_answer(a) for a in attempts if isinstance(a.outcome, Completed))


def share(found: Bracketed, statistic: Statistic) -> Reading[float]:
    """Return by how much the client may have moved a statistic, in the metric's own unit."""
    if not found.values.size:
        return found.why
    if isinstance(found.known, Missing):
        return found.known
    return Measured(found.move(statistic) + found.error(statistic), "derived")


def limited(found: Bracketed, statistic: Statistic) -> Missing | None:
    """Return why a figure is withheld: the client alone may have made over a tenth of it."""
    if not found.values.size:
        return None
    move, value = found.move(statistic), found.of(statistic)
    if move <= LIMITED_SHARE * abs(value) or move <= found.error(statistic):
        return None
    part = f", {move / abs(value):.0%} of it" if value else ""
    return Missing(
        "client_limited",
        "what the client read late or together may have moved it by up to "
        f"{_size(move, found.unit)}{part}: "
        "send fewer streams from one process, or give the client a core of its own",
    )


def bracketed(
    metrics: Sequence[Metric[Attempt]], answered: Sequence[Answer], instrument: Instrument
) -> tuple[Bracketed, ...]:
    """Return each metric of every answered request, in the order given.

    Taken request by request, since all that is asked of one costs little more than the first.
    """
    knowns = [_known(metric.name, instrument) for metric in metrics]
    errors_s = [k.value if isinstance(k, Measured) else ERROR_FLOOR_S for k in knowns]
    rows: list[list[_Row]] = [[] for _ in metrics]
    whys = [_NO_REQUESTS for _ in metrics]
    for number, answer in enumerate(answered):
        for place, metric in enumerate(metrics):
            reading = metric.formula(answer.attempt)
            if isinstance(reading, Missing):
                whys[place] = reading
            else:
                bracket = _bracket(metric.name, reading.value, answer, errors_s[place])
                rows[place].append((*bracket, number))
    return tuple(
        _columns(found, metric.unit, known, why)
        for found, metric, known, why in zip(rows, metrics, knowns, whys, strict=True)
    )


def bracketed_gaps(answered: Sequence[Answer], instrument: Instrument) -> Bracketed:
    """Return every gap between neighbouring tokens of every answered request."""
    known = _known(GAPS, instrument)
    error_s = known.value if isinstance(known, Measured) else ERROR_FLOOR_S
    rows: list[_Row] = []
    several: list[Answer] = []
    for number, answer in enumerate(answered):
        bounds = timing.gap_bounds_s(answer.attempt)
        rows.extend((value, least, most, error_s, number) for least, value, most in bounds)
        several += [answer] if bounds else []
    none = Missing("single_token", "no answer came in more than one piece")
    found = _columns(rows, "s", known, none if answered else _NO_REQUESTS)
    if not rows:
        return found
    mean, n = found.of("mean"), len(rows)
    return replace(
        found,
        mean_least=mean - math.fsum(answer.last_s for answer in several) / n,
        mean_most=mean + math.fsum(answer.first_s for answer in several) / n,
        mean_clock=error_s * len(several) / n,
    )


def bound(attempts: Sequence[Attempt], instrument: Instrument) -> Bound:
    """Return what 95 % of the samples are off by less than, and how many gaps are censored."""
    done = [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]
    limit_s = censored_limit_s(instrument.gap_error_s)
    spreads, widest, wide = array("d"), array("d"), 0
    for attempt in done:
        if isinstance(spread := timing.ttft_spread_s(attempt), Measured):
            spreads.append(spread.value)
        for least, value, most in timing.gap_bounds_s(attempt):
            widest.append(max(value - least, most - value))
            wide += most - least > limit_s
    none = Missing("no_gaps", "no answer came in more than one piece") if done else _NO_REQUESTS
    late: Reading[float] = _NO_REQUESTS
    if done:
        late = Measured(max(attempt.late_ns for attempt in done) / timing.NS_PER_S, "client")
    return Bound(
        ttft_s=_within(spreads, instrument.ttft_error_s, _NO_REQUESTS),
        gap_s=_within(widest, instrument.gap_error_s, none),
        censored_gaps=Measured(wide / len(widest), "derived") if widest else none,
        late_s=late,
        stamps="user" if any(attempt.stamps == "user" for attempt in done) else "kernel",
    )


def censored_limit_s(error_s: Reading[float]) -> float:
    """Return how wide a bracket may be that counts as known."""
    if isinstance(error_s, Missing):
        return CENSORED_FLOOR_S
    return max(CENSORED_FLOOR_S, CENSORED_ERRORS * error_s.value)


def _within(spreads: Sequence[float], error_s: Reading[float], none: Missing) -> Reading[float]:
    import numpy as np

    if not spreads:
        return none
    if isinstance(error_s, Missing):
        return error_s
    return Measured(float(np.quantile(spreads, _BOUND_QUANTILE)) + error_s.value, "derived")


def _known(name: str, instrument: Instrument) -> Reading[float]:
    """Return the clock's error that bears on a metric: of a span, or of a latency."""
    return instrument.gap_error_s if name in _OF_SPANS else instrument.ttft_error_s


_OF_SPANS: Final = frozenset({"tpot_s", "output_tps", GAPS})
# What bears on the lower end of a latency: it may be shorter by these.
_SHORTER: Final[dict[str, Callable[[Answer], float]]] = {
    "ttft_s": lambda answer: answer.sent_s + answer.first_s,
    "ttft_intended_s": lambda answer: answer.first_s,
    "ttfat_s": lambda answer: answer.sent_s + answer.answer_s,
    "e2e_s": lambda answer: answer.sent_s + answer.end_s,
    "e2e_intended_s": lambda answer: answer.end_s,
}


def _bracket(
    name: str, value: float, answer: Answer, error_s: float
) -> tuple[float, float, float, float]:
    """Return value, least, most and the clock's error, all in the metric's unit."""
    if name == "lateness_s":
        return value, value, value + answer.sent_s, error_s
    if name not in _OF_SPANS:
        return value, value - _SHORTER[name](answer), value, error_s
    span_s = answer.span_s
    longest_s = span_s + answer.first_s
    # No span is shorter than the clock itself can tell.
    shortest_s = max(span_s - answer.last_s, error_s)
    error = value * error_s / span_s
    if name == "tpot_s":
        return value, value * shortest_s / span_s, value * longest_s / span_s, error
    return value, value * span_s / longest_s, value * span_s / shortest_s, error


def _answer(attempt: Attempt) -> Answer:
    arrivals = timing.token_arrivals(attempt)
    said = next((a for a in arrivals if a.kind != "reasoning"), None)
    # The kernel's stamp is that of the last byte, and the end of an answer is one.
    ended_by_user = attempt.stamps == "user" and arrivals
    span_ns = arrivals[-1].at_ns - arrivals[0].at_ns if arrivals else 0
    return Answer(
        attempt=attempt,
        sent_s=attempt.send_spread_ns / timing.NS_PER_S,
        first_s=(arrivals[0].spread_ns if arrivals else 0) / timing.NS_PER_S,
        answer_s=(said.spread_ns if said else 0) / timing.NS_PER_S,
        last_s=(arrivals[-1].spread_ns if arrivals else 0) / timing.NS_PER_S,
        end_s=(attempt.arrivals[-1].spread_ns if ended_by_user else 0) / timing.NS_PER_S,
        span_s=span_ns / timing.NS_PER_S,
        thought=bool(arrivals) and arrivals[0].kind == "reasoning",
    )


def _columns(rows: Sequence[_Row], unit: str, known: Reading[float], why: Missing) -> Bracketed:
    import numpy as np

    values, least, most, clock, requests = np.asarray(rows, float).reshape(len(rows), 5).T
    least, most = np.minimum(least, values), np.maximum(most, values)
    means = [float(column.mean()) if rows else 0.0 for column in (least, most, clock)]
    return Bracketed(
        *(values, least, most, clock, requests),
        mean_least=means[0],
        mean_most=means[1],
        mean_clock=means[2],
        unit=unit,
        known=known,
        why=why,
    )


def _take(column: Column, statistic: Statistic) -> float:
    import numpy as np

    if statistic == "mean":
        return float(column.mean())
    return float(np.quantile(column, QUANTILES[statistic]))


def _size(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.3g} {unit}"
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
