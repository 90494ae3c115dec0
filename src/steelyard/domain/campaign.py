"""A sweep as asked for: one frozen spec that hashes to the campaign's identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from steelyard.domain.ids import content_id
from steelyard.domain.run import Controls
from steelyard.domain.subject import EngineProfile, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload

Suite: TypeAlias = Literal["quick", "full"]


@final
@dataclass(frozen=True, slots=True)
class Gates:
    """What a variant must meet to be recommended. Shares are fractions, times are seconds."""

    margin: float = 0.03
    confidence: float = 0.95
    adherence_min: float = 0.0
    adherence_loss_max: float = 0.05
    ttft_s_max: float = 10.0
    output_tps_min: float = 5.0


@final
@dataclass(frozen=True, slots=True)
class Sweep:
    """One campaign whose varied axis is the quant.

    `variants` come in `file_bpw` order, the reference first; `repeats` is the number of timing
    blocks. Workloads are run in every block, tasks once.
    """

    model: str
    variants: tuple[Variant, ...]
    engine: str = "llamacpp"
    runtime: str = "wheel"
    profile: EngineProfile = field(default_factory=EngineProfile)
    controls: Controls = field(default_factory=Controls)
    workloads: tuple[Workload, ...] = ()
    tasks: tuple[Task, ...] = ()
    sentinel: Workload | None = None
    canary: Workload | None = None
    gates: Gates = field(default_factory=Gates)
    suite: Suite = "quick"
    repeats: int = 3
    fidelity_positions: int = 0
    seed: int = 0
    task_streams: int = 2

    @property
    def id(self) -> str:
        """Content hash of the whole spec."""
        return content_id(self)
