"""A sweep as asked for: one frozen spec that hashes to the campaign's identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.ids import content_id
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.subject import EngineProfile, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload

Suite: TypeAlias = Literal["quick", "full"]
Role: TypeAlias = Literal["reference", "aa", "candidate", "sentinel", "canary", "soak"]

# `RunSpec.replica` tells apart runs that weigh one and the same subject for different reasons.
AA_REPLICA: Final = 1
SENTINEL_REPLICA: Final = 2
CANARY_REPLICA: Final = 3
SOAK_REPLICA: Final = 4


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
    blocks. Workloads are run in every block, tasks once. `engine_profile` is the name under which
    `profile` was found; `raw_repeats` says how often the bare engine is timed, 0 not at all.
    `soak` is the load under which what was chosen is kept at the end.
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
    engine_profile: str = ""
    raw_repeats: int = 0
    soak: Workload | None = None

    @property
    def id(self) -> str:
        """Content hash of the whole spec."""
        return content_id(self)

    @property
    def reference(self) -> Variant:
        """The variant that the others are compared with, never pruned."""
        return next(v for v in self.variants if v.reference is not None)

    @property
    def candidates(self) -> tuple[Variant, ...]:
        """Every variant but the reference, in the order asked for."""
        return tuple(v for v in self.variants if v.reference is None)


def role_of(sweep: Sweep, spec: RunSpec) -> Role:
    """Say why a run was made: by its replica, and for replica 0 by whose file it weighs."""
    match spec.replica:
        case 1:
            return "aa"
        case 2:
            return "sentinel"
        case 3:
            return "canary"
        case 4:
            return "soak"
        case _:
            same = spec.subject.artifact.sha256 == sweep.reference.artifact.sha256
            return "reference" if same else "candidate"


def variant_of(sweep: Sweep, spec: RunSpec) -> Variant | None:
    """Return the variant whose file a run weighed, or None when it is not of this sweep."""
    sha256 = spec.subject.artifact.sha256
    return next((v for v in sweep.variants if v.artifact.sha256 == sha256), None)
