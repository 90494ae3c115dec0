"""How speed follows the layers on a GPU, and the number of GPUs. Not aware of how it was measured.

Estimates of speeds rest on rounds: in each one every setting was measured once, and `n` counts
them. Ratios pair the settings of one round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate


@final
@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured here, why, and what would change that."""

    what: str
    code: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        return f"skipped: {self.reason}{f' ({self.hint})' if self.hint else ''}"


@final
@dataclass(frozen=True, slots=True)
class Speeds:
    """Of one setting: tokens a second of one answer after its first, of the prompt, of all streams.

    `load_s` is from the start of the engine until it was ready.
    """

    decode_tps: Estimate
    prefill_tps: Estimate
    system_tps: Estimate
    load_s: Estimate


@final
@dataclass(frozen=True, slots=True)
class LayerLevel:
    """So many layers on the GPU. Ratios are against the fewest layers that were tried.

    `told` is how many the engine says it put there. `host_bytes` is the most that its processes
    held, `device_bytes` by how much the memory in use on all GPUs had grown. `joules_per_token`
    has a meter's energy over output tokens, the prompt's share in it. `failed` says why it is not
    measured.
    """

    layers: int
    rounds: int
    told: Reading[str]
    speeds: Speeds
    decode_ratio: Estimate
    prefill_ratio: Estimate
    host_bytes: Reading[int]
    device_bytes: Reading[int]
    joules_per_token: Mapping[str, Reading[float]] = field(default_factory=dict)
    failed: str = ""


@final
@dataclass(frozen=True, slots=True)
class Offload:
    """A model with more and more of its layers on a GPU; `all_layers` counts its output as one.

    `knee` is the fewest layers whose decoding is shown to be within a tenth of the fastest.
    `pays_from` is the fewest that decode faster than the first level, beyond noise; `costs_at` are
    those that decode slower. `saved_s` is the time per token that one more layer saves: the slope
    of a straight line through each round.
    """

    model: str
    engine: str
    device: str
    all_layers: int
    prompt_tokens: int
    output_tokens: int
    levels: tuple[LayerLevel, ...]
    knee: Reading[int]
    pays_from: Reading[int]
    costs_at: tuple[int, ...]
    saved_s: Estimate
    simulated: bool = False


@final
@dataclass(frozen=True, slots=True)
class Gain:
    """What more GPUs bring to one speed. p is the number of GPUs over that of the first size.

    `speedup` S is the speed over the first size's. `efficiency` is S / p. `serial` is the
    experimentally determined serial fraction of Karp and Flatt, (1/S - 1/p) / (1 - 1/p): what does
    not get faster, communication and all. Missing for the first size itself.
    """

    speedup: Estimate
    efficiency: Estimate
    serial: Estimate


@final
@dataclass(frozen=True, slots=True)
class GpuCount:
    """So many GPUs share the model.

    `overhead_s` is estimated: time per token beyond 1/p of that of the first size, whatever it is
    spent on; `overhead` is its share of the time per token.
    """

    gpus: int
    rounds: int
    speeds: Speeds
    decode: Gain
    prefill: Gain
    system: Gain
    overhead_s: Estimate
    overhead: Estimate
    device_bytes: Reading[int]
    failed: str = ""


@final
@dataclass(frozen=True, slots=True)
class Parallel:
    """A model on more and more GPUs. `serial` fits Amdahl's law to all sizes' decoding speeds.

    `growth` is the serial fraction of the largest size minus that of the smallest beyond the
    first: above 0, the overhead grows with the GPUs, as communication does and a serial part does
    not. `sizes_by` says who vouches for the numbers of GPUs.
    """

    model: str
    engine: str
    streams: int
    prompt_tokens: int
    output_tokens: int
    sizes: tuple[GpuCount, ...]
    skipped: tuple[Skipped, ...]
    serial: Estimate
    growth: Estimate
    sizes_by: str
    simulated: bool = False
