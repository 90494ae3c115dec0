"""What a bench is asked to do, read: the options made workloads, prompts and objectives.

Everything that can be known to be wrong before a server is spoken to is refused here. Not aware of
servers, files of models or folders, but for the depth to which a model was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from steelyard.app.benches import both_ways, refused
from steelyard.app.benches.request import BenchRequest, is_address, with_engine
from steelyard.domain.errors import BadInput
from steelyard.domain.load import (
    Closed,
    Conversations,
    Load,
    Open,
    Ramp,
    Steps,
    Trace,
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
from steelyard.loadgen import schedule
from steelyard.workloads import shapes, sources, suites
from steelyard.workloads.shapes import Typed
from steelyard.workloads.sources import Prompts

_PROMPTS: Final = "synthetic:in=512,out=128"
_REQUESTS: Final = 100
_REQUESTS_PER_STREAM: Final = 8
_OPEN_S: Final = 30.0
# Of one: what cuts a picture into tiles takes more, what squeezes it less.
TOKENS_OF_A_PICTURE: Final = 1500
_LONGEST_ROW: Final = 4096
# What a template puts around a message, and more.
_AROUND: Final = 64


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
    refused.what_says_nothing(request, loads)
    objectives = None if request.slo is None else slo(request.slo)
    if request.find_knee and objectives is not None:
        refused.what_no_load_can_miss(objectives)
    if request.load is not None:
        prompts = Prompts(Synthetic())
        asked = Asked(_named(request, loads), prompts, objectives)
    else:
        prompts = _prompts(request, loads)
        workloads = tuple(_workload(request, load, prompts) for load in loads)
        asked = Asked(workloads, prompts, objectives)
    refused.what_cannot_be_sent(request, asked.workloads)
    return asked


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
