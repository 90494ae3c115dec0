"""What a bench is asked to do: the options as typed, then read, then refused or made workloads.

Everything that can be known to be wrong before a server is spoken to is refused here, and no
option is ever ignored: one that says nothing for this load or this subject is named. Not aware of
servers, files of models or folders, but for the depth to which a model was trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, final

from steelyard.app.benches import both_ways
from steelyard.domain.errors import BadInput
from steelyard.domain.load import (
    Closed,
    Conversations,
    Load,
    Open,
    Ramp,
    Steps,
    Trace,
    described,
)
from steelyard.domain.prompts import (
    OUTPUT_TOKENS,
    FromFile,
    Images,
    Prefix,
    PromptSource,
    Recorded,
    ShareGpt,
    Synthetic,
)
from steelyard.domain.slo import Slo, slo
from steelyard.domain.workload import Workload
from steelyard.engines import meeting
from steelyard.loadgen import schedule
from steelyard.platform import clock, containers
from steelyard.runs.loads import schedule_seed
from steelyard.workloads import shapes, sources, suites
from steelyard.workloads.shapes import Typed
from steelyard.workloads.sources import Prompts

_PROMPTS: Final = "synthetic:in=512,out=128"
_BLOCKS: Final = 6
_REQUESTS: Final = 100
_REQUESTS_PER_STREAM: Final = 8
_OPEN_S: Final = 30.0
_SEED_MOST: Final = (1 << 31) - 1  # what servers take for a seed
# Of one: what cuts a picture into tiles takes more, what squeezes it less.
TOKENS_OF_A_PICTURE: Final = 1500
_LONGEST_ROW: Final = 4096
# What a template puts around a message, and more.
_AROUND: Final = 64
_OF_SERVERS: Final = ("model", "api_key_env", "send_key_anywhere", "cacert", "insecure")
_OF_TLS: Final = ("cacert", "insecure")
_OF_FILES: Final = ("threads", "runtime", "image", "device", "sidecar")


def _fresh_seed() -> int:
    return clock.uuid7().int & _SEED_MOST


@final
@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What was typed, checked for type and range only; None for what was not.

    `timeout` is the longest silence of one request, in seconds. A seed that was not typed is a
    fresh one: a server must not find in its cache what an earlier bench asked.
    """

    subject: str
    compare: str | None = None
    engine: str | None = None
    model: str | None = None
    concurrency: str | None = None
    batching: str | None = None
    rate: str | None = None
    arrivals: str | None = None
    cap: int | None = None
    ramp: str | None = None
    steps: str | None = None
    trace: Path | None = None
    trace_speed: float | None = None
    conversations: str | None = None
    load: str | None = None
    requests: int | None = None
    duration: float | None = None
    prompts: str | None = None
    slo: str | None = None
    find_knee: bool = False
    blocks: int | None = None
    warmup: int = 1
    timeout: float = 120.0
    seed: int = field(default_factory=_fresh_seed)
    processes: int = 1
    threads: int | None = None
    runtime: str | None = None
    image: str | None = None
    device: str | None = None
    api_key_env: str | None = None
    send_key_anywhere: bool = False
    cacert: Path | None = None
    insecure: bool = False
    strict: bool = False
    probe: bool = False
    sidecar: bool = False
    out: Path | None = None
    shorter: str = "shorter --prompts synthetic:in=…,out=…"  # how less context would do

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Take the options of a door; an unknown one is a programming error."""
        typed = dict(options)
        if typed.get("seed") is None:
            typed.pop("seed", None)
        return cls(**typed)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What is measured: one, or two that take turns."""
        return (self.subject, *([self.compare] if self.compare is not None else []))

    @property
    def contained(self) -> bool:
        """Whether an engine of ours is to be started from a published image."""
        return self.runtime in containers.NAMES

    @property
    def both_ways(self) -> bool:
        """Whether each level is measured with places refilled at once and in waves, in turns."""
        return self.batching == both_ways.BOTH

    @property
    def turns(self) -> int:
        """Blocks of a comparison."""
        return _BLOCKS if self.blocks is None else self.blocks

    @property
    def shape_options(self) -> Typed:
        """The options that say when requests are sent."""
        return Typed(
            concurrency=self.concurrency,
            rate=self.rate,
            arrivals=self.arrivals,
            cap=self.cap,
            ramp=self.ramp,
            steps=self.steps,
            trace=self.trace,
            trace_speed=self.trace_speed,
            conversations=self.conversations,
            batching=self.batching,
        )


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The same, read: what is to be sent and what is demanded of it."""

    workloads: tuple[Workload, ...]
    prompts: Prompts
    slo: Slo | None

    @property
    def loads(self) -> tuple[Load, ...]:
        """The shapes of the workloads."""
        return tuple(w.load for w in self.workloads if w.load is not None)

    @property
    def streams(self) -> int:
        """The most requests that may be in flight, as far as the loads say."""
        found = [streams for load in self.loads for _, streams in schedule.streams_ns(load)]
        return max(found, default=1)

    @property
    def tokens(self) -> int:
        """The context that the longest request takes, as far as the prompts say."""
        return max(self._tokens(w.prompts or self.prompts.source) for w in self.workloads)

    @property
    def reuse_prefix(self) -> bool:
        """Whether what prompts have in common is declared, so that a cache may hold it."""
        return isinstance(self.prompts.source, Prefix) or any(
            isinstance(load, Conversations) for load in self.loads
        )

    def _tokens(self, source: PromptSource) -> int:
        longest: float
        match source:
            case Synthetic():
                longest = source.input_tokens + 3 * source.input_sd
                longest += source.output_tokens + 3 * source.output_sd
            case Prefix():
                longest = source.whole_tokens + source.output_tokens
            case Recorded():
                longest = max(
                    map(sum, zip(source.prompt_tokens, source.output_tokens, strict=True))
                )
            case Images():
                longest = source.images * TOKENS_OF_A_PICTURE
                longest += source.input_tokens + source.output_tokens
            case FromFile() | ShareGpt():
                longest = self._longest_row(source.output_tokens)
        turns = max(
            (load.turns for load in self.loads if isinstance(load, Conversations)), default=1
        )
        return round(longest) * turns

    def _longest_row(self, output_tokens: int | None) -> int:
        """Return a bound: no text has more tokens than bytes."""
        found = 0
        for row in self.prompts.rows:
            asked = sum(len(message.content.encode()) for message in row.messages)
            answer = row.max_tokens or output_tokens or len(row.answer.encode()) or OUTPUT_TOKENS
            found = max(found, asked + answer)
        return min(_LONGEST_ROW, found + _AROUND)


def read(request: BenchRequest) -> Asked:
    """Return what is asked, or raise `BadInput` with the way out."""
    loads = shapes.loads(request.shape_options)
    _refuse_what_says_nothing(request, loads)
    objectives = None if request.slo is None else slo(request.slo)
    if request.find_knee and objectives is not None:
        _refuse_what_no_load_can_miss(objectives)
    if request.load is not None:
        prompts = Prompts(Synthetic())
        asked = Asked(_named(request, loads), prompts, objectives)
    else:
        prompts = _prompts(request, loads)
        workloads = tuple(_workload(request, load, prompts) for load in loads)
        asked = Asked(workloads, prompts, objectives)
    _refuse_what_cannot_be_sent(request, asked)
    return asked


def is_address(subject: str) -> bool:
    """Say whether a subject is the address of a server, also one without its scheme."""
    if "://" in subject:
        return True
    host, colon, rest = subject.partition(":")
    port = rest.partition("/")[0]
    return bool(colon and host) and port.isdigit() and "/" not in host


def _prompts(request: BenchRequest, loads: tuple[Load, ...]) -> Prompts:
    prompts = sources.read(request.prompts or _PROMPTS)
    trace = next((load for load in loads if isinstance(load, Trace)), None)
    if trace is not None and request.prompts is None:
        prompts = _as_recorded(trace) or prompts
    talk = any(isinstance(load, Conversations) for load in loads)
    if talk and isinstance(prompts.source, Images):
        raise BadInput(
            "the turns of a conversation are text; images: makes prompts of one turn",
            hint="use synthetic: or a file with --conversations",
        )
    if talk and isinstance(prompts.source, Prefix):
        raise BadInput(
            "conversations share their own beginnings; prefix: makes prompts that do",
            hint="use synthetic: or a file with --conversations",
        )
    return prompts


def _as_recorded(trace: Trace) -> Prompts | None:
    """Return the lengths that a trace has; one kind alone says too little."""
    if not trace.prompt_tokens and not trace.output_tokens:
        return None
    if not trace.prompt_tokens or not trace.output_tokens:
        known, other = ("prompt", "output") if trace.prompt_tokens else ("output", "prompt")
        raise BadInput(
            f"--trace says how long each {known} is, and nothing of the {other}s",
            hint=f"add the {other} lengths, or give --prompts, which then says both",
        )
    return Prompts(Recorded(trace.prompt_tokens, trace.output_tokens))


# ── what says nothing here ──────────────────────────────────────────────────────────────────────


def with_engine(subject: str, request: BenchRequest) -> str:
    """Return a file with --engine behind an @; beside an address that option is the server's."""
    if request.engine is None or any(map(is_address, request.subjects)):
        return subject
    from steelyard.app import subjects

    return subjects.on(subject, request.engine)


