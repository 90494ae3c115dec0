"""The sweep summary: what a campaign found, in the shape that every report and export shares.

`analysis.summary` computes it from run records; `reports` only lay it out. Units are those of the
metric registry (seconds, bytes, tokens per second, shares from 0 to 1); display units are the
reports' affair. The same stored runs give a byte-identical summary on any day: nothing in here
may depend on the clock or on where files lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from steelyard.domain.caution import Caution, Quality
from steelyard.domain.metric import Band
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import AppliedControl, Controls, Device, Environment, Proof
from steelyard.domain.serverside import FieldState, SpeedMetric
from steelyard.domain.subject import Variant

VerdictName: TypeAlias = Literal["no loss shown", "within margin", "undecided", "worse"]
GateState: TypeAlias = Literal["met", "failed", "undecided"]
Cost: TypeAlias = Literal["seconds_per_item", "joules_per_item", "money_per_item"]
BaselineStatus: TypeAlias = Literal["OK", "NO_BASELINE", "HW_MISMATCH", "REV_MISMATCH"]
NO_SIDECAR = Missing("no_sidecar", "raw speed was not measured (--sidecar)")
NO_TASKS = Missing("no_tasks", "no task was run")

SUMMARY_VERSION = 1
# Of models that somebody else's server serves: there the facts of a variant are its word.
SERVED_VERSION = 2


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with what it rests on: n samples and an interval (Missing where n is too small)."""

    value: Reading[float]
    low: Reading[float]
    high: Reading[float]
    n: int


NO_ESTIMATE = Estimate(NO_TASKS, NO_TASKS, NO_TASKS, 0)


@final
@dataclass(frozen=True, slots=True)
class Thinking:
    """How the answers of a task were thought about.

    `tokens` is the mean for each answer that has thinking, by the engine's count, or else estimated
    from the share of letters (its source says which); `share` is that of all output tokens. `cut`
    answers ended at their limit, `cut_thought` of them with thinking in them, and `cut_thinking` of
    those before any answer had begun. `loops` went round in circles: in their thinking, or in an
    answer that ended at its limit.
    """

    answers: int
    thought: int
    tokens: Estimate
    share: Reading[float]
    cut: int
    cut_thinking: int
    loops: int
    cut_thought: int = 0


@final
@dataclass(frozen=True, slots=True)
class Speed:
    """One speed number and the circumstances without which it says nothing."""

    metric: str
    unit: str
    estimate: Estimate
    prompt_tokens: int
    depth_tokens: int
    cached_tokens: Reading[int]
    streams: int
    rating: str | None = None


@final
@dataclass(frozen=True, slots=True)
class RawBeside:
    """One test of the bare engine beside our metric of the same work through the server.

    `test` is llama-bench's name (`pp512`, `tg64@d2048`), `beside` what the served speed was taken
    under. `ratio` is served by raw; its interval is that of the two intervals' ends, rather too
    wide than too narrow.
    """

    test: str
    metric: SpeedMetric
    tokens: int
    depth_tokens: int
    state: FieldState
    raw_tps: Estimate
    served_tps: Estimate
    ratio: Estimate
    beside: str
    detail: str = ""


@final
@dataclass(frozen=True, slots=True)
class RawSide:
    """The sidecar of one model file, joined to what was served. No gate and no verdict reads it.

    `state` is the worst of what is required.
    """

    program: str
    build: str
    threads: int
    repeats: int
    state: FieldState
    tests: tuple[RawBeside, ...]
    detail: str = ""


