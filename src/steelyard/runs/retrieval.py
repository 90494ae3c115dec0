"""Finds passages for items that are asked of documents, and times each stage of it.

The length of a passage is counted in tokens of the served model, word by word; where it tells none,
in words. Counting is ours and in no stage's time. Settings that share passages or vectors share
them: nothing is cut, embedded or timed twice. What was found is kept in the run's folder, so that a
run that goes on asks the very same questions. Not aware of marks or of how answers are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, final

from steelyard.domain.codec import decode, encode
from steelyard.domain.counts import counted
from steelyard.domain.errors import BadInput, DialectError, EngineError, UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.domain.ports import Embed, Tokenise
from steelyard.domain.progress import Noted
from steelyard.domain.retrieval import Indexed, Retrieval, Retrieved, Unit
from steelyard.domain.task import Task
from steelyard.platform import atomic, clock
from steelyard.runs.bench import Bench
from steelyard.tasks.bm25 import Bm25
from steelyard.tasks.corpora import Corpus, Passage, Sourced, cut, furnished
from steelyard.tasks.items import Question
from steelyard.tasks.rag_settings import BM25, EMBEDDING, RagSettings

if TYPE_CHECKING:
    from steelyard.tasks.ranking import Matrix

T = TypeVar("T")
Shelf: TypeAlias = tuple[str, int]  # the set of documents, and the longest passage
_FOLDER: Final = "retrieval"
_PIECE: Final = re.compile(r"\w+|[^\w\s]")
_BEFORE: Final = "the"  # a word is counted behind another one, as it stands in a text


def behind_passages(question: Question, found: Retrieval) -> Question:
    """Return a question behind the passages that were found for it."""
    corpus = _source(question).corpus
    passages = [corpus.passage(name) for name in found.items[question.id].passages]
    return replace(question, prompt=furnished(question.prompt, passages))


@final
class Lengths:
    """Counts a text in tokens of the served model, or in words where it does not tell them."""

    def __init__(self, tokenise: Tokenise) -> None:
        self._tokenise = tokenise
        self._pieces, self._texts = dict[str, int](), dict[str, int]()
        self.unit: Unit = "tokens"
        try:
            self._before = len(tokenise(_BEFORE))
        except (UnsupportedSubject, DialectError):
            self.unit = "words"

    def __call__(self, text: str) -> int:
        """Return the length of a text; asked again, it is remembered."""
        if text not in self._texts:
            words = self.unit == "words"
            pieces = _PIECE.findall(text)
            self._texts[text] = len(text.split()) if words else sum(map(self._piece, pieces))
        return self._texts[text]

    def _piece(self, piece: str) -> int:
        if piece not in self._pieces:
            mark = not piece[0].isalnum()
            whole = 0 if mark else len(self._tokenise(f"{_BEFORE} {piece}"))
            self._pieces[piece] = max(1, whole - self._before)
        return self._pieces[piece]


@final
class Library:
    """Finds passages for one run; `embed` is there where a retriever needs it."""

    def __init__(self, folder: Path, embed: Embed | None = None) -> None:
        self._folder, self._embed = folder / _FOLDER, embed
        self._lengths: Lengths | None = None
        self._cut: dict[Shelf, tuple[tuple[Passage, ...], int]] = {}
        self._words: dict[Shelf, tuple[Bm25, int]] = {}
        self._rows: dict[Shelf, tuple[Matrix, int, int]] = {}
        self._asked: dict[str, tuple[Matrix, int]] = {}
        self.refusal: BadInput | None = None

    def find(self, bench: Bench, task: Task, questions: Sequence[Question]) -> Retrieval:
        """Return the passages of each question, those of an earlier session as they were.

        A question whose embedding failed is in `failed` with the reason. Raises `BadInput` where
        no asking again mends it; `refusal` keeps that.
        """
        try:
            return self._find(bench, task, questions)
        except BadInput as refused:
            self.refusal = refused
            raise

    def _find(self, bench: Bench, task: Task, questions: Sequence[Question]) -> Retrieval:
        settings = RagSettings.of(task)
        embed = self._embedder(settings)
        path = self._folder / f"{content_id(task)}.json"
        if path.exists():
            found = decode(Retrieval, path.read_bytes(), source=str(path))
        else:
            self._lengths = self._lengths or Lengths(bench.engine.tokenise)
            found = Retrieval(
                settings.retriever,
                settings.chunk,
                settings.k,
                self._lengths.unit,
                embedder=embed.model if embed is not None else "",
                embedded_at=embed.where if embed is not None else "",
            )
        left = [question for question in questions if question.id not in found.items]
        if left:
            self._lengths = self._lengths or Lengths(bench.engine.tokenise)
            found = self._whole(found, settings, _within(bench, left), self._lengths)
            atomic.write(path, encode(replace(found, failed={})).encode())
        bench.emit(Noted(_said(task, found), warning=bool(found.failed)))
        return found

    def _embedder(self, settings: RagSettings) -> Embed | None:
        if not settings.embeds:
            return None
        if self._embed is None:
            raise BadInput(
                f"the retriever {settings.retriever!r} needs an embeddings endpoint",
                hint="`steelyard eval` takes its address with --embeddings URL",
            )
        return self._embed

    def _whole(
        self,
        found: Retrieval,
        settings: RagSettings,
        left: Iterable[Question],
        lengths: Lengths,
    ) -> Retrieval:
        corpora, items = dict(found.corpora), dict(found.items)
        failed: dict[str, str] = {}
        longest, size = found.longest, found.dimensions
        for cluster, group in groupby(left, key=lambda question: question.cluster):
            asked = list(group)
            shelf = (cluster, settings.chunk)
            corpus = _source(asked[0]).corpus
            self._divide(shelf, corpus, lengths)
            longest = max(longest, *(lengths(p.text) for p in self._cut[shelf][0]))
            try:
                corpora[cluster] = self._indexed(shelf, corpus, settings)
            except EngineError as error:  # of the endpoint that embeds, here and below
                failed |= {question.id: str(error) for question in asked}
                continue
            for question in asked:
                try:
                    items[question.id] = self._retrieved(shelf, question, settings)
                except EngineError as error:
                    failed[question.id] = str(error)
        if settings.embeds and self._rows:
            size = next(iter(self._rows.values()))[0].shape[1]
        return replace(
            found, corpora=corpora, items=items, failed=failed, longest=longest, dimensions=size
        )

    def _divide(self, shelf: Shelf, corpus: Corpus, lengths: Lengths) -> None:
        """Cut documents into passages, unless another setting has."""
        if shelf in self._cut:
            return
        for document in corpus.documents:  # counted first: the time is that of cutting
            for sentence in document.sentences:
                lengths(sentence)
        self._cut[shelf] = _clocked(lambda: cut(corpus, shelf[1], lengths))

    def _indexed(self, shelf: Shelf, corpus: Corpus, settings: RagSettings) -> Indexed:
        """Make passages ready to be searched, as far as an earlier setting has not."""
        passages, cutting_ns = self._cut[shelf]
        indexing_ns, embedding_ns = 0, None
        if settings.retriever != EMBEDDING:
            if shelf not in self._words:
                self._words[shelf] = _clocked(lambda: Bm25([p.text for p in passages]))
            indexing_ns += self._words[shelf][1]
        if settings.embeds:
            if shelf not in self._rows:
                self._rows[shelf] = self._embedded(settings, [p.text for p in passages])
            _, embedding_ns, arranging_ns = self._rows[shelf]
            indexing_ns += arranging_ns
        return Indexed(len(corpus.documents), len(passages), cutting_ns, indexing_ns, embedding_ns)

    def _embedded(self, settings: RagSettings, texts: Sequence[str]) -> tuple[Matrix, int, int]:
        """Return vectors as rows of length 1, the time of embedding and that of arranging."""
        from steelyard.tasks.ranking import unit_rows  # brings numpy: not for words alone

        embed = self._embedder(settings)
        vectors, waited_ns = embed(texts) if embed is not None else ([], 0)
        rows, arranging_ns = _clocked(lambda: unit_rows(vectors))
        return rows, waited_ns, arranging_ns

    def _retrieved(self, shelf: Shelf, question: Question, settings: RagSettings) -> Retrieved:
        question_ns = None
        if settings.embeds and question.id not in self._asked:
            rows, waited_ns, _ = self._embedded(settings, [_source(question).question])
            self._asked[question.id] = rows[0], waited_ns
        if settings.embeds:
            question_ns = self._asked[question.id][1]
        ranked, search_ns = _clocked(lambda: self._ranked(shelf, question, settings))
        passages = self._cut[shelf][0]
        return Retrieved(
            question.kind,
            tuple(passages[at].name for at in ranked[: settings.k]),
            _source(question).needed,
            search_ns,
            question_ns,
        )

    def _ranked(self, shelf: Shelf, question: Question, settings: RagSettings) -> list[int]:
        if settings.retriever == BM25:
            return self._words[shelf][0].ranked(_source(question).question)
        from steelyard.tasks.ranking import fused, nearest

        near = nearest(self._rows[shelf][0], self._asked[question.id][0])
        if settings.retriever == EMBEDDING:
            return near
        return fused(self._words[shelf][0].ranked(_source(question).question), near)


def _clocked(work: Callable[[], T]) -> tuple[T, int]:
    """Do something; return what came of it and how long it took, in nanoseconds."""
    started_ns = clock.monotonic_ns()
    made = work()
    return made, clock.monotonic_ns() - started_ns


def _source(question: Question) -> Sourced:
    if question.source is None:
        raise BadInput(f"the items of {question.family} are asked of no documents")
    return question.source


def _said(task: Task, found: Retrieval) -> str:
    passages = sum(one.passages for one in found.corpora.values())
    whole = counted(passages, "passage")
    sets = counted(len(found.corpora), "set")
    told = (
        f"{task.section}: {whole} of up to {found.chunk} {found.unit} out of "
        f"{sets} of documents, the best {found.k} for each item"
    )
    if not found.failed:
        return told
    items = counted(len(found.failed), "item")
    return f"{told}; none for {items}: {next(iter(found.failed.values()))}"


def _within(bench: Bench, questions: Iterable[Question]) -> Iterator[Question]:
    """Give one after the other; raise `TimeOver` where the bench's time ends on the way."""
    for question in questions:
        bench.require_time()
        yield question
