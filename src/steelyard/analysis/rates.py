"""How fast a model will answer on a machine that was calibrated, with an interval. Pure.

One token of one stream takes, layer by layer, a fixed time, and besides the time to read every
weight that it needs, at the rate that this machine has for that type of weight, and what its
context has kept. A prompt takes its multiplications. Rates are measured on files of one type;
how far the sum is off is measured on models that none of the rates came from, and the interval is
no narrower than the worst of those. Measurements of real models here then shift it. Not aware of
how rates are measured or kept.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import ArtifactFacts
from steelyard.domain.summary import Estimate
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.stats.quantiles import quantile, sample_floor

Pairs: TypeAlias = Sequence[tuple[float, float]]

# Norms, biases and routers: too few weights to matter, whatever they are stored as.
_NEGLIGIBLE: Final = 0.02
_SURE: Final = 0.95


@final
@dataclass(frozen=True, slots=True)
class TypeRate:
    """One type of weight on this machine: bytes a second while decoding, weights while reading."""

    decode_bytes_per_s: float
    prompt_weights_per_s: float


@final
@dataclass(frozen=True, slots=True)
class Tried:
    """A model that no rate came from: what was foreseen of it and what was measured, in tok/s."""

    name: str
    output_foreseen: float
    output_measured: float
    prompt_foreseen: float
    prompt_measured: float


@final
@dataclass(frozen=True, slots=True)
class Rates:
    """What a calibration found. `layer_s` is a layer's time beside its weights; errors are |ln|.

    `factor` and `output_error` change with measurements of real models; `measured` counts them.
    """

    threads: int
    layer_s: float
    types: Mapping[str, TypeRate]
    kv_bytes_per_s: float
    output_error: float
    prompt_error: float
    tried: tuple[Tried, ...] = ()
    factor: float = 1.0
    measured: int = 0


def output_tps(rates: Rates, facts: ArtifactFacts, kept_bytes: float = 0.0) -> Estimate:
    """Foresee the tokens a second of one stream whose context has kept so many bytes."""
    seconds = decode_seconds(rates, facts, kept_bytes)
    if isinstance(seconds, Missing):
        return _none(seconds)
    return _around(rates.factor / seconds.value, rates.output_error, len(rates.tried))


def prompt_tps(rates: Rates, facts: ArtifactFacts) -> Estimate:
    """Foresee the tokens a second of a short prompt."""
    seconds = prompt_seconds(rates, facts)
    if isinstance(seconds, Missing):
        return _none(seconds)
    return _around(1 / seconds.value, rates.prompt_error, len(rates.tried))


def decode_seconds(rates: Rates, facts: ArtifactFacts, kept_bytes: float = 0.0) -> Reading[float]:
    """Return the seconds that one token takes, uncorrected."""
    lacking = _lacking(rates, facts)
    if lacking is not None:
        return lacking
    total = facts.layers * rates.layer_s
    for name, elements in _read(facts).items():
        if name in rates.types:
            kind = BY_NAME[name]
            size = elements / kind.block * kind.block_bytes
            total += size / rates.types[name].decode_bytes_per_s
    if kept_bytes:
        total += kept_bytes / rates.kv_bytes_per_s
    return Measured(total, "estimated")


def prompt_seconds(rates: Rates, facts: ArtifactFacts) -> Reading[float]:
    """Return the seconds that one token of a prompt takes."""
    lacking = _lacking(rates, facts)
    if lacking is not None:
        return lacking
    per_type = _read(facts).items()
    total = sum(
        elements / rates.types[name].prompt_weights_per_s
        for name, elements in per_type
        if name in rates.types
    )
    return Measured(total, "estimated")


def error_of(tried: Sequence[Tried]) -> tuple[float, float]:
    """Return the largest |ln(measured / foreseen)| of output and of prompt speeds."""
    output = [abs(math.log(one.output_measured / one.output_foreseen)) for one in tried]
    prompt = [abs(math.log(one.prompt_measured / one.prompt_foreseen)) for one in tried]
    return max(output, default=math.inf), max(prompt, default=math.inf)


def corrected(rates: Rates, pairs: Pairs) -> Rates:
    """Shift by what real models did here: pairs of (foreseen, measured) output speeds.

    The middle of the ratios becomes the factor. The interval becomes theirs once there are enough
    for one; until then it only grows.
    """
    ratios = [measured / foreseen for foreseen, measured in pairs if foreseen > 0 and measured > 0]
    if not ratios:
        return rates
    factor = statistics.median(ratios)
    off = [abs(math.log(ratio / factor)) for ratio in ratios]
    if len(off) >= sample_floor(0.5, _SURE):
        error = quantile(off, _SURE)
    else:
        error = max(rates.output_error, *off)
    return replace(rates, factor=factor, output_error=error, measured=len(ratios))


def _lacking(rates: Rates, facts: ArtifactFacts) -> Missing | None:
    read = _read(facts)
    if not read:
        return Missing("no_facts", "the file does not tell what a token reads of it")
    absent = {name: count for name, count in read.items() if name not in rates.types}
    share = sum(absent.values()) / sum(read.values())
    if share <= _NEGLIGIBLE:
        return None
    names = ", ".join(sorted(absent))
    return Missing("no_rate", f"{share:.0%} of the weights are {names}, which was not calibrated")


def _read(facts: ArtifactFacts) -> Mapping[str, int]:
    return facts.memory.read_elements if facts.memory is not None else {}


def _around(value: float, error: float, n: int) -> Estimate:
    wide = math.exp(error)
    low: Reading[float] = Missing("not_tried", "the calibration was tried on no other model")
    high = low
    if math.isfinite(wide):
        low, high = Measured(value / wide, "estimated"), Measured(value * wide, "estimated")
    return Estimate(Measured(value, "estimated"), low, high, n)


def _none(why: Missing) -> Estimate:
    return Estimate(why, why, why, 0)
