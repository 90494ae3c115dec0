"""The knee: the highest rate that a server sustains, or at which it still meets objectives.

A search is a pure machine: the result of a probe in, the next probe or what was found out. One
closed loop saturates the server and places the rates. An open load above capacity then measures:
while all servers are busy they complete what they can, and the completions of several such probes
are pooled until the interval is narrow enough, as long as their dispersion (variance of counts
over their mean: 1 for exponential service, near 0 for a constant one) takes. One load below
capacity shows that it is sustained. With objectives the strain (the worst value over its limit) is
followed to where it is 1, by a line through its logarithm at the rates tried; a load whose backlog
grows does not meet them, whatever its percentiles say. In short probes of a bursty server long
waits are rarer than in the long run, so that this knee comes out a few per cent high.

Growth is tested on the increments of the backlog between equal stretches of time, never by a line
through its level: a backlog is a sum, its neighbouring values resemble each other, and a line
through them finds a trend in pure chance. Requests that were refused or failed count as not
answered. Not aware of clocks, sockets or objectives themselves. Sources: W. Whitt, Management
Science 35 (1989) 1341-1366, planning queueing simulations; P. Glynn and W. Whitt, Operations
Research 40 (1992), asymptotic efficiency; C. Granger and P. Newbold, J. Econometrics 2 (1974).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, GateState
from steelyard.stats.means import mean, variance
from steelyard.stats.special import chi2_quantile, normal_quantile, t_quantile

_STRETCHES: Final = 16
_SETTLING: Final = 0.25  # of the time: servers fill, first answers come
_WAVES: Final = 10  # requests of a probe for each of its streams
_OVER: Final = 1.3
_ABOVE_CLOSED: Final = 1.05
_SECOND_LOOKS: Final = 3
_COARSE: Final = 3
_STRAIN_MOST: Final = 20.0
_STRAIN_OVER: Final = 1.5
_NEAR: Final = 0.2
_BELOW: Final = (0.9, 0.8)
_GROWTH_LEAST: Final = 0.05
_SUSTAINED_GROWTH: Final = 0.1
_CONFIDENCE: Final = 0.95
_CAUTION: Final = 0.8  # a dispersion from few stretches is taken at its upper bound
_AIM: Final = 0.8  # of the tolerance, so that the interval does not just touch it


@final
@dataclass(frozen=True, slots=True)
class Saturate:
    """Run a closed loop of `streams` for `requests`."""

    streams: int
    requests: int


@final
@dataclass(frozen=True, slots=True)
class Offer:
    """Run Poisson arrivals at `rate` a second for `requests`, without a cap."""

    rate: float
    requests: int


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What the search ends with, `knee` in requests a second.

    Without objectives the knee is the capacity with its interval; with them it is where they are
    just met, between the highest rate shown to meet them and the lowest shown not to. `sustained`
    is the highest
    rate whose backlog was shown not to grow, `overloaded` the lowest whose backlog was shown to.
    `closed_per_s` is what the closed loop completed: far above the capacity, it tells of a server
    that does worse when more is sent than it can take. `precise`: within the plan's tolerance.
    """

    knee: Estimate
    limit: Literal["capacity", "objectives"]
    sustained: Reading[float]
    overloaded: Reading[float]
    probes: int
    precise: bool
    closed_per_s: float


Instruction: TypeAlias = Saturate | Offer | Found


@final
@dataclass(frozen=True, slots=True)
class Probed:
    """What one probe showed after settling and before its last request was sent.

    `growth` is the share of the offered requests by which the backlog grew, with a two-sided 90 %
    interval. `dispersion` is that of the completions. `strain` is the worst found value over its
    limit: at 1 the objectives are just met.
    """

    offered_per_s: float
    completed_per_s: float
    completions: int
    dispersion: float
    growth: float
    growth_low: float
    growth_high: float
    objectives: GateState | None = None
    strain: Reading[float] = Missing("no_objectives", "none were given")

    @property
    def log_strain(self) -> float:
        """Its logarithm within bounds; a growing backlog, or no answer at all, is strain enough."""
        seen = self.strain.value if isinstance(self.strain, Measured) else _STRAIN_MOST
        bounded = min(_STRAIN_MOST, max(1 / _STRAIN_MOST, seen))
        return math.log(max(bounded, _STRAIN_OVER) if self.overloaded else bounded)

    @property
    def overloaded(self) -> bool:
        """Whether the backlog was shown to grow, and by more than a late burst could make it."""
        return self.growth_low > 0 and self.growth > _GROWTH_LEAST

    @property
    def met(self) -> bool:
        """Whether it was shown to meet the objectives."""
        return self.objectives == "met" and not self.overloaded

    @property
    def missed(self) -> bool:
        """Whether it was shown not to meet them."""
        return self.objectives == "failed" or self.overloaded

    @property
    def sustained(self) -> bool:
        """Whether it was shown not to grow by as much as a tenth of what was offered."""
        return not self.overloaded and self.growth_high < _SUSTAINED_GROWTH


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """How a search may go: `streams` must saturate the server, `requests` is a probe's least."""

    streams: int = 64
    requests: int = 1000
    requests_most: int = 4000
    probes_most: int = 8
    tolerance: float = 0.03

    @property
    def least(self) -> int:
        """The requests of a probe that is not asked for more."""
        return max(self.requests, _WAVES * self.streams)


