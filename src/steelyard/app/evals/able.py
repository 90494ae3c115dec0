"""What a subject and this machine can be asked: the rest is refused, or left out of a suite.

Not aware of how it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from steelyard.analysis import barred
from steelyard.app import subjects
from steelyard.app.benches import benching, request
from steelyard.app.benches.benching import Target
from steelyard.app.evals import rag_request, room
from steelyard.domain.errors import BadInput, CannotContain, SteelyardError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.task import Item, Task
from steelyard.engines import api
from steelyard.engines.attached import AttachedEngine
from steelyard.platform import containment
from steelyard.runs.execute import Session
from steelyard.runs.judged import kinds_of
from steelyard.tasks import registry


def require_here(tasks: Iterable[Task]) -> None:
    """Raise `CannotContain` where answers are programs and nothing here could contain them."""
    if any(map(registry.runs_code, tasks)):
        containment.sandbox()


def require(target: Target, items: Sequence[Item], tasks: Sequence[Task]) -> None:
    """Raise `BadInput` where the subject takes no such items: too long, with tools, with media."""
    room.require(target, items, tasks)
    _require_tools(target, items)
    benching.refuse_blind(target, kinds_of(item.start() for item in items))


def fitting(
    drawn: Mapping[Task, Sequence[Item]], subject: str
) -> tuple[dict[Task, Sequence[Item]], dict[Task, str]]:
    """Return what can be asked as far as can be told beforehand, and of the rest why it cannot.

    Of a model of ours that is its trained context, of this machine whether it has a sandbox.
    """
    trained = _trained(subject)
    kept: dict[Task, Sequence[Item]] = {}
    left_out: dict[Task, str] = {}
    for task, items in drawn.items():
        passages = rag_request.room_tokens(task, counted=True)
        longest = room.context(items, task.thinking) + passages
        needed = benching.context_of(longest + room.LEAST_ANSWER)
        if trained and needed > trained:
            left_out[task] = (
                f"its questions take {needed:,} tokens, the model was trained for {trained:,}"
            )
            continue
        try:
            require_here([task])
        except CannotContain as error:
            left_out[task] = str(error)
            continue
        kept[task] = items
    return kept, left_out


def by_family(left_out: Mapping[Task, str], kept: Iterable[Task]) -> dict[str, str]:
    """Name what is left out: a family of which nothing is kept, else the family's level."""
    whole = {task.family for task in kept}
    found: dict[str, str] = {}
    for task, why in left_out.items():
        found.setdefault(task.base if task.family in whole else task.family, why)
    return found


def refused(target: Target, drawn: Mapping[Task, Sequence[Item]]) -> dict[Task, str]:
    """Return by task why the subject cannot be asked it; empty where it takes all."""
    found = {}
    for task, items in drawn.items():
        try:
            require(target, items, (task,))
        except SteelyardError as error:
            found[task] = str(error)
    return found


def unbarred(
    session: Session, drawn: Mapping[Task, Sequence[Item]], emit: Emit
) -> tuple[dict[Task, Sequence[Item]], dict[str, str]]:
    """Return what the server that is up can be asked; by family why not, which is told at once.

    That tools are dropped shows only where something is asked: no file says it.
    """
    codes = {task: session.barrier(task, items) for task, items in drawn.items()}
    kept = {task: items for task, items in drawn.items() if not codes[task]}
    found = by_family({t: barred.BEFORE.get(why, why) for t, why in codes.items() if why}, kept)
    for family, why in found.items():
        emit(Noted(f"{family} is not asked: {why}", warning=True))
    return kept, found


def _trained(subject: str) -> int:
    """Return the context that a model of ours was trained for; 0 where nobody has seen it."""
    if request.is_address(subject):
        return 0
    files = subjects.choose(subject).files
    return min((facts.context_tokens for _, facts in files), default=0)


def _require_tools(target: Target, items: Sequence[Item]) -> None:
    """Raise `BadInput` where items call tools and the engine is known to have no place for them."""
    engine = target.what
    spoken = engine.dialect if isinstance(engine, AttachedEngine) else None
    dialect = spoken or api.dialect(target.spec.subject.engine)
    if dialect.capabilities.tool_calls or not any(item.start().tools for item in items):
        return
    raise BadInput(
        f"{target.spec.subject.artifact.name} on {dialect.name} takes no tools, and these tasks "
        "call them through its tools API",
        hint="--tasks tools_prompted asks the same with the catalogue in the prompt",
    )
