"""What was retrieved for the items of a task whose answers stand in documents.

A passage is named `DOCUMENT:FIRST-LAST` by its sentences, a fact `DOCUMENT:SENTENCE`, so both can
be told again from the documents alone. Times are monotonic nanoseconds. Not aware of how passages
are cut, ranked or embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, final

NOT_STATED: Final = "not stated"  # how one says that the passages do not hold the answer
SOURCES: Final = "sources"  # under which a mark keeps the documents that an answer names
Unit: TypeAlias = Literal["tokens", "words"]


@final
@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages that one item was given, best first, and the facts that its answer needs.

    `needed` is empty where nothing in the documents answers. `question_ns` is how long the question
    took to be embedded, None where it was not; `search_ns` is ranking.
    """

    kind: str
    passages: tuple[str, ...]
    needed: tuple[str, ...]
    search_ns: int
    question_ns: int | None = None

    @property
    def found(self) -> tuple[bool, ...]:
        """Whether each needed fact stands whole in one of the passages."""
        spans = [_span(passage) for passage in self.passages]
        return tuple(
            any(d == document and first <= at <= last for d, first, last in spans)
            for document, at, _ in map(_span, self.needed)
        )

    @property
    def documents(self) -> frozenset[str]:
        """The documents that hold what is needed."""
        return frozenset(document for document, _, _ in map(_span, self.needed))


@final
@dataclass(frozen=True, slots=True)
class Indexed:
    """One set of documents, made ready: `embedding_ns` is None where nothing was embedded."""

    documents: int
    passages: int
    cutting_ns: int
    indexing_ns: int
    embedding_ns: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Retrieval:
    """The retrieval of one task: how, from what, and what each item was given.

    `chunk` is the longest passage, in `unit`: tokens of the served model, or words where it does
    not tell them; `longest` is the longest there was. `failed` says of an item why it has no
    passages. `embedder` is the model that embeds, `embedded_at` the address that was asked.
    """

    retriever: str
    chunk: int
    k: int
    unit: Unit
    longest: int = 0
    embedder: str = ""
    embedded_at: str = ""
    dimensions: int = 0
    corpora: Mapping[str, Indexed] = field(default_factory=dict)
    items: Mapping[str, Retrieved] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def joined(first: Retrieval | None, second: Retrieval | None) -> Retrieval | None:
    """Return the retrieval of two parts of one task."""
    if first is None or second is None:
        return second if first is None else first
    return replace(
        second,
        longest=max(first.longest, second.longest),
        corpora={**first.corpora, **second.corpora},
        items={**first.items, **second.items},
        failed={**first.failed, **second.failed},
    )


def _span(text: str) -> tuple[str, int, int]:
    """Read `DOCUMENT:FIRST-LAST` or `DOCUMENT:SENTENCE`."""
    document, _, span = text.partition(":")
    first, _, last = span.partition("-")
    return document, int(first), int(last or first)