def _refuse_what_says_nothing(request: BenchRequest, loads: tuple[Load, ...]) -> None:
    addresses = [is_address(subject) for subject in request.subjects]
    if request.engine is not None:
        if not any(addresses):
            from steelyard.app import subjects

            subjects.on(request.subject, request.engine)
            subjects.require_loading(request.engine, contained=request.contained)
        else:
            meeting.chosen(request.engine)
    if not any(addresses):
        _without(request, _OF_SERVERS, "a server that somebody else runs", "a file is served here")
    elif not any(subject.startswith("https:") for subject in request.subjects):
        _without(request, _OF_TLS, "an encrypted connection", "the address does not say https")
    if all(addresses):
        _without(request, _OF_FILES, "an engine that is started here", "this server runs already")
    if request.image is not None and not request.contained:
        raise BadInput(
            "--image is for an engine that is started in a container",
            hint="add --runtime container, or leave --image out",
        )
    if request.compare is None and not request.both_ways and request.blocks is not None:
        raise BadInput(
            "--blocks says nothing without --compare or --batching both",
            hint="give one of them, or drop --blocks",
        )
    both_ways.refuse(
        request.batching,
        find_knee=request.find_knee,
        compare=request.compare,
        processes=request.processes,
    )
    if request.find_knee:
        if not isinstance(loads[0], Closed) or len(loads) > 1 or request.load is not None:
            raise BadInput(
                "--find-knee chooses the rates itself",
                hint="give --concurrency N for its saturating probe, or nothing",
            )
        if request.duration is not None:
            raise BadInput(
                "--find-knee goes by requests, not by time",
                hint="give --requests N for its shortest probe, or leave --duration out",
            )