@final
@dataclass(frozen=True, slots=True)
class _Pooled:
    """The capacity so far: its relative half-width, and the completions that it still takes."""

    rate: float
    half: float
    wanted: float
    knee: Estimate


@final
class KneeSearch:
    """The machine: `start`, then `handle` each result until it is `Found`."""

    def __init__(self, plan: Plan, *, objectives: bool = False) -> None:
        self._plan = plan
        self._objectives = objectives
        self._closed: Probed | None = None
        self._open: list[Probed] = []
        self._belows = 0
        self._guess, self._settled = 0.0, False

    def start(self) -> Instruction:
        """Return the first probe."""
        return Saturate(self._plan.streams, self._plan.least)

    def handle(self, result: Probed) -> Instruction:
        """Take a probe's result; return the next probe, or what was found."""
        if self._closed is None:
            self._closed = result
        else:
            self._open.append(result)
        if self._closed.completed_per_s <= 0:
            none = Missing("nothing_completed", "no request was answered at full load")
            return self._found(Estimate(none, none, none, 0), precise=False)
        return self._approached(self._closed) if self._objectives else self._measured(self._closed)

    def _measured(self, closed: Probed) -> Instruction:
        over = [probe for probe in self._open if probe.overloaded]
        full = [probe for probe in over if probe.completions]
        if not full and (over or self._all_spent):
            return self._unmeasured(closed)
        if not full:
            tried = max((probe.offered_per_s for probe in self._open), default=0.0)
            return Offer(_OVER * max(tried, closed.completed_per_s), self._plan.least)
        pooled = self._pooled(full)
        if self._all_spent:
            return self._found(pooled.knee, precise=pooled.half <= self._plan.tolerance)
        if self._belows < len(_BELOW) and not any(probe.sustained for probe in self._open):
            self._belows += 1
            return Offer(_BELOW[self._belows - 1] * pooled.rate, self._plan.least)
        if pooled.wanted <= 0:
            return self._found(pooled.knee, precise=True)
        each = math.ceil(pooled.wanted / self._left / (1 - _SETTLING))
        requests = min(max(each, self._plan.least), self._plan.requests_most)
        return Offer(_OVER * pooled.rate, max(requests, self._plan.least))

    def _unmeasured(self, closed: Probed) -> Found:
        least = max(probe.completed_per_s for probe in (closed, *self._open))
        why = (
            Missing("collapsed", "under a load above capacity no request was answered at all")
            if any(probe.overloaded for probe in self._open)
            else Missing("never_overloaded", f"at least {least:.3g}/s: no load was too much")
        )
        return self._found(Estimate(why, why, why, 0), precise=False)

    def _pooled(self, full: Sequence[Probed]) -> _Pooled:
        """Return the capacity by all overloaded probes, and how many completions it still takes."""
        n = sum(probe.completions for probe in full)
        rate = n / math.fsum(probe.completions / probe.completed_per_s for probe in full)
        dof = len(full) * (_STRETCHES - 1)
        seen = mean([probe.dispersion for probe in full])
        dispersion = seen * dof / chi2_quantile(1 - _CAUTION, dof)
        z = normal_quantile(0.5 + _CONFIDENCE / 2)
        # One completion more or less is what the ends of a window cannot tell.
        half = z * math.sqrt(dispersion / n) + len(full) / n
        aim = _AIM * self._plan.tolerance
        wanted = 0.0 if half <= aim else max(1.0, dispersion * (z / aim) ** 2 - n)
        low, high = (Measured(rate * (1 + side * half), "derived") for side in (-1, 1))
        return _Pooled(rate, half, wanted, Estimate(Measured(rate, "derived"), low, high, n))

    def _approached(self, closed: Probed) -> Instruction:
        cap = closed.completed_per_s * _ABOVE_CLOSED
        guess = _crossing(self._open, cap)
        both = len({probe.log_strain > 0 for probe in self._open}) > 1
        settled = both and abs(guess - self._guess) <= self._plan.tolerance / 2 * guess
        steady = settled and self._settled
        self._guess, self._settled = guess, settled
        shown = any(probe.met for probe in self._open)
        if self._all_spent or (steady and shown and self._left < _SECOND_LOOKS):
            return self._found(self._highest(guess), precise=steady)
        if both and not shown and self._left < _SECOND_LOOKS:
            # Probes on the edge decide nothing: what is met has to be shown a little below it.
            share = _BELOW[min(self._belows, len(_BELOW) - 1)]
            self._belows += 1
            return Offer(share * guess, max(self._plan.requests_most, self._plan.least))
        # The nearer the answer, the longer a probe has to be to move it the right way.
        requests = self._plan.requests_most if len(self._open) >= _COARSE else self._plan.least
        return Offer(guess, max(requests, self._plan.least))

    def _highest(self, guess: float) -> Estimate:
        """Return the guess between what was shown to be met and what was shown to be missed.

        A rate counts as shown only where no probe on its far side says otherwise.
        """
        n = sum(probe.completions for probe in self._open)
        met = [p.offered_per_s for p in self._open if p.met]
        doubted = [p.offered_per_s for p in self._open if not p.met]
        missed = [p.offered_per_s for p in self._open if p.missed]
        held = [rate for rate in met if rate < min(doubted, default=math.inf)]
        lost = [rate for rate in missed if rate > max(met, default=0.0)]
        low: Reading[float] = Missing("never_met", "no probe was shown to meet the objectives")
        high: Reading[float] = Missing("never_missed", "no probe was shown to miss the objectives")
        if held:
            low = Measured(min(guess, max(held)), "derived")
        if lost:
            high = Measured(max(guess, min(lost)), "derived")
        return Estimate(Measured(guess, "derived") if met else low, low, high, n)

    @property
    def _left(self) -> int:
        return self._plan.probes_most - 1 - len(self._open)

    @property
    def _all_spent(self) -> bool:
        return self._left <= 0

    def _found(self, knee: Estimate, *, precise: bool) -> Found:
        held = [probe.offered_per_s for probe in self._open if probe.sustained]
        full = [probe.offered_per_s for probe in self._open if probe.overloaded]
        return Found(
            knee=knee,
            limit="objectives" if self._objectives else "capacity",
            sustained=Measured(max(held), "derived")
            if held
            else Missing("not_shown", "no probe was long enough to show a steady backlog"),
            overloaded=Measured(min(full), "derived")
            if full
            else Missing("not_shown", "no probe was shown to be too much"),
            probes=1 + len(self._open),
            closed_per_s=self._closed.completed_per_s if self._closed else 0.0,
            precise=precise,
        )


