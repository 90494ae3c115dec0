"""From pairs of answers, one with a draft model and one without, to what the draft is worth.

A pair is one prompt on both servers, so what a prompt is like falls out of every ratio. Ratios are
of sums with Fieller's interval (`stats.ratios`), shares have Wilson's. Acceptance is the engine's
own count: `draft_n_accepted / draft_n` of llama.cpp's timings. Not aware of servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Missing, Reading, derived, value_of
from steelyard.domain.speculation import Domain, DomainSpeculation, LevelSpeculation
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.summary import Estimate
from steelyard.stats.proportions import share_estimate
from steelyard.stats.ratios import ratio_estimate


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt, answered without and with the draft."""

    domain: Domain
    plain: Attempt
    drafted: Attempt

    @property
    def whole(self) -> bool:
        """Whether both were answered."""
        return isinstance(self.plain.outcome, Completed) and isinstance(
            self.drafted.outcome, Completed
        )


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """The same requests at one level on both servers: tokens that came, and in which time."""

    streams: int
    plain_tokens: int
    plain_s: float
    drafted_tokens: int
    drafted_s: float


def by_domain(domain: Domain, pairs: Sequence[Pair]) -> DomainSpeculation:
    """Return what the pairs of one kind of text say."""
    asked = [pair for pair in pairs if pair.domain == domain]
    mine = [pair for pair in asked if pair.whole]
    same = [pair.plain.text == pair.drafted.text for pair in mine]
    paces = _both([(timing.tpot_s(p.plain), timing.tpot_s(p.drafted)) for p in mine])
    firsts = _both([(timing.ttft_s(p.plain), timing.ttft_s(p.drafted)) for p in mine])
    return DomainSpeculation(
        domain,
        asked=len(asked),
        pairs=len(mine),
        timed=len(paces),
        acceptance=_acceptance(mine),
        speedup=_of_times([a for a, _ in paces], [b for _, b in paces]),
        prefill=_of_times([b for _, b in firsts], [a for a, _ in firsts]),
        identical=share_estimate(same),
    )


def by_level(streams: int, turns: Sequence[Turn]) -> LevelSpeculation:
    """Return the ratio of throughputs at one level, a turn being one independent sample."""
    mine = [turn for turn in turns if turn.streams == streams]
    usable = [t for t in mine if t.plain_tokens and t.drafted_tokens]
    plain = [turn.plain_s / turn.plain_tokens for turn in usable]
    drafted = [turn.drafted_s / turn.drafted_tokens for turn in usable]
    return LevelSpeculation(streams, len(usable), _of_times(plain, drafted))


def break_even(levels: Sequence[LevelSpeculation]) -> Reading[int]:
    """Return the first level whose whole interval lies below 1: the draft costs time there."""
    for level in sorted(levels, key=lambda one: one.streams):
        high = value_of(level.speedup.high)
        if high is not None and high < 1:
            return Measured(level.streams, "derived")
    most = max((level.streams for level in levels), default=0)
    return Missing("not_reached", f"the draft is not shown to cost time up to {most} at a time")


def _acceptance(pairs: Sequence[Pair]) -> Estimate:
    counted = [
        (accepted, drafted)
        for pair in pairs
        if (timings := value_of(pair.drafted.timings)) is not None
        and (drafted := value_of(timings.draft_tokens)) is not None
        and (accepted := value_of(timings.accepted_tokens)) is not None
    ]
    if not counted:
        none = Missing("not_reported", "the engine counted no drafted tokens")
        return Estimate(none, none, none, 0)
    found = ratio_estimate([float(a) for a, _ in counted], [float(d) for _, d in counted])
    return replace(found, low=derived(found.low, _share), high=derived(found.high, _share))


def _of_times(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """Return a ratio of times, which cannot be below 0, whatever few pairs let Fieller say."""
    found = ratio_estimate(over, under)
    return replace(found, low=derived(found.low, lambda bound: max(0.0, bound)))


def _share(bound: float) -> float:
    """No more can be accepted than was drafted, whatever a symmetric interval says."""
    return min(1.0, max(0.0, bound))


def _both(pairs: Sequence[tuple[Reading[float], Reading[float]]]) -> list[tuple[float, float]]:
    return [
        (first, second)
        for a, b in pairs
        if (first := value_of(a)) is not None and (second := value_of(b)) is not None
    ]
