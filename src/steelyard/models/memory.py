"""How much memory serving a model takes: its parts added up, and what is free for it.

`total` is what the engine's process shows while it works; `needed` leaves out what the system may
take back from it. An estimate, until `history` corrects it by what earlier runs here used. The
formulas are llama.cpp's on a processor (`memory_parts`). Not aware of engines or of GPUs.
"""

from __future__ import annotations

import functools
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias, final

from steelyard.domain.errors import TooLittleRoom
from steelyard.domain.subject import ArtifactFacts, EngineProfile, LayerCache, MemoryFacts
from steelyard.models import memory_parts
from steelyard.models.disk import size
from steelyard.models.memory_parts import PROCESS_BYTES

_FACTOR_RANGE: Final = (0.5, 3.0)
_CGROUP: Final = Path("/sys/fs/cgroup")
_CPU_INFO: Final = Path("/proc/cpuinfo")
# Types whose weights llama.cpp's kernels want in another order where a processor has AVX2.
_REORDERED: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})

History: TypeAlias = Sequence[tuple[int, int]]


@final
@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The parts of an estimate in bytes, and the factor that earlier runs correct it by.

    `copies` are weights still mapped from the file after a copy in another order was made;
    `output`, `choices` and `work` are what answering takes, `words` the tokenizer's tables.
    """

    weights: int
    kv_cache: int
    compute: int
    process: int = PROCESS_BYTES
    factor: float = 1.0
    copies: int = 0
    state: int = 0
    work: int = 0
    output: int = 0
    choices: int = 0
    words: int = 0
    checkpoints: int = 0

    @property
    def total(self) -> int:
        """Bytes that the process shows as its own, corrected."""
        return int(self.factor * (self._always + self.copies))

    @property
    def needed(self) -> int:
        """Bytes that it cannot do without, corrected."""
        return int(self.factor * self._always)

    @property
    def _always(self) -> int:
        cache = self.kv_cache + self.state + self.checkpoints
        room = self.compute + self.work + self.output + self.choices
        return self.weights + cache + room + self.words + self.process


def estimate(facts: ArtifactFacts, profile: EngineProfile, history: History = ()) -> int:
    """Return the estimated bytes; `history` holds (estimated, used) of earlier runs here."""
    return parts(facts, profile, history).total


def parts(facts: ArtifactFacts, profile: EngineProfile, history: History = ()) -> MemoryEstimate:
    """Return the estimate part by part."""
    memory = facts.memory or _plain(facts)
    return MemoryEstimate(
        weights=facts.tensor_bytes,
        kv_cache=memory_parts.kv_cache(memory, profile),
        compute=memory_parts.compute(facts, memory, profile),
        factor=correction(history),
        copies=memory_parts.copies(memory, reordered(), profile),
        state=memory_parts.state(memory, profile),
        work=memory_parts.work(memory, profile),
        output=memory_parts.output(facts, profile),
        choices=memory_parts.choices(facts, profile),
        words=memory_parts.words(facts, memory),
        checkpoints=memory_parts.checkpoints(memory, profile),
    )


def so_far(facts: ArtifactFacts, profile: EngineProfile, longest: int) -> MemoryEstimate:
    """Return the estimate for an engine none of whose slots has yet held more tokens than that.

    The cache is there from the start; buffers and copies are used no further than that.
    """
    whole = parts(facts, profile)
    reached = min(max(1, longest), profile.context_tokens)
    used = parts(facts, replace(profile, context_tokens=reached))
    return replace(whole, compute=used.compute, work=used.work, checkpoints=used.checkpoints)


def correction(history: History) -> float:
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
    history: History = (),
) -> None:
    """Raise `TooLittleRoom` when what it cannot do without exceeds what is free now."""
    found = parts(facts, profile, history)
    free = available_bytes() if available is None else available
    if found.needed <= free:
        return
    raise TooLittleRoom(
        f"{facts.quant} at {profile.context_tokens} tokens of context would take about"
        f" {size(found.needed)} of memory (weights {size(found.weights)}, KV cache"
        f" {size(found.kv_cache)}), and {size(free)} are free",
        hint="close programs, ask for a shorter context, fewer slots or a smaller quant",
    )


def available_bytes() -> int:
    """Return the memory that can be taken now, within the container's limit if it has one."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    return free if limit is None or used is None else min(free, max(0, limit - used))


@functools.cache
def reordered() -> frozenset[str]:
    """Return the types whose weights the wheel keeps in another order on this processor."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    try:
        known = _CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _REORDERED
    return _REORDERED if " avx2 " in known else frozenset()


def _plain(facts: ArtifactFacts) -> MemoryFacts:
    """Guess what the facts of older records and of folders do not tell."""
    kept = facts.kv_heads * facts.head_dim
    return MemoryFacts(
        caches=(LayerCache(facts.layers, kept, kept),),
        heads=facts.embedding_length // facts.head_dim if facts.head_dim else 0,
        queries=facts.embedding_length,
        feed_forward=3 * facts.embedding_length,
    )


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