@final
@dataclass(frozen=True, slots=True)
class Marks:
    """The four counts; `right_share` = right / (right + wrong + invalid), both bounds kept.

    `invalid_why` and `not_run_why` count the reasons, by their codes.
    """

    right: int
    wrong: int
    invalid: int
    not_run: int
    right_share: Estimate
    worst_share: Reading[float]
    best_share: Reading[float]
    invalid_why: Mapping[str, int]
    not_run_why: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """The paired, corrected loss of right answers against the reference, as a share of items.

    `floor` is the A/A floor f, `margin` m. `to_decide_items` says how many items would decide an
    undecided one. `flips_lost` went from right to not right, `flips_won` the other way. Where no
    floor was measured `no_floor` says why, and `floor` is the margin, which stands in for it.
    """

    name: VerdictName
    loss: float
    low: float
    high: float
    margin: float
    floor: float
    items: int
    flips_lost: int
    flips_won: int
    p_adjusted: float
    to_decide_items: Reading[int]
    reason: str
    no_floor: str = ""


@final
@dataclass(frozen=True, slots=True)
class Gate:
    """A hard gate: what was demanded, what was found."""

    name: str
    state: GateState
    demanded: str
    found: str


@final
@dataclass(frozen=True, slots=True)
class Fidelity:
    """Distance to the reference's token probabilities: screens and alarms; never decides."""

    perplexity: Estimate
    kl_divergence: Estimate
    top_agreement: Estimate
    positions: int
    text_sha256: str
    context_tokens: int
    kv_type: str
    reference_sha256: str


@final
@dataclass(frozen=True, slots=True)
class Throughput:
    """Right answers per second of the task suite's own load, and what they cost."""

    seconds_per_right: Estimate
    tokens_per_right: Estimate
    joules_per_right: Estimate
    right_per_second: Reading[float]
    adherence_per_latency: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Optimisation:
    """Signals to optimise by after the gates; never a gate themselves.

    The variance is that of whole-request times, `retries` are tries beyond the first, `vibe_delta`
    is the share of right answers lost per GiB saved against the reference, and `status` says
    whether there was a comparable one.
    """

    latency_variance_s2: Reading[float]
    retries: int
    vibe_delta: Reading[float]
    status: BaselineStatus


@final
@dataclass(frozen=True, slots=True)
class VariantRow:
    """All that is known of one variant. `role` tells the reference and its A/A twin apart.

    `family_verdicts` are of a candidate, their bounds corrected over all families of all
    candidates: a warning may rest on one, no gate does. `family_flips` is the share of a family's
    items that are right on one side only. `bands` rate right shares, by family and `overall`;
    `unrated` says why one is withheld.
    `length_ratio` says how many times as many output tokens the same items took as with the
    reference, thinking included. `more_s` is how much longer this variant and the reference
    together would take until an undecided verdict is decided, at the pace they had.
    """

    variant: Variant
    role: Literal["reference", "aa", "candidate"]
    quality: Quality
    outcome: str
    outcome_reason: str
    memory_bytes: Reading[int]
    load_s: Reading[float]
    speeds: tuple[Speed, ...]
    marks: Marks
    family_marks: Mapping[str, Marks]
    adherence: Estimate
    verdict: Reading[Verdict]
    fidelity: Reading[Fidelity]
    throughput: Throughput
    gates: tuple[Gate, ...]
    on_frontier: bool
    cautions: tuple[Caution, ...]
    run_ids: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    vibe_delta: Reading[float] | None = None
    optimisation: Optimisation | None = None
    raw: Reading[RawSide] = NO_SIDECAR
    family_verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    family_flips: Mapping[str, Estimate] = field(default_factory=dict)
    bands: Mapping[str, Band] = field(default_factory=dict)
    unrated: Mapping[str, Missing] = field(default_factory=dict)
    thinking: Reading[Thinking] = NO_TASKS
    length_ratio: Estimate = NO_ESTIMATE
    more_s: Reading[float] = Missing("not_undecided")


