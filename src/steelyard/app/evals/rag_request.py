"""What was typed about retrieval: lists of retrievers, lengths and counts become tasks of a grid.

Every combination is one task with the same items. An option that says nothing here is refused, and
the embeddings endpoint is met before anything is begun. Not aware of terminals.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Missing
from steelyard.domain.task import Task
from steelyard.engines import keys
from steelyard.engines.calls import Trust
from steelyard.engines.url import Endpoint
from steelyard.runs import embedding
from steelyard.runs.embedding import Met
from steelyard.tasks.rag import Rag
from steelyard.tasks.rag_settings import BM25, RagSettings

_ROUTE: Final = "/embeddings"
_TOKENS_PER_WORD: Final = 4  # where only words can be counted: invented names are many tokens
_SLACK: Final = 1.25  # a text has a few more tokens than its words one by one
_AROUND_PASSAGE: Final = 16


@final
@dataclass(frozen=True, slots=True)
class RagRequest:
    """The options as typed, None for what was not."""

    rag_retriever: str | None = None
    rag_chunk: str | None = None
    rag_k: str | None = None
    embeddings: str | None = None
    embeddings_model: str | None = None
    embeddings_key_env: str | None = None


def settled(tasks: Sequence[Task], typed: RagRequest) -> tuple[tuple[Task, ...], Met | None]:
    """Return the tasks, those of `rag` in every setting that was typed, and who embeds.

    Raises `BadInput` for what cannot be, says nothing, or names an endpoint that does not embed.
    """
    if not any(task.family == Rag.name for task in tasks):
        refuse_any(typed)
        return tuple(tasks), None
    grid = _grid(typed)
    met = _met(typed, grid)
    if met is not None:
        grid = [replace(one, embedder=met.model) if one.embeds else one for one in grid]
    return tuple(
        replace(task, settings=one.told()) if task.family == Rag.name else task
        for task in tasks
        for one in (grid if task.family == Rag.name else grid[:1])
    ), met


def room_tokens(task: Task, *, counted: bool) -> int:
    """Return how many tokens the passages of an item may take at most; 0 without any.

    `counted` says that their length is told in tokens: an engine that is started here tells them.
    """
    if task.family != Rag.name:
        return 0
    settings = RagSettings.of(task)
    each = settings.chunk * (_SLACK if counted else _TOKENS_PER_WORD) + _AROUND_PASSAGE
    return round(settings.k * each)


def refuse_any(typed: RagRequest) -> None:
    """Raise `BadInput` where something was typed about retrieval and nothing is retrieved."""
    for field in fields(typed):
        if getattr(typed, field.name) is not None:
            raise BadInput(
                f"--{field.name.replace('_', '-')} is for the task {Rag.name}",
                hint=f"add {Rag.name} to --tasks, or leave it out",
            )


def _grid(typed: RagRequest) -> list[RagSettings]:
    usual = RagSettings()
    retrievers = _listed("--rag-retriever", typed.rag_retriever, usual.retriever)
    chunks = _numbers("--rag-chunk", typed.rag_chunk, str(usual.chunk))
    ks = _numbers("--rag-k", typed.rag_k, str(usual.k))
    return [RagSettings(*one) for one in product(retrievers, chunks, ks)]


def _numbers(option: str, typed: str | None, usual: str) -> list[int]:
    words = _listed(option, typed, usual)
    if not all(word.isdecimal() for word in words):
        raise BadInput(f"{option} {typed} is no list of whole numbers", hint="e.g. 128,512")
    return [int(word) for word in words]


def _listed(option: str, typed: str | None, usual: str) -> list[str]:
    words = [word.strip() for word in (usual if typed is None else typed).split(",")]
    if "" in words:
        raise BadInput(f"{option} has an empty place in its list", hint="e.g. A,B")
    twice = [word for word in words if words.count(word) > 1]
    if twice:
        raise BadInput(f"{option} names {twice[0]} twice")
    return words


def _met(typed: RagRequest, grid: Sequence[RagSettings]) -> Met | None:
    embeds = any(one.embeds for one in grid)
    if typed.embeddings is None:
        if embeds:
            name = next(one.retriever for one in grid if one.embeds)
            raise BadInput(
                f"the retriever {name!r} needs an embeddings endpoint",
                hint="name the address of an OpenAI-compatible server with --embeddings URL",
            )
        for option in ("embeddings_model", "embeddings_key_env"):
            if getattr(typed, option) is not None:
                raise BadInput(f"--{option.replace('_', '-')} says nothing without --embeddings")
        return None
    if not embeds:
        raise BadInput(
            f"--embeddings says nothing to the retriever {BM25}",
            hint="add embedding or hybrid to --rag-retriever, or leave it out",
        )
    endpoint = Endpoint.read(typed.embeddings.rstrip("/").removesuffix(_ROUTE))
    key = (
        Missing("no_key", "none was named")  # the subject's key is not for this server
        if typed.embeddings_key_env is None
        else keys.api_key(endpoint, Trust(), os.environ, variable=typed.embeddings_key_env)
    )
    return embedding.meet(endpoint, typed.embeddings_model, key)
