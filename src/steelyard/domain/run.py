"""One run: the spec that travels whole, and the record that comes back.

`RunSpec` is content and settings; `Place` is this machine's paths and ports and never part of an
identity; `RunRecord` holds what happened. Not aware of how any of it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, final

from steelyard.domain.caution import Caution
from steelyard.domain.errors import BadInput
from steelyard.domain.harness import HarnessRun
from steelyard.domain.ids import content_id
from steelyard.domain.instrument import Instrument
from steelyard.domain.judging import Judging
from steelyard.domain.probe import Probed
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.retrieval import Retrieval
from steelyard.domain.serverside import PowerSeries, ServerSeries
from steelyard.domain.startup import NOT_STARTED, Startup
from steelyard.domain.stream import Attempt
from steelyard.domain.subject import Artifact, ArtifactFacts, Subject
from steelyard.domain.task import Mark, Task
from steelyard.domain.vitals import Vitals
from steelyard.domain.workload import Sampling, Workload

SCHEMA_VERSION = 1

RunOutcome: TypeAlias = Literal["completed", "failed", "skipped", "cancelled"]
TelemetryStatus: TypeAlias = Literal[
    "OK",
    "TOKEN_COUNT_UNAVAILABLE",
    "TIMING_UNAVAILABLE",
    "TOKEN_AND_TIMING_UNAVAILABLE",
]


@final
@dataclass(frozen=True, slots=True)
class ControlProfile:
    """The limits beyond which a run is polluted or blocked; shares are fractions of all cores.

    `noise_cv` blocks only in the strict profile. Above `temperature_max_c` a load by time is ended.
    """

    name: str = "standard"
    other_cpu_share_max: float = 0.15
    load_per_core_max: float = 1.5
    orchestration_overhead_max: float = 0.30
    swap_growth_bytes_max: int = 16 * 1024 * 1024
    timing_mismatch_max: float = 0.25
    frequency_drop_max: float = 0.15
    temperature_max_c: float = 95.0
    blocking_noise_cv: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Controls:
    """What is held fixed. None leaves it to the engine, and the record says so.

    `device` is what the engine computes on: `cpu`, or a kind and a number such as `cuda:1`.
    """

    seed: int = 0
    threads: int | None = None
    affinity: tuple[int, ...] | None = None
    warmup: int = 1
    sampling: Sampling = Sampling()
    reuse_prefix: bool = False
    profile: ControlProfile = field(default_factory=ControlProfile)
    device: str | None = None


@final
@dataclass(frozen=True, slots=True)
class AppliedControl:
    """One control: what was asked, and what the engine or the system says is in force.

    `overrides` is what the engine profile says of the same thing, where a control overrides it.
    """

    name: str
    asked: str
    applied: Reading[str]
    overrides: str | None = None


@final
@dataclass(frozen=True, slots=True)
class RunSpec:
    """One subject, one set of controls, an ordered tuple of work: one server start.

    `repeat` is the n-th run of the same cell; `replica` tells the A/A row (1) from the reference
    itself (0); `campaign_seed` seeds prompts and order.
    """

    subject: Subject
    controls: Controls = field(default_factory=Controls)
    workloads: tuple[Workload, ...] = ()
    tasks: tuple[Task, ...] = ()
    repeat: int = 0
    replica: int = 0
    campaign_seed: int = 0
    task_streams: int = 1

    @property
    def id(self) -> str:
        """Content hash of everything above: what resume and comparison go by."""
        return content_id(
            {
                "subject": self.subject.id,
                "controls": self.controls,
                "workloads": self.workloads,
                "tasks": self.tasks,
                "repeat": self.repeat,
                "replica": self.replica,
                "campaign_seed": self.campaign_seed,
                "task_streams": self.task_streams,
            }
        )


@final
@dataclass(frozen=True, slots=True)
class Container:
    """By which program a server is put into a container, and from which image.

    `tool` is `docker` or `podman` with its version, `image` names content (`NAME@sha256:…`), and
    `named` is how people call it. `device` is the kind that the image computes on.
    """

    tool: str
    program: str
    image: str
    named: str
    device: str = "cpu"


@final
@dataclass(frozen=True, slots=True)
class Place:
    """One run's local facts: the program, where files lie, the address to serve on.

    Of a server in a container, `program` is empty and `container` says the rest.
    """

    program: tuple[str, ...]
    paths: Mapping[str, Path]
    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    engine_profile: str = ""  # by which name it was found: what it holds is the subject's
    container: Container | None = None

    def path_of(self, artifact: Artifact) -> Path:
        """Return where the artifact's bytes lie on this machine (looked up by sha256)."""
        if artifact.sha256 not in self.paths:
            raise BadInput(
                f"nobody said where {artifact.name!r} lies", hint="name its file or folder"
            )
        return self.paths[artifact.sha256]


