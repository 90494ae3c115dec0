"""From log-probabilities by position to perplexity, KL divergence and top-token agreement.

Neighbouring positions resemble each other, so intervals are those of batch means. These numbers
identify, screen and alarm; they never decide and are never utility. Not aware of where the arrays
come from. Sources: perplexity = exp(mean negative log-likelihood), its bounds those of the mean;
KL divergence KL(reference || variant) in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, Fidelity
from steelyard.stats.means import batch_means


@final
@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a fidelity number says nothing without."""

    text_sha256: str
    context_tokens: int
    kv_type: str
    reference_sha256: str


@final
@dataclass(frozen=True, slots=True)
class Positions:
    """One value for each scored position: divergence and the variant's own surprise, in nats."""

    kl_divergence: Sequence[float]
    negative_log_likelihood: Sequence[float]
    top_is_same: Sequence[bool]


def compared(positions: Positions, where: Circumstances) -> Reading[Fidelity]:
    """Estimate a variant's distance to the reference."""
    divergence = [float(value) for value in positions.kl_divergence]
    surprise = [float(value) for value in positions.negative_log_likelihood]
    same = [float(value) for value in positions.top_is_same]
    if not len(divergence) == len(surprise) == len(same):
        return Missing("uneven_positions", "the arrays of one comparison differ in length")
    if (unfit := _unfit(divergence + surprise)) is not None:
        return unfit
    return Measured(
        Fidelity(
            perplexity=_mapped(batch_means(surprise), math.exp),
            kl_divergence=_mapped(batch_means(divergence), lambda x: max(0.0, x)),
            top_agreement=_mapped(batch_means(same), lambda x: min(1.0, max(0.0, x))),
            positions=len(divergence),
            text_sha256=where.text_sha256,
            context_tokens=where.context_tokens,
            kv_type=where.kv_type,
            reference_sha256=where.reference_sha256,
        ),
        "derived",
    )


def of_reference(
    negative_log_likelihood: Sequence[float], where: Circumstances
) -> Reading[Fidelity]:
    """Estimate the reference's own perplexity; its distance to itself is nothing to measure."""
    surprise = [float(value) for value in negative_log_likelihood]
    if (unfit := _unfit(surprise)) is not None:
        return unfit
    itself = Missing("is_reference", "the reference is what the others are compared with")
    nothing = Estimate(itself, itself, itself, 0)
    return Measured(
        Fidelity(
            perplexity=_mapped(batch_means(surprise), math.exp),
            kl_divergence=nothing,
            top_agreement=nothing,
            positions=len(surprise),
            text_sha256=where.text_sha256,
            context_tokens=where.context_tokens,
            kv_type=where.kv_type,
            reference_sha256=where.reference_sha256,
        ),
        "derived",
    )


def _unfit(values: Sequence[float]) -> Missing | None:
    if not values:
        return Missing("no_positions", "no position was scored")
    if not all(math.isfinite(value) for value in values):
        return Missing("not_finite", "a log-probability is not a number: the model overflows")
    return None


def _mapped(estimate: Estimate, through: Callable[[float], float]) -> Estimate:
    """Carry an estimate through a rising function, bounds and all."""
    return Estimate(
        _through(estimate.value, through),
        _through(estimate.low, through),
        _through(estimate.high, through),
        estimate.n,
    )


def _through(reading: Reading[float], through: Callable[[float], float]) -> Reading[float]:
    if isinstance(reading, Missing):
        return reading
    return Measured(through(reading.value), reading.source)