def _refuse_what_no_load_can_miss(objectives: Slo) -> None:
    """Refuse objectives of single requests alone: a search follows those of a whole load."""
    if not any(
        limit.quantile is not None or limit.metric == "errors" for limit in objectives.limits
    ):
        name = objectives.limits[0].name
        raise BadInput(
            f"--find-knee goes by what a whole load must meet; --slo {name} limits each request",
            hint=f"write {name}_p95=…, or add errors=1%",
        )


def _without(request: BenchRequest, names: tuple[str, ...], what: str, why: str) -> None:
    for name in names:
        if getattr(request, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise BadInput(f"{option} is for {what}: {why}", hint=f"leave {option} out")


def _refuse_what_cannot_be_sent(request: BenchRequest, asked: Asked) -> None:
    """Refuse a load without an end or a beginning, and one under which two cannot take turns."""
    for workload, load in zip(asked.workloads, asked.loads, strict=True):
        if schedule.streams_ns(load) or request.find_knee:
            continue
        moments = schedule.moments_ns(
            load,
            schedule_seed(request.seed, workload.name, 0),
            requests=workload.requests or None,
            duration_s=workload.duration_s,
        )
        if not moments:
            raise BadInput(
                f"in {described(load)} chance leaves no request at all",
                hint="take a longer --duration, a higher rate or another --seed",
            )
    if request.compare is None:
        return
    if len(asked.workloads) > 1 or request.find_knee:
        raise BadInput(
            "--compare takes turns under one load", hint="give one --concurrency or one --rate"
        )
    if isinstance(asked.loads[0], Trace | Ramp | Steps):
        raise BadInput(
            "--compare takes turns under one steady load, of which each turn is a part",
            hint="give one --concurrency, one --rate or --conversations",
        )


# ── workloads ───────────────────────────────────────────────────────────────────────────────────


def _named(request: BenchRequest, loads: tuple[Load, ...]) -> tuple[Workload, ...]:
    """Return a load that is known by its name, and refuse what it lays down itself."""
    name = request.load or ""
    free = name == "soak"
    alone = request.shape_options == Typed(concurrency=request.concurrency)
    if not alone or len(loads) > 1 or (request.concurrency is not None and not free):
        raise BadInput(
            f"--load {name} lays down its own levels",
            hint="leave the other load options out; soak takes one --concurrency",
        )
    given = [("--duration", request.duration is not None and not free)]
    given += [("--requests", request.requests is not None)]
    given += [("--prompts", request.prompts is not None)]
    if typed := [option for option, there in given if there]:
        raise BadInput(
            f"--load {name} lays down its own prompts and its end",
            hint=f"leave {' and '.join(typed)} out",
        )
    trained = 0
    if not is_address(request.subject):
        from steelyard.app import subjects

        chosen = subjects.choose(with_engine(request.subject, request), contained=request.contained)
        trained = chosen.files[0][1].context_tokens
    return named(request, trained)


def named(request: BenchRequest, context_tokens: int) -> tuple[Workload, ...]:
    """Return the load that is known by its name; `context_tokens` 0: nobody knows."""
    first = shapes.loads(request.shape_options)[0]
    streams = first.streams if isinstance(first, Closed) else 1
    return suites.named(
        request.load or "", context_tokens, streams=streams, duration_s=request.duration
    )


def _workload(request: BenchRequest, load: Load, prompts: Prompts) -> Workload:
    requests, duration = request.requests or 0, request.duration
    if request.both_ways and isinstance(load, Closed) and (requests or duration is None):
        requests = both_ways.requests(load.streams, request.requests, request.turns)
    ends = isinstance(load, Trace | Steps | Ramp)
    if not requests and duration is None and not ends:
        match load:
            case Open():
                duration = _OPEN_S
            case Closed(streams=streams):
                requests = max(_REQUESTS, _REQUESTS_PER_STREAM * streams)
            case Conversations(users=users, turns=turns):
                requests = max(_REQUESTS, 2 * users * turns)
    source = prompts.source
    length, output = 0, 0
    if isinstance(source, Synthetic):
        length, output = source.input_tokens, source.output_tokens
    elif isinstance(source, Prefix):
        length, output = source.whole_tokens, source.output_tokens
    streams = load.streams if isinstance(load, Closed) else 1
    return Workload(
        "bench",
        prompt_tokens=length,
        output_tokens=output,
        requests=requests,
        streams=load.users if isinstance(load, Conversations) else streams,
        warmup=request.warmup,
        load=load,
        duration_s=duration,
        prompts=source,
    )
