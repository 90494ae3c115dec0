"""Timed workloads: warm up, send the load, keep every stamped exchange.

A workload of a suite sends so many requests, so many at a time; one with a load shape of its own
is sent by `runs.loads`, over the same client. A timed repeat that was cut short is repeated whole,
since half of one and half of another would be a load that nobody asked for. Not aware of metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from steelyard.domain.reading import Measured
from steelyard.domain.run import AppliedControl, RunSpec, Section
from steelyard.domain.stream import Attempt, Completed, Exchange
from steelyard.domain.task import Item, Mark, Task
from steelyard.domain.workload import GenerationRequest, Workload
from steelyard.runs import loads, prompting
from steelyard.runs.bench import Bench, Key
from steelyard.runs.texts import passage
from steelyard.tasks.registry import generate
from steelyard.workloads.prompts import requests

_WARM: Final = "warm"
_PACE_S: Final = 1.0  # where nothing was asked before
_SOAK_STALL_NS: Final = 300 * 10**9
# A repeat in which the engine was not there is no repeat: it is begun again.
_NOBODY: Final = frozenset({"connection_refused", "disconnected"})
_NS_PER_S: Final = 1e9


def measure(bench: Bench, workload: Workload) -> Section:
    """Run one timed workload, or read it from the spool where it had already ended."""
    if workload.load is not None:
        return _shaped(bench, workload)
    name = workload.name
    mine = [(key, exchange) for key, exchange in bench.known if key.section == name]
    go = 1 + max((key.go for key, _ in mine), default=-1)
    last = [exchange for key, exchange in mine if key.go == go - 1 and key.sample.isdigit()]
    warm, measured = _requests(bench, workload)
    if len(last) == workload.requests and not any(each.failure in _NOBODY for each in last):
        earlier = [each for key, each in mine if key.go == go - 1 and key.sample.startswith(_WARM)]
        bench.warmed[name] = len(_answered(bench, earlier))
        for _ in last:
            bench.advance(name)
        return _section(bench, workload, [_read(bench, measured, one) for one in last])
    bench.client.set_streams(workload.streams)
    for number, request in enumerate(warm):
        bench.submit(Key(name, go, f"{_WARM}{number}"), request)
    bench.warmed[name] = len(_answered(bench, bench.client.drain()))
    for number, request in enumerate(measured):
        bench.submit(Key(name, go, str(number)), request)
    attempts = []
    for exchange in bench.results():
        attempts.append(_read(bench, measured, exchange))
        bench.advance(name)
    return _section(bench, workload, attempts)


def warmed(spec: RunSpec, answered: Mapping[str, int]) -> tuple[AppliedControl, ...]:
    """Say how many warm-up requests were answered: the fewest of any workload that has them."""
    names = [workload.name for workload in spec.workloads if workload.warmup]
    counts = [answered.get(name, 0) for name in names]
    if not counts:
        return ()
    asked = spec.controls.warmup
    # A workload may have more of its own than were asked for; none means none.
    applied = min(asked, *counts) if asked else max(counts)
    return (AppliedControl("warmup", str(asked), Measured(str(applied), "client")),)


def _shaped(bench: Bench, workload: Workload) -> Section:
    """Warm up, then send a load of its own shape."""
    name = workload.name
    go = 1 + max((key.go for key, _ in bench.known if key.section == name), default=-1)
    go = max(go, bench.goes.get(name, -1) + 1)
    bench.goes[name] = go
    hand = prompting.hand(bench, workload)
    bench.client.set_streams(1)
    asked = bench.spec.controls.warmup
    warm = max(workload.warmup, asked) if workload.warmup and asked else 0
    for number, prompt in enumerate(islice(prompting.warming(bench, workload), warm)):
        bench.submit(Key(name, go, f"{_WARM}{number}"), prompt.request)
    answered = _answered(bench, bench.results())
    bench.warmed[name] = len(answered)
    paces = [(attempt.done_ns - attempt.sent_ns) / _NS_PER_S for attempt in answered]
    if workload.shape == "soak":  # of what hangs, an hour of silence says no more than this
        bench.stall_ns = min(bench.stall_ns, _SOAK_STALL_NS)
    driven = loads.drive(bench, workload, go, hand, pace_s=min(paces, default=_PACE_S))
    section = _section(bench, workload, driven.attempts)
    return replace(
        section,
        planned=driven.planned,
        dropped=driven.dropped,
        began_ns=driven.began_ns,
        reason=driven.reason,
    )


def _answered(bench: Bench, exchanges: Iterable[Exchange]) -> list[Attempt]:
    """Return the attempts that were answered: one that was refused warms nothing up."""
    attempts = [bench.read(exchange) for exchange in exchanges]
    return [attempt for attempt in attempts if isinstance(attempt.outcome, Completed)]


def _requests(
    bench: Bench, workload: Workload
) -> tuple[Sequence[GenerationRequest], Sequence[GenerationRequest]]:
    """Return the warm-up requests and the measured ones.

    A control of 0 asks for none; else it is the least, where a workload warms up at all.
    """
    spec = bench.spec
    if workload.shape == "canary":
        asked = [_canary_request(spec.campaign_seed, workload)] * (
            workload.warmup + workload.requests
        )
    else:
        asked = requests(
            workload,
            seed=spec.campaign_seed,
            # The reference and its A/A twin get prompts of their own, like any two runs.
            repeat=spec.repeat * 4 + spec.replica,
            tokenise=bench.engine.tokenise,
            text=passage,
        )
    own, measured = asked[: workload.warmup], asked[workload.warmup :]
    if not own or not spec.controls.warmup:
        return [], measured
    return [own[0]] * max(0, spec.controls.warmup - len(own)) + own, measured


def _read(bench: Bench, asked: Sequence[GenerationRequest], exchange: Exchange) -> Attempt:
    """Read an attempt, and beside it how long its prompt was to be where that was laid down."""
    tokens = asked[int(Key.read(exchange.id).sample)].prompt_tokens
    return bench.read(exchange, prompt_tokens_wanted=None if tokens is None else len(tokens))


def _canary_item(seed: int) -> Item:
    return generate(Task("formats", items=1, seed=seed))[0]


def _canary_request(seed: int, workload: Workload) -> GenerationRequest:
    ask = _canary_item(seed).start()
    return GenerationRequest(
        messages=ask.messages, max_tokens=workload.output_tokens, exact_tokens=True, seed=seed
    )


def _order(attempt: Attempt) -> tuple[int, ...]:
    """Return the numbers in a sample's name: requests count up, turns do for each user."""
    return tuple(int(part) for part in attempt.sample.split("/"))


def _section(bench: Bench, workload: Workload, attempts: Iterable[Attempt]) -> Section:
    kept = tuple(sorted(attempts, key=_order))
    marks: dict[str, Mark] = {}
    if workload.shape == "canary":
        item = _canary_item(bench.spec.campaign_seed)
        for attempt in kept:
            marked = item.on(attempt.answer)
            if isinstance(marked, Mark):
                marks[attempt.sample] = marked
    return Section(
        name=workload.name,
        kind="workload",
        outcome="completed",
        started_ns=min((a.sent_ns for a in kept), default=0),
        ended_ns=max((a.done_ns for a in kept), default=0),
        attempts=kept,
        marks=marks,
        streams=workload.streams,
    )