@final
@dataclass(frozen=True, slots=True)
class Pick:
    """A recommendation, or why there is none: `binding_gate` names what nothing passed."""

    name: Literal["minimum_viable_quant", "best_value_quant"]
    label: str | None
    utility: str
    utility_value: Reading[float]
    reason: str
    binding_gate: str | None
    evidence: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in brief, for the table of diagnostics.

    `included` says that its times count, `answers` that its row's marks are those of this run.
    """

    id: str
    label: str
    role: str
    repeat: int
    outcome: str
    quality: Quality
    reasons: tuple[str, ...]
    telemetry_status: str
    orchestration_overhead_ratio: Reading[float]
    elapsed_s: Reading[float]
    other_cpu_share: Reading[float]
    temperature_max_c: Reading[float]
    included: bool
    prompt_tokens: Reading[int]
    output_tokens: Reading[int]
    attempts: int
    failed_attempts: int
    answers: bool = False


@final
@dataclass(frozen=True, slots=True)
class Noise:
    """What the instrument, the engine and the machine themselves contribute.

    `aa_same_text` and `aa_same_mark` are the shares of items on which the reference, run against
    itself, said the same and was marked the same.
    """

    client_error_ttft_s: Reading[float]
    client_error_gap_s: Reading[float]
    canary_cv: Estimate
    smallest_speed_difference: Reading[float]
    aa_flips: Reading[int]
    aa_floor: Reading[float]
    drift_share: Reading[float]
    aa_same_text: Estimate = NO_ESTIMATE
    aa_same_mark: Estimate = NO_ESTIMATE


@final
@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Something a reader may look for and not find, with the reason."""

    what: str
    why: str


@final
@dataclass(frozen=True, slots=True)
class Soak:
    """The chosen variant under load for a long time, by thirds of that time.

    `change` is by what share the speed of the last third is above the first's; so are
    `clock_change` and `memory_change`, of the processor's clock and the engine's memory.
    `temperature_limit_c` is above what the load would have been ended; `reason` says why it was.
    `tps_over_time` holds (seconds since the load began, output tokens a second).
    """

    run_id: str
    label: str
    streams: int
    asked_s: float
    elapsed_s: Reading[float]
    outcome: str
    reason: str
    quality: Quality
    cautions: tuple[str, ...]
    requests: int
    failed: int
    system_tps: Reading[float]
    first_third_tps: Estimate
    last_third_tps: Estimate
    change: Estimate
    temperature_first_c: Reading[float]
    temperature_last_c: Reading[float]
    temperature_max_c: Reading[float]
    temperature_limit_c: float
    throttle_events: Reading[float]
    clock_change: Reading[float]
    swap_growth_bytes: Reading[float]
    memory_change: Reading[float]
    tps_over_time: tuple[tuple[float, float], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class CostSlope:
    """What ten more right answers in a hundred come with, over the variants named.

    `factor` says how many times the cost of an item, with n variants; by least squares of its
    logarithm over the right share. `reliability` is the share of the spread of the right shares
    that is not their own error: the slope is too flat by about that.
    """

    cost: Cost
    factor: Estimate
    labels: tuple[str, ...]
    reliability: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class SweepSummary:
    """What one sweep found, whole. `confidence` is that of every interval and verdict.

    `smallest_visible_loss` rests on the items that are no form of another, `different_items`, so
    many of which count as one: `design_effect`.
    """

    campaign_id: str
    model: str
    reference_label: str
    reference_kind: str
    suite: str
    items: int
    margin: float
    smallest_visible_loss: float
    device: Device
    environment: Environment
    controls: Controls
    elapsed_s: Reading[float]
    phases_s: Mapping[str, float]
    proofs: tuple[Proof, ...]
    noise: Noise
    per_quant: tuple[VariantRow, ...]
    runs: tuple[RunLine, ...]
    efficiency_frontier: tuple[str, ...]
    recommendation: tuple[Pick, ...]
    sentences: tuple[str, ...]
    not_measured: tuple[NotMeasured, ...]
    include_polluted: bool = False
    simulated: bool = False
    text_sha256: str | None = None
    drift_corrected: bool = False
    applied_controls: tuple[AppliedControl, ...] = ()
    schema_version: int = SUMMARY_VERSION
    soak: Reading[Soak] = Missing("not_asked", "no soak was asked for (--soak)")
    confidence: float = 0.95
    different_items: int = 0
    design_effect: float = 1.0
    cost_slopes: tuple[CostSlope, ...] = ()
