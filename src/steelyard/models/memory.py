"""How much memory serving a model takes: weights + KV cache + compute buffers + the process.

KV = layers x context x slots x KV heads x head size x (bytes of a key + of a value). The compute
buffer is that of one micro-batch: logits, some activations, without flash attention the scores of
every head over the whole context. An estimate, until `history` corrects it by what was used. Not
aware of engines or of GPUs.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import TooLittleRoom
from steelyard.domain.subject import ArtifactFacts, EngineProfile
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models.disk import size

# Interpreter, library and server of the wheel, without any model: measured on x86-64 Linux.
PROCESS_BYTES: Final = 40 * 1024 * 1024
_FLOAT: Final = 4
_ACTIVATIONS: Final = 14  # widths of activations alive at once: the residual, q, k, v, a wide FFN
_FACTOR_RANGE: Final = (0.5, 3.0)
_CGROUP: Final = Path("/sys/fs/cgroup")


@final
@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The parts of an estimate in bytes, and the factor that earlier runs correct it by."""

    weights: int
    kv_cache: int
    compute: int
    process: int = PROCESS_BYTES
    factor: float = 1.0

    @property
    def total(self) -> int:
        """Bytes in all, corrected."""
        return int(self.factor * (self.weights + self.kv_cache + self.compute + self.process))


def estimate(
    facts: ArtifactFacts, profile: EngineProfile, history: Sequence[tuple[int, int]] = ()
) -> int:
    """Return the estimated bytes; `history` holds (estimated, used) of earlier runs here."""
    return parts(facts, profile, history).total


def parts(
    facts: ArtifactFacts, profile: EngineProfile, history: Sequence[tuple[int, int]] = ()
) -> MemoryEstimate:
    """Return the estimate part by part."""
    keys, values = (
        BY_NAME.get(name.upper(), BY_NAME["F16"]).bits_per_weight
        for name in (profile.kv_type, profile.kv_type_v or profile.kv_type)
    )
    cells = profile.context_tokens * profile.slots
    per_token = facts.layers * facts.kv_heads * facts.head_dim * (keys + values) / 8
    batch = min(profile.micro_batch_tokens, profile.context_tokens)
    heads = facts.embedding_length // facts.head_dim if facts.head_dim else 0
    widths = facts.vocabulary + _ACTIVATIONS * facts.embedding_length
    scores = 0 if profile.flash_attention else heads * cells
    return MemoryEstimate(
        weights=facts.tensor_bytes,
        kv_cache=int(per_token * cells),
        compute=_FLOAT * batch * (widths + scores),
        factor=correction(history),
    )


def correction(history: Sequence[tuple[int, int]]) -> float:
    """Return the median of used / estimated, within sane limits; 1 without a history."""
    ratios = [used / estimated for estimated, used in history if estimated > 0 and used > 0]
    if not ratios:
        return 1.0
    low, high = _FACTOR_RANGE
    return min(high, max(low, statistics.median(ratios)))


def require(
    facts: ArtifactFacts,
    profile: EngineProfile,
    *,
    available: int | None = None,
    history: Sequence[tuple[int, int]] = (),
) -> None:
    """Raise `TooLittleRoom` when the estimate exceeds what is free now."""
    needed = parts(facts, profile, history)
    free = available_bytes() if available is None else available
    if needed.total <= free:
        return
    raise TooLittleRoom(
        f"{facts.quant} at {profile.context_tokens} tokens of context would take about"
        f" {size(needed.total)} of memory (weights {size(needed.weights)}, KV cache"
        f" {size(needed.kv_cache)}), and {size(free)} are free",
        hint="close programs, ask for a shorter context, fewer slots or a smaller quant",
    )


def available_bytes() -> int:
    """Return the memory that can be taken now, within the container's limit if it has one."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    return free if limit is None or used is None else min(free, max(0, limit - used))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