@final
@dataclass(frozen=True, slots=True)
class Device:
    """The stable hardware identity of a machine."""

    system: str
    cpu: str
    cores: int
    memory_bytes: int
    architecture: str
    gpus: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Content hash of the stable parts."""
        return content_id(self)


@final
@dataclass(frozen=True, slots=True)
class Environment:
    """What may change on a device: versions, kernel, settings."""

    kernel: str
    python: str
    packages: Mapping[str, str]
    engine_build: Reading[str] = Missing("not_asked")
    governor: Reading[str] = Missing("not_exposed")
    commit: Reading[str] = Missing("not_a_checkout")
    driver: Reading[str] = Missing("no_gpu")

    @property
    def id(self) -> str:
        """Content hash of everything above."""
        return content_id(self)


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was checked before numbers were taken, and what was found."""

    name: str
    passed: bool
    found: str


@final
@dataclass(frozen=True, slots=True)
class Section:
    """One workload or task of a run: its attempts, and for a task the mark of each item.

    `name` is the workload's or task's key. `marks` and `clusters` are keyed by item id. Of a load:
    `planned` requests were to be sent from `began_ns` on, `dropped` of them never were, since the
    load had ended before their turn; `reason` says what ended it early. `retrieval` is what items
    that are asked of documents were given to read.
    """

    name: str
    kind: Literal["workload", "task"]
    outcome: RunOutcome
    started_ns: int
    ended_ns: int
    attempts: tuple[Attempt, ...]
    marks: Mapping[str, Mark] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    streams: int = 1
    reason: str = ""
    planned: int = 0
    dropped: int = 0
    began_ns: int = 0
    retrieval: Retrieval | None = None


@final
@dataclass(frozen=True, slots=True)
class Stopped:
    """Tasks that were ended before all items were asked, by what was found or by the time.

    `looked` says that the answers themselves decided when to stop: intervals and p-values for a
    number of items that was settled beforehand do not hold for them. `cut` items were under way
    when the time ended, or answered in the same part: none of those counts as asked.
    """

    asked: int
    planned: int
    why: str
    looked: bool
    cut: int = 0


@final
@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one run found. Saved raw attempts are the truth; every summary can be recomputed.

    `started_at` is wall time in UTC for people (ISO 8601) and is never subtracted. `instrument` is
    the client's own error; `server` what the server said of itself meanwhile, `power` what a meter
    saw, `idle` the span in monotonic ns in which the engine was up and nothing was asked. `deaths`
    names the sections in which the engine died and was started again; `clock_jump_s` is by how much
    the date was set meanwhile, or how long the machine slept; `probe` is what it was found
    to do when it was tried. `engine_profile` is the name under which the subject's was found.
    `facts` are those of the file that was served, None where nobody saw a file; `startup` is how
    the engine came up, where it was started for this run. `stopped` says that tasks ended early.
    `harness` is what somebody else's harness scored, where one asked through a proxy of ours.
    `judging` is what a judge said of the answers, after the engine of the subject had ended.
    `left_out` says of families of a suite and of tasks that were not asked why they were not.
    """

    id: str
    spec: RunSpec
    outcome: RunOutcome
    reason: str
    started_at: str
    device: Device
    environment: Environment
    controls: tuple[AppliedControl, ...]
    proofs: tuple[Proof, ...]
    load_s: Reading[float]
    first_request_s: Reading[float]
    sections: tuple[Section, ...]
    vitals: Reading[Vitals]
    cautions: tuple[Caution, ...]
    simulated: bool = False
    elapsed_s: Reading[float] = Missing("not_measured")
    log_excerpt: str = ""
    instrument: Instrument = Instrument()
    server: Reading[ServerSeries] = Missing("not_scraped")
    power: Reading[PowerSeries] = Missing("not_sampled")
    idle: Reading[tuple[int, int]] = Missing("not_watched")
    deaths: tuple[str, ...] = ()
    clock_jump_s: float = 0.0
    probe: Reading[Probed] = Missing("not_probed")
    schema_version: int = SCHEMA_VERSION
    engine_profile: str = ""
    facts: ArtifactFacts | None = None
    startup: Reading[Startup] = NOT_STARTED
    stopped: Stopped | None = None
    harness: HarnessRun | None = None
    judging: Judging | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
