"""The subjects of a choice, found before anything is asked: the reference, then cheapest first.

Files are ordered by their size; where a server is among them, nobody saw all sizes, and the order
is the one that was typed. Not aware of what is asked of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from steelyard.app.benches import asked as bench_asked
from steelyard.app.benches import benching
from steelyard.app.benches.benching import Target
from steelyard.app.choosing.deal import Deal
from steelyard.app.choosing.request import ChooseRequest
from steelyard.app.evals import able, rag_request, room
from steelyard.campaigns.choosing import REFERENCE
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit
from steelyard.domain.subject import Variant
from steelyard.engines import api


def targets(request: ChooseRequest, dealt: Deal, folder: Path, emit: Emit) -> dict[str, Target]:
    """Find every subject, the reference first and then the candidates, cheapest first."""
    able.require_here(dealt.tasks)
    items = [one.item for one in dealt.items]
    context = room.context(items, request.eval.thinking) + max(
        rag_request.room_tokens(task, counted=False) for task in dealt.tasks
    )
    words = (request.eval.bench.subject, *request.candidates)
    found = []
    for number, word in enumerate(words):
        label = _label(word, number)
        bench = replace(
            request.of(word).bench,
            prompts=f"synthetic:in={context},out=1",
            concurrency=str(request.eval.streams),
        )
        place = folder / (label or "reference")
        target = benching.target(bench.subject, bench, bench_asked.read(bench), place, emit, 0)
        able.require(target, items, dealt.tasks)
        spec = replace(
            target.spec, workloads=(), tasks=dealt.tasks, task_streams=request.eval.streams
        )
        found.append((label, replace(target, spec=spec)))
    reference, *others = found
    sizes = {label: target.variant for label, target in others}
    if all(variant is not None for variant in sizes.values()):
        others.sort(key=lambda one: _bytes(one[1]))
    _refuse_same(found)
    if len({_is_simulated(target) for _, target in found}) > 1:
        raise BadInput(
            "a scripted engine is among these: what is simulated cannot be chosen beside what is "
            "measured",
            hint="leave it out",
        )
    return dict([reference, *others])


def _label(word: str, number: int) -> str:
    """Return a name for a folder and a table; the reference's is the machine's own."""
    if number == 0:
        return REFERENCE
    plain = "".join(c if c.isalnum() or c in "._" else "-" for c in word.rpartition("/")[2])
    return f"{number}-{plain.strip('-.')[-60:]}"


def _bytes(target: Target) -> int:
    return 0 if target.variant is None else target.variant.artifact.size_bytes


def _is_simulated(target: Target) -> bool:
    match target.what:
        case Variant():
            return api.dialect(target.spec.subject.engine).capabilities.simulated
        case attached:
            return attached.dialect.capabilities.simulated


def _refuse_same(found: list[tuple[str, Target]]) -> None:
    """Raise `BadInput` where two subjects are one: there is nothing to choose between."""
    seen: dict[Any, str] = {}
    for label, target in found:
        key = target.spec.subject
        if key in seen and target.variant is not None:
            raise BadInput(
                f"{label or 'the reference'} is byte for byte the file of "
                f"{seen[key] or 'the reference'}, on the same engine",
                hint="leave one out",
            )
        seen[key] = label
