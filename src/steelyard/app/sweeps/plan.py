"""The plan of a sweep as this machine foresees it: how long, and what there is no room for.

Guesses where nothing was measured yet, and the plan calls them so. Writes nothing. Not aware of
folders or of how anything is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from steelyard.app.evals.distinct import distinct
from steelyard.app.rates import rates_of
from steelyard.app.sweeps.questions import Questions
from steelyard.campaigns.plan import Plan, Skip
from steelyard.campaigns.planner import plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.workload import Workload
from steelyard.tasks import registry
from steelyard.workloads import suites


def planned(sweep: Sweep, asked: Questions, refused: Mapping[str, str] | None = None) -> Plan:
    """Lay out the sweep, and say which of the suite's workloads and families it leaves out."""
    rates = rates_of(sweep.reference.file, sweep.controls.threads or 1)
    counted = distinct({task: registry.generate(task) for task in sweep.tasks})
    found = plan(
        sweep,
        replace(rates, items=asked.loads),
        refused=refused,
        different=(counted.items, counted.effect),
    )
    there = {_lengths(load) for load in sweep.workloads}
    out = [
        Skip(load.name, _no_room(sweep, load))
        for load in suites.workloads(sweep.suite)
        if _lengths(load) not in there
    ]
    out += [Skip(family, why) for family, why in asked.left_out.items()]
    return replace(found, skipped=(*found.skipped, *out))


def _lengths(load: Workload) -> tuple[str, int, int, int]:
    return load.shape, load.prompt_tokens, load.output_tokens, load.streams


def _no_room(sweep: Sweep, load: Workload) -> str:
    """Say what bounds the context: the model, its server, or this sweep."""
    file, context = sweep.reference.file, sweep.profile.context_tokens
    if file is None:
        return "no server said that it has so much context for one request"
    if file.context_tokens and suites.context_needed((load,)) > file.context_tokens:
        return f"the model was trained for {file.context_tokens:,} tokens of context"
    return f"this sweep has {context:,} tokens of context: as asked for, or as memory has room"
