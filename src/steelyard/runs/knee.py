"""Finding the knee on a real server: performs the probes that `stats.knee` asks for.

Each probe is a workload like any other, over the same client, and its section is kept. Not aware
of how rates are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from steelyard.analysis import goodput
from steelyard.domain.errors import EngineError
from steelyard.domain.load import Closed, Open
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.slo import Slo
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.summary import GateState
from steelyard.domain.workload import Workload
from steelyard.runs.execute import Session
from steelyard.stats.knee import Found, KneeSearch, Offer, Plan, Probed, Saturate, probed
from steelyard.stats.series import series_estimate

_NS_PER_S: Final = 1e9
_LONGEST: Final = 4  # times the shortest probe


def plan(streams: int, requests: int | None) -> Plan:
    """Return how to search: as was shown to be enough, or with shortest probes of one's own."""
    found = Plan() if streams <= 1 else Plan(streams=streams)
    if requests is None:
        return found
    return replace(found, requests=requests, requests_most=_LONGEST * requests)


def find(
    session: Session, workload: Workload, objectives: Slo | None, plan: Plan, emit: Emit
) -> Found:
    """Search until it is found. Raises `EngineError` on a dead engine, or one that shows nothing.

    A probe above capacity is one that cannot be served, so that none is ended early for it.
    """
    if session.bench is not None:
        session.bench.ends_hopeless = False
    search = KneeSearch(plan, objectives=objectives is not None)
    step = search.start()
    probes = 0
    while not isinstance(step, Found):
        probes += 1
        wanted = _workload(workload, step)
        emit(Noted(f"probe {probes}: {_words(step)}"))
        section = session.measure(wanted)
        step = search.handle(_probed(section, objectives))
    return step


def _workload(workload: Workload, step: Saturate | Offer) -> Workload:
    load = Closed(step.streams) if isinstance(step, Saturate) else Open(step.rate)
    streams = step.streams if isinstance(step, Saturate) else 1
    return replace(workload, load=load, streams=streams, requests=step.requests, duration_s=None)


def _probed(section: Section, objectives: Slo | None) -> Probed:
    attempts = section.attempts
    done = [a.done_ns / _NS_PER_S for a in attempts if isinstance(a.outcome, Completed)]
    sent = [a.sent_ns / _NS_PER_S for a in attempts]
    state: GateState | None = None
    strain: Reading[float] = Missing("no_objectives", "none were given")
    if objectives is not None:
        state = _state(attempts, objectives)
        strain = goodput.strain(attempts, objectives)
        # Of a load that nobody answered, the search knows that it was too much.
        if done and isinstance(strain, Missing):
            raise EngineError(
                f"a probe could not be held against the objectives: {strain}",
                hint="leave --slo out, or limit a time that these answers have",
            )
    try:
        return probed(sent, done, state, strain)
    except ValueError as error:
        raise EngineError(f"a probe of {len(attempts)} requests showed nothing: {error}") from None


def _state(attempts: Sequence[Attempt], objectives: Slo) -> GateState:
    percentile = partial(series_estimate, seed=0)
    states = {gate.state for gate in goodput.gates(attempts, objectives, percentile)}
    return next((state for state in ("failed", "undecided") if state in states), "met")


def _words(step: Saturate | Offer) -> str:
    if isinstance(step, Saturate):
        return f"{step.streams} at a time, {step.requests} requests"
    return f"{step.rate:.3g}/s, {step.requests} requests"