def probed(
    sent_s: Sequence[float],
    done_s: Sequence[float],
    objectives: GateState | None = None,
    strain: Reading[float] = Missing("no_objectives", "none were given"),
) -> Probed:
    """Return what a probe showed: when requests were sent, and when good answers were complete.

    Failed requests have no moment in `done_s`. It takes at least 16 requests over some time.
    `objectives` should rest on an interval that knows of neighbours resembling each other.
    """
    sent, done = sorted(sent_s), sorted(done_s)
    if len(sent) < _STRETCHES or sent[-1] <= sent[0]:
        raise ValueError(f"a probe takes {_STRETCHES} requests over some time")
    begin = sent[0] + _SETTLING * (sent[-1] - sent[0])
    length = (sent[-1] - begin) / _STRETCHES
    edges = [*(begin + i * length for i in range(_STRETCHES)), sent[-1]]
    arrivals, answers = _counts(sent, edges), _counts(done, edges)
    net = [float(a - x) for a, x in zip(arrivals, answers, strict=True)]
    half = t_quantile(_CONFIDENCE, _STRETCHES - 1) * math.sqrt(variance(net) / _STRETCHES)
    offered, completions = mean(arrivals), sum(answers)
    return Probed(
        offered_per_s=offered / length,
        completed_per_s=completions / (length * _STRETCHES),
        completions=completions,
        dispersion=variance(answers) / mean(answers) if completions else 0.0,
        growth=mean(net) / offered,
        growth_low=(mean(net) - half) / offered,
        growth_high=(mean(net) + half) / offered,
        objectives=objectives,
        strain=strain,
    )


def _crossing(probes: Sequence[Probed], cap: float) -> float:
    """Return the rate at which the logarithm of the strain is likely to pass 0.

    A line through all probes, those near 0 and long ones weighing most; halves until there is a
    probe on either side.
    """
    below = [probe.offered_per_s for probe in probes if probe.log_strain <= 0]
    above = [probe.offered_per_s for probe in probes if probe.log_strain > 0]
    if not above:
        return (max(below, default=0.0) + cap) / 2
    if not below:
        return min(above) / 2
    weights = [p.completions / (1 + (p.log_strain / _NEAR) ** 2) ** 2 for p in probes]
    total = math.fsum(weights)
    pairs = list(zip(weights, probes, strict=True))
    x = math.fsum(w * p.offered_per_s for w, p in pairs) / total
    y = math.fsum(w * p.log_strain for w, p in pairs) / total
    across = math.fsum(w * (p.offered_per_s - x) * (p.log_strain - y) for w, p in pairs)
    along = math.fsum(w * (p.offered_per_s - x) ** 2 for w, p in pairs)
    guess = x - y * along / across if across > 0 else x
    full = [probe.offered_per_s for probe in probes if probe.overloaded]
    return min(max(guess, min(below)), max(above), *full, cap)


def _counts(moments: Sequence[float], edges: Sequence[float]) -> list[int]:
    places = [bisect_left(moments, edge) for edge in edges]
    return [after - before for before, after in pairwise(places)]
