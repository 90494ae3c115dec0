"""The plan of a sweep as this machine foresees it: how long, and what there is no room for.

Guesses where nothing was measured yet, and the plan calls them so. Writes nothing. Not aware of
folders or of how anything is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from steelyard.campaigns.plan import Plan, Skip
from steelyard.campaigns.planner import Rates, plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.subject import ArtifactFacts
from steelyard.domain.workload import Workload
from steelyard.tasks import registry
from steelyard.workloads import suites

# Of somebody else's server nothing is known before it is measured: a guess for the plan.
_UNSEEN: Final = Rates(
    load_s=1.0,
    prompt_tps=500.0,
    output_tps=40.0,
    task_prompt_tokens=90,
    task_output_tokens=12,
    proof_s=0.0,
)


def planned(sweep: Sweep, refused: Mapping[str, str] | None = None) -> Plan:
    """Lay out the sweep, and say which of the suite's workloads there is no room for."""
    found = plan(sweep, _rates(sweep), refused=refused)
    context = sweep.profile.context_tokens
    there = {_lengths(load) for load in sweep.workloads}
    out = [
        Skip(load.name, _no_room(sweep, load))
        for load in suites.workloads(sweep.suite)
        if _lengths(load) not in there
    ]
    there_too = {task.family for task in sweep.tasks}
    if sweep.suite == "full":
        out += [
            Skip(name, f"its questions take more than this sweep's {context:,} tokens of context")
            for name in registry.FULL
            if name not in there_too
        ]
        out += [
            Skip(name, f"{why}: `steelyard eval --tasks {name}` asks it")
            for name, why in registry.NOT_SWEPT.items()
        ]
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


def _rates(sweep: Sweep) -> Rates:
    """Guess how fast the reference runs here: memory bounds decoding, arithmetic the prefill."""
    found = rates_of(sweep.reference.file, sweep.controls.threads or 1)
    if sweep.suite == "quick":
        return found
    # The further families ask longer questions.
    return replace(found, task_prompt_tokens=200, task_output_tokens=16)


def rates_of(facts: ArtifactFacts | None, threads: int) -> Rates:
    """Guess how fast a file runs here on so many threads; None is a server's, which nobody saw."""
    if facts is None:
        return _UNSEEN
    return Rates(
        load_s=0.4 + facts.tensor_bytes / 1e9,
        prompt_tps=max(1.0, min(8000.0, threads * 25e9 / (2 * facts.parameters))),
        output_tps=max(0.2, min(1200.0, 8e9 / facts.active_bytes)),
        # The shipped items are short questions with answers of a few tokens.
        task_prompt_tokens=90,
        task_output_tokens=12,
        fidelity_tps=max(1.0, min(4000.0, threads * 12e9 / (2 * facts.parameters))),
    )
