"""The limits of a fit frontier, what a run showed, and what it lacks of them, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Measured, Reading
from steelyard.models.disk import size


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What a cell must meet: bytes of this machine and of a GPU, tokens a second at full context.

    `gpu_bytes` is None where nothing is put on a GPU.
    """

    memory_bytes: int
    output_tps: float
    gpu_bytes: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What one run showed; `tokens` stood in the context at its end, by the server's count.

    Where an early look already decided, `tokens` is 0, and speed and memory are those of an empty
    context. `polluted` names what was wrong with the machine meanwhile.
    """

    memory_bytes: Reading[int]
    gpu_bytes: Reading[int]
    output_tps: Reading[float]
    prompt_tps: Reading[float]
    tokens: int
    seconds: float
    polluted: str = ""


def shortfall(seen: Seen, limits: Limits) -> str:
    """Return what a run lacks of the limits, in words; empty where it meets them all."""
    lacking = [_too_large(seen, limits), _too_slow(seen, limits)]
    return "; ".join(each for each in lacking if each)


def takes_more(seen: Seen, limits: Limits) -> bool:
    """Whether a run surely took more memory than it may."""
    gpu = seen.gpu_bytes.value if isinstance(seen.gpu_bytes, Measured) else 0
    own = seen.memory_bytes.value if isinstance(seen.memory_bytes, Measured) else 0
    over = limits.gpu_bytes is not None and gpu > limits.gpu_bytes
    return over or own > limits.memory_bytes


def _too_large(seen: Seen, limits: Limits) -> str:
    """Return by how much a run's memory is beyond the limits, or empty."""
    parts = [("memory", seen.memory_bytes, limits.memory_bytes)]
    if limits.gpu_bytes is not None:
        parts.append(("the GPU", seen.gpu_bytes, limits.gpu_bytes))
    said = []
    for name, reading, most in parts:
        match reading:
            case Measured(value=value) if value > most:
                said.append(f"{size(value)} of {name}, and {size(most)} may be taken")
            case Measured():
                pass
            case why:
                said.append(f"what it took of {name} is not known: {why}")
    return "; ".join(said)


def miss(runs: Sequence[Seen], limits: Limits) -> float | None:
    """Return how far a cell is from the limits: 1.2 is a fifth too large or too slow.

    None where nothing of it was measured. By whatever run came nearest.
    """
    found = [_miss(seen, limits) for seen in runs]
    return min((one for one in found if one is not None), default=None)


def _miss(seen: Seen, limits: Limits) -> float | None:
    parts = []
    if isinstance(seen.memory_bytes, Measured):
        parts.append(seen.memory_bytes.value / max(1, limits.memory_bytes))
    if isinstance(seen.output_tps, Measured) and seen.output_tps.value > 0:
        parts.append(limits.output_tps / seen.output_tps.value)
    if limits.gpu_bytes is not None and isinstance(seen.gpu_bytes, Measured):
        parts.append(seen.gpu_bytes.value / max(1, limits.gpu_bytes))
    return max(parts, default=None)


def _too_slow(seen: Seen, limits: Limits) -> str:
    match seen.output_tps:
        case Measured(value=value) if value >= limits.output_tps:
            return ""
        case Measured(value=value):
            where = "with its context full" if seen.tokens else "with an empty context"
            return f"{value:.1f} tok/s {where}, and {limits.output_tps:g} are wanted"
        case why:
            return f"its speed is not known: {why}"
