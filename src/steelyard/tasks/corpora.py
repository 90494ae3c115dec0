"""Documents that questions are asked of, cut into passages of whole sentences.

A passage ends before the sentence that would make it longer than asked; no sentence is cut, so a
fact that is one sentence is in a passage whole or not at all. Not aware of families, tokenizers or
of how passages are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

HEAD = "Use only the passages below. Before each stands the number of its document, in brackets."


@final
@dataclass(frozen=True, slots=True)
class Document:
    """One document: its number, such as `D007`, and its sentences."""

    id: str
    sentences: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Corpus:
    """All documents of one world."""

    documents: tuple[Document, ...]

    def passage(self, named: str) -> Passage:
        """Return the passage of this name; raise `KeyError` where there is none."""
        document, _, span = named.partition(":")
        first, last = map(int, span.split("-"))
        for one in self.documents:
            if one.id == document:
                return Passage(named, document, " ".join(one.sentences[first : last + 1]))
        raise KeyError(named)


@final
@dataclass(frozen=True, slots=True)
class Sourced:
    """What is asked of which documents, and the facts that answer it, as `DOCUMENT:SENTENCE`."""

    question: str
    corpus: Corpus
    needed: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring sentences of one document; the name is `DOCUMENT:FIRST-LAST`."""

    name: str
    document: str
    text: str


def cut(corpus: Corpus, longest: int, length: Callable[[str], int]) -> tuple[Passage, ...]:
    """Cut all documents into passages of at most `longest`; a longer sentence stands alone."""
    return tuple(
        Passage(f"{one.id}:{first}-{last}", one.id, " ".join(one.sentences[first : last + 1]))
        for one in corpus.documents
        for first, last in _spans([length(sentence) for sentence in one.sentences], longest)
    )


def _spans(lengths: Sequence[int], longest: int) -> Iterator[tuple[int, int]]:
    first, held = 0, 0
    for at, length in enumerate(lengths):
        if held and held + length > longest:
            yield first, at - 1
            first, held = at, 0
        held += length
    yield first, len(lengths) - 1


def furnished(prompt: str, passages: Sequence[Passage]) -> str:
    """Return a question behind its passages, the best one first."""
    shown = [f"[{passage.document}] {passage.text}" for passage in passages]
    return "\n\n".join([HEAD, *shown, prompt])
