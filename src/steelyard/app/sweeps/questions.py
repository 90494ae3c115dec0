"""Which families of tasks a sweep asks, how many items of each, and why the others are not asked.

Told from what is known before an engine is up: the engine's abilities, this machine's sandbox, the
context that the work has. What a server then turns out not to take is `analysis.barred`'s. The
items of a task are the same for every variant. Writes nothing. Not aware of plans.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.analysis.sizing import items_for_margin
from steelyard.analysis.validity import ATTACHED
from steelyard.app.evals import able, cost, rag_request, room, suites
from steelyard.app.sweeps.spec import SweepRequest, Weighed, gates_of
from steelyard.campaigns.planner import ItemLoad
from steelyard.domain.errors import SteelyardError
from steelyard.domain.reading import value_of
from steelyard.domain.subject import EngineProfile, ServedFacts, Subject, Variant
from steelyard.domain.task import Task
from steelyard.engines import api, sight
from steelyard.engines.api import AsksContext, Dialect
from steelyard.media.samples import Kind
from steelyard.runs.judged import kinds_of
from steelyard.tasks import registry
from steelyard.tasks.long_context import LongContext
from steelyard.tasks.rag import Rag
from steelyard.tasks.rag_settings import RagSettings
from steelyard.tasks.registry import FAMILIES, FULL

ITEMS: Final = 300
_TRIED: Final = 60  # items that tell what those of a family take
# Asked in the sizes of `eval --suite quick`: their items take long to read, to write or to try out.
_IN_SMALL: Final = frozenset({"tools", "rag", "code", "long_context", "vision"})
_LENGTHS: Final = (4, 2)  # of long contexts, in thousands of tokens: the longest that has room
_STEP: Final = 1024  # of the contexts that are proposed, in tokens
_WRITTEN_SHARE: Final = 0.25  # of the tokens that an answer may take, those that it does: a guess


@final
@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of every variant; by family why it is not asked; what an item takes.

    `loads` goes by a task's section and is empty for the quick suite, whose items are all short.
    """

    tasks: tuple[Task, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    loads: Mapping[str, ItemLoad] = field(default_factory=dict)


def questions(
    request: SweepRequest, weighed: Weighed, profile: EngineProfile, variants: Sequence[Variant]
) -> Questions:
    """Return the families of the suite, as far as what is weighed can be asked them."""
    where = _Where.of(weighed, profile, variants)
    asked, left_out = list(FAMILIES), {}
    if request.suite == "full":
        for name in FULL[len(FAMILIES) :]:
            if why := where.lacks(_shape(request, name, where)):
                left_out[name] = why
            else:
                asked.append(name)
        left_out |= {
            name: f"{why}: `steelyard eval --tasks {name}` asks it"
            for name, why in registry.NOT_SWEPT.items()
        }
    many = _items(request, len(variants) - 1, len(set(asked) - _IN_SMALL))
    tasks = tuple(_task(request, name, _in_small(request, name) or many, where) for name in asked)
    if request.suite == "quick":
        return Questions(tasks)
    loads = {task.section: _takes(_shape(request, task.family, where)).load for task in tasks}
    return Questions(tasks, left_out, loads)


@final
@dataclass(frozen=True, slots=True)
class _Where:
    """What is asked: by which engine, `subject` where it is started here, in how much context.

    The context is a guess of ours where it is not `known`: not every server said how much a
    request has.
    """

    dialect: Dialect
    subject: Subject | None
    context_tokens: int
    known: bool

    @classmethod
    def of(cls, weighed: Weighed, profile: EngineProfile, variants: Sequence[Variant]) -> _Where:
        dialect, here = api.dialect(weighed.engine), weighed.runtime != ATTACHED
        artifact = variants[0].artifact
        ours = here or isinstance(dialect, AsksContext)
        told = 0 if ours else _told(variants)
        return cls(
            dialect,
            Subject(artifact, weighed.engine, weighed.runtime, profile) if here else None,
            max(profile.context_tokens, told),
            known=ours or told > 0,
        )

    def lacks(self, task: Task) -> str:
        """Return why a task cannot be asked there; empty where nothing is known against it."""
        try:
            able.require_here([task])
            takes = _takes(task)
            sight.require_engine(self.dialect, takes.kinds, self.subject)
        except SteelyardError as error:
            return str(error)
        counted = self.subject is not None
        needed = takes.context_tokens + rag_request.room_tokens(task, counted=counted)
        if needed <= self.context_tokens:
            return ""
        if not self.known:
            enough = -(-needed // _STEP) * _STEP
            return (
                f"its questions take up to {needed:,} tokens, and not every server said how much"
                f" context a request has: --context {enough} lets it be asked"
            )
        return (
            f"its questions take up to {needed:,} tokens, and this sweep has"
            f" {self.context_tokens:,} of context"
        )


def _told(variants: Sequence[Variant]) -> int:
    """Return the context that every one of these servers says a request has; 0 if one does not."""
    told = [
        value_of(variant.facts.context_tokens)
        for variant in variants
        if isinstance(variant.facts, ServedFacts)
    ]
    return min((tokens or 0 for tokens in told), default=0)


@final
@dataclass(frozen=True, slots=True)
class _Takes:
    """What the items of a task take: context without passages, and each of them on average."""

    context_tokens: int
    kinds: frozenset[Kind]
    load: ItemLoad


@functools.cache
def _takes(task: Task) -> _Takes:
    items = registry.generate(task)
    asks = [item.start() for item in items]
    stretched = [ask.stretch.tokens for ask in asks if ask.stretch is not None]
    load = cost.load_of(task, items, counted=True)
    # The plan counts the room to think by itself, and in full.
    written = (load.written - load.requests * task.thinking) * _WRITTEN_SHARE
    return _Takes(
        max(room.context(items, task.thinking), *stretched, 0),
        frozenset(kinds_of(asks)),
        ItemLoad(load.requests / len(items), load.read / len(items), written / len(items)),
    )


def _shape(request: SweepRequest, family: str, where: _Where) -> Task:
    """Return a few items of a family as they will be asked: what they take holds for all seeds."""
    plain = SweepRequest(level=request.level, thinking=request.thinking)
    return _task(plain, family, _TRIED, where)


def _task(request: SweepRequest, family: str, items: int, where: _Where) -> Task:
    return Task(
        family,
        level=_length(where) if family == LongContext.name else request.level,
        items=items,
        seed=request.seed,
        revision=registry.family(family).revision,
        private_seed=request.private_seed,
        settings=RagSettings().told() if family == Rag.name else (),
        thinking=request.thinking,
    )


def _length(where: _Where) -> int:
    """Return the longest length that has room, or the shortest, which then is refused."""
    tokens = (level for level in _LENGTHS if level * 1024 <= where.context_tokens)
    return next(tokens, _LENGTHS[-1])


def _in_small(request: SweepRequest, family: str) -> int:
    """Return how many items a family has that is asked in small; 0 for one that is not."""
    usual = suites.size("quick", family) or 0
    return request.items or usual if family in _IN_SMALL else 0


def _items(request: SweepRequest, comparisons: int, asked: int) -> int:
    """Return how many items each of so many families has: enough for the margin."""
    needed = items_for_margin(gates_of(request), comparisons, asked) // asked
    return request.items or max(ITEMS, needed)
