"""The canary: ten repeats of one fixed request, which say how noisy this engine is here (row H3).

Adherence that varies, text that varies where the engine promises that it does not, or missing
telemetry block a campaign: what follows would not be a measurement. The spread of model latency,
with its interval, sets the noise floor, below which no difference between variants is shown; the
strict control profile blocks above its limit. Not aware of how the repeats were made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis import timing
from steelyard.analysis.metrics import load
from steelyard.domain.caution import Caution
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import ControlProfile, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark
from steelyard.stats.means import cv_estimate
from steelyard.stats.special import normal_quantile

_POWER: Final = 0.8


@final
@dataclass(frozen=True, slots=True)
class CanaryVerdict:
    """What ten repeats showed. `blocking` is empty when the campaign may go on.

    `latency_cv` is the relative spread of model latency, by the clock named in `basis`;
    `smallest_difference` the smallest relative difference between the means of as many repeats
    each that shows with 80 % power.
    """

    blocking: tuple[Caution, ...]
    latency_cv: Estimate
    basis: timing.Basis
    smallest_difference: Reading[float]
    adherence_spread: Reading[float]
    identical_share: Reading[float]
    missing_share: Reading[float]

    @property
    def passed(self) -> bool:
        """Whether nothing blocks."""
        return not self.blocking


def canary(
    sections: Sequence[Section],
    profile: ControlProfile,
    *,
    promises_determinism: bool = True,
    confidence: float = 0.95,
) -> CanaryVerdict:
    """Judge the repeats of one fixed request: one section that holds them all, or one each."""
    attempts = [attempt for section in sections for attempt in section.attempts]
    whole = [attempt for section in sections for attempt in load.completed(section)]
    latencies, basis = _model_latencies(whole)
    cv = cv_estimate(latencies, confidence)
    spread = _adherence_spread([mark for s in sections for mark in s.marks.values()])
    same = _identical_share(whole)
    missing = _missing_share(attempts)
    blocking = (
        *_telemetry(missing),
        *_adherence(spread),
        *(_determinism(same) if promises_determinism else ()),
        *_noise(cv, profile),
    )
    return CanaryVerdict(
        blocking=blocking,
        latency_cv=cv,
        basis=basis,
        smallest_difference=derived(
            cv.value, lambda value: smallest_difference(value, len(latencies), confidence)
        ),
        adherence_spread=spread,
        identical_share=same,
        missing_share=missing,
    )


def smallest_difference(cv: float, repeats: int, confidence: float = 0.95) -> float:
    """Return the relative difference of two means of `repeats` each that shows with 80 % power."""
    reach = normal_quantile(0.5 + confidence / 2) + normal_quantile(_POWER)
    return reach * cv * math.sqrt(2 / repeats)


def _model_latencies(attempts: Sequence[Attempt]) -> tuple[list[float], timing.Basis]:
    """Return the engine's own time of every repeat, or the client's where one is without it."""
    engine = load.measured(timing.engine_s, attempts)
    if len(engine) == len(attempts):
        return list(engine), "engine"
    return list(load.measured(timing.e2e_s, attempts)), "client"


def _adherence_spread(marks: Sequence[Mark]) -> Reading[float]:
    shares = [
        sum(mark.constraints.values()) / len(mark.constraints) for mark in marks if mark.constraints
    ]
    if not shares:
        return Missing("not_applicable", "the repeated request states no format")
    return Measured(max(shares) - min(shares), "derived")


def _identical_share(attempts: Sequence[Attempt]) -> Reading[float]:
    texts = Counter((attempt.reasoning, attempt.text) for attempt in attempts)
    if not texts:
        return Missing("no_requests", "no repeat was answered whole")
    return Measured(texts.most_common(1)[0][1] / texts.total(), "derived")


def _missing_share(attempts: Sequence[Attempt]) -> Reading[float]:
    """Return the share of repeats that failed or whose tokens were not counted and timed."""
    if not attempts:
        return Missing("no_requests", "the canary was not run")
    bad = [a for a in attempts if a.outcome.kind == "failed" or timing.telemetry_status(a) != "OK"]
    return Measured(len(bad) / len(attempts), "derived")


def _telemetry(missing: Reading[float]) -> Iterator[Caution]:
    if isinstance(missing, Missing) or missing.value > 0:
        seen = str(missing) if isinstance(missing, Missing) else f"{missing.value:.0%} of repeats"
        yield Caution(
            "CANARY_MISSING_TELEMETRY",
            f"telemetry is missing: {seen}",
            "check in the engine's log that it streams and reports usage",
        )


def _adherence(spread: Reading[float]) -> Iterator[Caution]:
    if isinstance(spread, Measured) and spread.value > 0:
        yield Caution(
            "CANARY_ADHERENCE_SPREAD",
            f"the same request kept its format differently, by {spread.value:.2f}",
            "fix the seed and temperature 0, use one slot and switch the prefix cache off",
        )


def _determinism(same: Reading[float]) -> Iterator[Caution]:
    if isinstance(same, Measured) and same.value < 1:
        yield Caution(
            "CANARY_NOT_DETERMINISTIC",
            f"{1 - same.value:.0%} of the repeats gave another text",
            "fix the seed and temperature 0, use one slot and switch the prefix cache off",
        )


def _noise(cv: Estimate, profile: ControlProfile) -> Iterator[Caution]:
    limit = profile.blocking_noise_cv
    if limit is not None and (isinstance(cv.value, Missing) or cv.value.value > limit):
        seen = str(cv.value) if isinstance(cv.value, Missing) else f"{cv.value.value:.1%}"
        yield Caution(
            "CANARY_TOO_NOISY",
            f"spread of model latency: {seen} (limit {limit:.0%})",
            "stop other programs, pin threads and the clock, or use the standard profile",
        )
