"""What a bench found: one summary in the shape that its every report and export shares.

`analysis.benchmark` computes it from run records; `reports` only lay it out. Units are seconds,
bytes, joules, tokens and shares; display units are the reports' affair. The same record gives the
same summary on any day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.caution import Caution, Quality
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import AppliedControl, Device, Environment, Proof
from steelyard.domain.stream import Stamps
from steelyard.domain.summary import NO_SIDECAR, Estimate, Gate, RawSide

BENCH_VERSION = 1

_NO_WAVES = Missing("not_in_waves", "each answer made room for the next request")
NOT_IN_WAVES = Estimate(_NO_WAVES, _NO_WAVES, _NO_WAVES, 0)

Statistic: TypeAlias = Literal["mean", "p50", "p90", "p95", "p99"]


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """One statistic of one metric over the steady window of a level.

    `client_share` is by how much, in the metric's own unit, the client's own doing may have moved
    the value: what it read late or together, and its clock's error. Missing where that is not
    known.
    """

    metric: str
    statistic: Statistic
    unit: str
    estimate: Estimate
    client_share: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Steady:
    """The window that figures are taken from, in seconds since the load began.

    `warmup` and `cooldown` count the requests before and after it. `trend` says whether it drifted.
    """

    start_s: float
    end_s: float
    warmup: int
    cooldown: int
    trend: str


@final
@dataclass(frozen=True, slots=True)
class Bound:
    """The instrument's bound on this level: 95 % of samples are off by less.

    `censored_gaps` is the share of gaps of which only a range is known, wider than the bound of a
    quiet machine; `late_s` the longest that anything lay there unread.
    """

    ttft_s: Reading[float]
    gap_s: Reading[float]
    censored_gaps: Reading[float]
    late_s: Reading[float]
    stamps: Stamps


@final
@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of a level: meant to be sent, sent, answered whole, failed (and why), never sent."""

    planned: int
    sent: int
    completed: int
    failed: int
    dropped: int
    failures: Mapping[str, int]


@final
@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts by the engine's word, and how prompts came out against what was wanted.

    `cost_usd` is what a hosted service has billed for the requests of the level, by its own word.
    """

    prompt: Reading[int]
    output: Reading[int]
    cached: Reading[int]
    prompt_wanted: Reading[float]
    prompt_came: Reading[float]
    cost_usd: Reading[float] = Missing("not_billed", "no request was billed")


@final
@dataclass(frozen=True, slots=True)
class ServiceSide:
    """What a hosted service says afterwards of the answers of a level, in its own accounts.

    Of `answers` it gave `accounts`. Token counts are the providers' native ones; the times are
    medians of what the service calls latency and generation time. Beside the client's figures.
    """

    answers: int
    accounts: int
    providers: Mapping[str, int]
    prompt_tokens: Reading[int]
    output_tokens: Reading[int]
    latency_s: Reading[float]
    generation_s: Reading[float]
    cost_usd: Reading[float]
    upstream_usd: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Throughput:
    """Of the whole level: completed requests and output tokens over elapsed time; queue depth.

    `idle_share` is the share of place-seconds in which a place of a wave had nothing to do.
    """

    elapsed_s: float
    requests_per_s: Estimate
    offered_per_s: Reading[float]
    system_tps: Reading[float]
    in_flight_mean: Reading[float]
    in_flight_max: int
    idle_share: Estimate = NOT_IN_WAVES


@final
@dataclass(frozen=True, slots=True)
class Goodput:
    """Requests that met every objective of a single request; failed ones never do."""

    share: Estimate
    per_s: Reading[float]
    gates: tuple[Gate, ...]


@final
@dataclass(frozen=True, slots=True)
class Published:
    """What another tool would have printed for this load, by its own definition."""

    tool: str
    measure: str
    mean: Reading[float]
    p50: Reading[float]
    p99: Reading[float]
    n: int
    approximates: bool


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of conversations, numbered from 1, over all users."""

    number: int
    requests: int
    ttft_p50_s: Reading[float]
    prompt_tokens_mean: Reading[float]
    cached_tokens_mean: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class EngineSide:
    """The server's own word over a level, and energy; never put in place of the client's."""

    running_max: Reading[float]
    waiting_max: Reading[float]
    kv_usage_max: Reading[float]
    prompt_tps: Estimate
    energy_j: Reading[float]
    j_per_output_token: Reading[float]
    j_per_output_token_above_idle: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Level:
    """One load of a bench: what was asked, what came, what it is worth."""

    name: str
    load: str
    prompts: str
    counts: Counts
    steady: Reading[Steady]
    throughput: Throughput
    tokens: Tokens
    figures: tuple[Figure, ...]
    bound: Bound
    goodput: Reading[Goodput]
    published: tuple[Published, ...]
    turns: tuple[Turn, ...]
    engine: EngineSide
    # (seconds since the load began, value) for charts: thinned, never averaged.
    ttft_over_time: tuple[tuple[float, float], ...] = ()
    in_flight_over_time: tuple[tuple[float, int], ...] = ()
    reason: str = ""
    service: Reading[ServiceSide] = Missing("no_account", "no service keeps accounts of these")

    def figure(self, metric: str, statistic: Statistic) -> Figure | None:
        """Return one figure, if it was computed."""
        wanted = (metric, statistic)
        return next((f for f in self.figures if (f.metric, f.statistic) == wanted), None)


