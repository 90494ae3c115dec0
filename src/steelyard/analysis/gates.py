"""Hard gates: met, failed or undecided, each with what was demanded and what was found.

A gate is met when its whole interval lies inside the limit, failed when the whole of it lies
outside, else undecided; no sample is never a pass. The quality gate is the verdict itself, over
the pooled items; families are shown and never gated. Not aware of what a gate is used for.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from steelyard.analysis.verdict import QUALIFYING
from steelyard.domain.campaign import Gates
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Gate, GateState, Verdict

QUALITY: Final = "paired loss of right answers"
ADHERENCE: Final = "adherence"
TTFT: Final = "time to first token"
OUTPUT_SPEED: Final = "output speed"

# The order in which gates are shown and in which ties for the binding one are broken.
ORDER: Final = (QUALITY, ADHERENCE, TTFT, OUTPUT_SPEED)

# How what was found begins where there is no number.
NOT_MEASURED: Final = "not measured: "


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What one variant brings to the gates.

    `adherence_loss` is the paired loss against the reference (of the reference itself: None), and
    `formats` says whether any item of the sweep states a format at all. `taken_at` names what the
    speeds were taken under.
    """

    verdict: Reading[Verdict]
    is_reference: bool
    adherence: Estimate
    adherence_loss: Estimate | None
    formats: bool
    ttft_s: Estimate
    output_tps: Estimate
    taken_at: str = ""


def judge(found: Found, limits: Gates) -> tuple[Gate, ...]:
    """Hold one variant against the limits; where no item states a format there is no such gate."""
    quality = _quality(found, limits)
    at = f", {found.taken_at}" if found.taken_at else ""
    speed = (
        Gate(
            TTFT,
            _at_most(found.ttft_s, limits.ttft_s_max),
            f"at most {limits.ttft_s_max:g} s",
            _shown(found.ttft_s, "s") + at,
        ),
        Gate(
            OUTPUT_SPEED,
            _at_least(found.output_tps, limits.output_tps_min),
            f"at least {limits.output_tps_min:g} tok/s",
            _shown(found.output_tps, "tok/s") + at,
        ),
    )
    return (quality, _adherence(found, limits), *speed) if found.formats else (quality, *speed)


def passes(gates: tuple[Gate, ...]) -> bool:
    """Say whether every gate is met; without gates nothing passes."""
    return bool(gates) and all(gate.state == "met" for gate in gates)


def points(share: float) -> str:
    """Write a share of items as points, the way people speak of a loss."""
    return f"{100 * share:.1f}"


def _quality(found: Found, limits: Gates) -> Gate:
    demanded = f"less than {points(limits.margin)} points lost"
    if found.is_reference:
        return Gate(QUALITY, "met", demanded, "it is the reference")
    if isinstance(found.verdict, Missing):
        return Gate(QUALITY, "undecided", demanded, f"{NOT_MEASURED}{found.verdict}")
    seen = found.verdict.value
    state: GateState = (
        "met" if seen.name in QUALIFYING else "failed" if seen.name == "worse" else "undecided"
    )
    interval = f"[{points(seen.low)}, {points(seen.high)}]"
    return Gate(
        QUALITY, state, demanded, f"{points(seen.loss)} points lost {interval}: {seen.name}"
    )


def _adherence(found: Found, limits: Gates) -> Gate:
    """Adherence itself, and what of it is lost against the reference: the worse of the two."""
    least, most = limits.adherence_min, limits.adherence_loss_max
    states = [_at_least(found.adherence, least)]
    text = _shown(found.adherence, "%", 100)
    if found.adherence_loss is not None:
        states.append(_at_most(found.adherence_loss, most))
        text += f", {_shown(found.adherence_loss, 'points lost', 100)}"
    worst: GateState = (
        "failed" if "failed" in states else "undecided" if "undecided" in states else "met"
    )
    demanded = f"at least {100 * least:g} %, at most {points(most)} points lost"
    return Gate(ADHERENCE, worst, demanded, text)


def _at_most(estimate: Estimate, limit: float) -> GateState:
    bounds = _bounds(estimate)
    if bounds is None:
        return "undecided"
    return "met" if bounds[1] <= limit else "failed" if bounds[0] > limit else "undecided"


def _at_least(estimate: Estimate, limit: float) -> GateState:
    bounds = _bounds(estimate)
    if bounds is None:
        return "undecided"
    return "met" if bounds[0] >= limit else "failed" if bounds[1] < limit else "undecided"


def _bounds(estimate: Estimate) -> tuple[float, float] | None:
    if isinstance(estimate.low, Measured) and isinstance(estimate.high, Measured):
        return estimate.low.value, estimate.high.value
    return None


def _shown(estimate: Estimate, unit: str, scale: float = 1.0) -> str:
    match estimate:
        case Estimate(
            value=Measured(value=value), low=Measured(value=low), high=Measured(value=high)
        ):
            numbers = f"[{_digits(scale * low)}, {_digits(scale * high)}]"
            return f"{_digits(scale * value)} {unit} {numbers}"
        case Estimate(value=Measured(value=value)):
            few = f"{counted(estimate.n, 'sample')}: too few for an interval"
            return f"{_digits(scale * value)} {unit}, {few}"
        case _:
            return f"{NOT_MEASURED}{estimate.value}"


def _digits(value: float) -> str:
    """Write a number with three digits that count, never in exponent form."""
    return f"{Decimal(f'{value:.3g}'):,f}"
