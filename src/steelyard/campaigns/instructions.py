"""What a campaign's machine asks its shell to do; the shell answers each with one event.

Not aware of how any of it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

from steelyard.domain.campaign import Role
from steelyard.domain.run import RunSpec


@final
@dataclass(frozen=True, slots=True)
class Calibrate:
    """Measure the instrument's own error → `Calibrated`."""


@final
@dataclass(frozen=True, slots=True)
class ProveEngine:
    """Replay known arithmetic on the engine → `EngineProven`."""


@final
@dataclass(frozen=True, slots=True)
class RunCanary:
    """Run the fixed cell and judge it (`campaigns.canary`) → `CanaryPassed` or `CanaryBlocked`."""

    spec: RunSpec


@final
@dataclass(frozen=True, slots=True)
class RunCell:
    """Run one cell → `CellStarted`, then `CellFinished` or `CellFailed`.

    `attempt` counts from 0; from 1 on, what an earlier try of the same spec left behind is there.
    """

    spec: RunSpec
    role: Role
    label: str
    block: int
    attempt: int = 0
    estimate_s: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class MeasureFidelity:
    """Compare token probabilities with the reference's → `FidelityMeasured` or `FidelityFailed`."""

    label: str


@final
@dataclass(frozen=True, slots=True)
class TimeRaw:
    """Time the bare engine with a variant, while nothing else runs → `RawTimed`."""

    label: str


@final
@dataclass(frozen=True, slots=True)
class Soak:
    """Keep what was chosen under load for a long time → `Soaked`."""

    spec: RunSpec
    label: str


@final
@dataclass(frozen=True, slots=True)
class Summarise:
    """Compute and write the summary → `Summarised`.

    `skipped` says what was not run and why: a cell by `ROLE/LABEL/REPEAT`, a comparison of
    probabilities by `fidelity/LABEL`, a raw speed by `raw/LABEL`, a variant that the plan left out
    by its `LABEL`.
    """

    skipped: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing is left to do; `advice` is for the last screen."""

    reason: str
    exit_code: int
    advice: tuple[str, ...] = ()


Instruction: TypeAlias = (
    Calibrate
    | ProveEngine
    | RunCanary
    | RunCell
    | MeasureFidelity
    | TimeRaw
    | Soak
    | Summarise
    | Stop
)
