"""The sidecar: bare engine speeds of model files, kept in a file of its own beside a run.

It explains served speeds and judges nothing: no gate and no verdict reads it, and a sidecar that is
absent or broken is a reason, not an error. Not aware of doors. Method: `llamalib.bench`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.serverside import Sidecar, SpeedMetric
from steelyard.domain.subject import Variant
from steelyard.llamalib import bench
from steelyard.platform import atomic, clock

FILE: Final = "sidecar.json"
SCHEMA_VERSION: Final = 1
_PHASE: Final = "raw speed"
_NS_PER_S: Final = 1e9

# How a bare speed relates to the metric that it stands beside.
MAPPING: Final[Mapping[SpeedMetric, str]] = {
    "prompt_tps": "pp stands beside prompt_tps: prefill alone, without the server around it;"
    " ttft_prompt_tps has queue, HTTP, tokenising and the first sampling in it besides",
    "output_tps": "tg stands beside output_tps of one stream, and is without sampling,"
    " detokenising and HTTP",
}


@final
@dataclass(frozen=True, slots=True)
class SidecarFile:
    """What `sidecar.json` holds: one sidecar for each model file, and what the speeds stand for."""

    sidecars: tuple[Sidecar, ...]
    mapping: Mapping[SpeedMetric, str]
    schema_version: int


def measure(
    path: Path, variant: Variant, plan: bench.Plan, by: bench.Program, emit: Emit
) -> Sidecar:
    """Time one model file while nothing else of ours runs."""
    started_ns = clock.monotonic_ns()
    total = len(plan.tests()) * plan.repeats
    emit(PhaseStarted(_PHASE, None if by == bench.PROGRAM else total, variant.label))
    found = bench.measure(
        path,
        variant.artifact,
        plan,
        by,
        context=variant.facts.context_tokens,
        progress=lambda done, _total: emit(Advanced(_PHASE, done)),
    )
    emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return found


def write(folder: Path, sidecars: Sequence[Sidecar]) -> Path:
    """Write `sidecar.json` whole and return its path."""
    path = folder / FILE
    atomic.write(path, text(sidecars).encode())
    return path


def text(sidecars: Sequence[Sidecar]) -> str:
    """Return the text of `sidecar.json`."""
    return encode(SidecarFile(tuple(sidecars), MAPPING, SCHEMA_VERSION), indent=1)


def read(folder: Path) -> Reading[tuple[Sidecar, ...]]:
    """Read a folder's sidecar back, or say why there is none."""
    path = folder / FILE
    try:
        found = decode(SidecarFile, path.read_bytes(), source=str(path))
    except FileNotFoundError:
        return Missing("no_sidecar", "raw speed was not measured")
    except OSError as error:
        return Missing("unreadable", f"{FILE} cannot be read: {error.strerror}")
    except BadInput as error:
        return Missing("parse_error", str(error))
    return Measured(found.sidecars, "engine")