@final
@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate that the server keeps up with (and that meets the objectives, if any)."""

    rate_per_s: Estimate
    probes: int
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """B against A in one metric, paired by interleaved blocks: the ratio B / A and its evidence.

    `detectable` is the smallest relative difference that this many blocks could show; `level` names
    the load.
    """

    metric: str
    a: Estimate
    b: Estimate
    ratio: Estimate
    p_value: Reading[float]
    detectable: Reading[float]
    words: str
    level: str = ""


@final
@dataclass(frozen=True, slots=True)
class Batching:
    """One level sent both ways in turns: places refilled at once (continuous), in waves (static).

    System throughput of either; refilled, it is that of places which never run out of requests.
    `ratio` is continuous over static, paired by blocks; `idle_share` is the share of place-seconds
    in the waves without work.
    """

    level: str
    streams: int
    continuous_tps: Estimate
    static_tps: Estimate
    ratio: Estimate
    p_value: Reading[float]
    idle_share: Estimate


@final
@dataclass(frozen=True, slots=True)
class Footprint:
    """What measuring cost on this machine: the client's share of a core, and its memory."""

    cpu_share: Reading[float]
    memory_bytes: Reading[int]
    processes: int


@final
@dataclass(frozen=True, slots=True)
class Measurement:
    """One subject's side of a bench.

    `load_s` is from the start of an engine of ours until it was ready, `first_request_s` the whole
    first request after it.
    """

    run_id: str
    subject: str
    engine: str
    build: Reading[str]
    started_at: str
    outcome: str
    reason: str
    quality: Quality
    cautions: tuple[Caution, ...]
    controls: tuple[AppliedControl, ...]
    proofs: tuple[Proof, ...]
    levels: tuple[Level, ...]
    knee: Reading[Knee]
    footprint: Footprint
    simulated: bool
    batching: tuple[Batching, ...] = ()
    raw: Reading[RawSide] = NO_SIDECAR
    load_s: Reading[float] = Missing("not_told")
    first_request_s: Reading[float] = Missing("not_told")


@final
@dataclass(frozen=True, slots=True)
class BenchSummary:
    """A bench whole: one measurement, or two that were interleaved and their differences."""

    device: Device
    environment: Environment
    instrument: Instrument
    measurements: tuple[Measurement, ...]
    differences: tuple[Difference, ...] = ()
    objectives: str = ""
    sentences: tuple[str, ...] = ()
    schema_version: int = BENCH_VERSION
