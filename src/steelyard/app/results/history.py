"""What earlier runs here took and did, beside what had been foreseen: it corrects what is foreseen.

A small file of the newest pairs, light enough to be read before a measurement; the store keeps the
runs themselves. Pairs of another machine, runtime or version of Steelyard do not count. Not aware
of formulas.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard import __version__
from steelyard.analysis import rates, timing
from steelyard.analysis.rates import Rates
from steelyard.domain.caution import quality
from steelyard.domain.codec import decode
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.domain.subject import ArtifactFacts, EngineProfile
from steelyard.models import memory, memory_parts
from steelyard.platform import atomic, hardware, settings

FILE: Final = "history.json"
_KEPT: Final = 60
_RUNTIMES: Final = ("wheel", "native")


@final
@dataclass(frozen=True, slots=True)
class Past:
    """One run: what it was estimated to take and took, in bytes, and its speed with one stream.

    `output_tps` is 0 where it was not measured with one stream alone, on a quiet machine;
    `kept_bytes` is what its context had kept meanwhile.
    """

    run: str
    device: str
    runtime: str
    version: str
    facts: ArtifactFacts
    memory_estimated: int
    memory_used: int
    threads: int = 0
    output_tps: float = 0.0
    kept_bytes: int = 0


def note(record: RunRecord) -> None:
    """Keep what a finished run tells; where it tells nothing, nothing changes."""
    past = _past(record)
    if past is None:
        return
    known = [one for one in read() if one.run != past.run]
    rows = [plain(one) for one in [*known, past][-_KEPT:]]
    with contextlib.suppress(BadInput):
        atomic.write(_file(), json.dumps(rows).encode())


def read() -> Sequence[Past]:
    """Return what is kept, the oldest first; nothing where there is no file or a broken one."""
    try:
        return decode(tuple[Past, ...], _file().read_bytes(), source=FILE)
    except (OSError, BadInput):
        return ()


def memory_here(runtime: str = "wheel") -> memory.History:
    """Return (estimated, used) of earlier runs on this machine."""
    return memory_pairs(hardware.device().id, runtime) if _file().exists() else ()


def memory_pairs(device: str, runtime: str = "wheel") -> tuple[tuple[int, int], ...]:
    """Return (estimated, used) of the runs here that count."""
    return tuple((one.memory_estimated, one.memory_used) for one in _counting(device, runtime))


def speed_pairs(device: str, found: Rates) -> tuple[tuple[float, float], ...]:
    """Return (foreseen, measured) output speeds of the runs here with as many threads."""
    bare = replace(found, factor=1.0)
    pairs = []
    for one in _counting(device, "wheel"):
        foreseen = rates.decode_seconds(bare, one.facts, one.kept_bytes)
        if one.output_tps and one.threads == found.threads and isinstance(foreseen, Measured):
            pairs.append((1 / foreseen.value, one.output_tps))
    return tuple(pairs)


def _counting(device: str, runtime: str) -> list[Past]:
    here = (device, runtime, __version__)
    return [one for one in read() if (one.device, one.runtime, one.version) == here]


def _past(record: RunRecord) -> Past | None:
    subject, facts = record.spec.subject, record.facts
    if facts is None or record.outcome != "completed" or record.simulated:
        return None
    if subject.engine != "llamacpp" or subject.runtime not in _RUNTIMES:
        return None
    if subject.profile.gpu_layers or subject.profile.draft_sha256 is not None:
        return None  # what lies elsewhere, or belongs to another model, is not this estimate's
    vitals = record.vitals.value if isinstance(record.vitals, Measured) else None
    if vitals is None or not isinstance(vitals.peak_memory_bytes, Measured):
        return None
    output_tps, tokens = _output_tps(record)
    return Past(
        run=record.id,
        device=record.device.id,
        runtime=subject.runtime,
        version=__version__,
        facts=facts,
        memory_estimated=_estimated(record, facts),
        memory_used=vitals.peak_memory_bytes.value,
        threads=_threads(record),
        output_tps=output_tps,
        kept_bytes=_kept_bytes(facts, subject.profile, tokens),
    )


def _estimated(record: RunRecord, facts: ArtifactFacts) -> int:
    """Estimate what the run took: its buffers are used no further than its longest context."""
    profile = record.spec.subject.profile
    usages = (
        attempt.usage.value
        for section in record.sections
        for attempt in section.attempts
        if isinstance(attempt.usage, Measured)
    )
    longest = max((usage.prompt_tokens + usage.output_tokens for usage in usages), default=1)
    return memory.so_far(facts, profile, longest).total


def _threads(record: RunRecord) -> int:
    return record.spec.controls.threads or record.spec.subject.profile.threads or 0


def _output_tps(record: RunRecord) -> tuple[float, int]:
    """Return the middle speed of one stream, and how many tokens stood in its context."""
    if quality(record.cautions) != "CLEAN":
        return 0.0, 0  # a busy machine's speed corrects nothing
    values = sorted(
        (speed.value, attempt.usage.value.prompt_tokens + attempt.usage.value.output_tokens)
        for section in record.sections
        if section.kind == "workload" and section.streams == 1
        for attempt in section.attempts
        if isinstance(attempt.usage, Measured)
        if isinstance(speed := timing.output_tps(attempt), Measured)
    )
    return values[len(values) // 2] if values else (0.0, 0)


def _kept_bytes(facts: ArtifactFacts, profile: EngineProfile, tokens: int) -> int:
    """Return what so many tokens take in a cache: a token reads all of them."""
    if facts.memory is None or not tokens:
        return 0
    return memory_parts.kv_cache(facts.memory, replace(profile, context_tokens=tokens, slots=1))


def _file() -> Path:
    return settings.load().home / FILE
