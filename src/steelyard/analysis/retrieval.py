"""What retrieval found for the items of a task, and what became of the answers.

Facts of one set of documents hang together, so every share is clustered by it. Not aware of how
passages are found, or of layouts. Intervals: `stats.proportions`, `stats.means`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from steelyard.domain.evaluation import KindFound, RetrievalScore, Stage
from steelyard.domain.retrieval import NOT_STATED, SOURCES, Retrieval
from steelyard.domain.run import Section
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, NotRun, Right, item_of
from steelyard.stats.means import skewed_mean
from steelyard.stats.proportions import share_estimate

_NS_PER_S: Final = 1e9
_ITEM, _CORPUS = "item", "set of documents"


def score(section: Section) -> RetrievalScore | None:
    """Return what retrieval did for a section; None where nothing was retrieved."""
    found = section.retrieval
    if found is None:
        return None
    run = {
        item: mark
        for item, mark in section.marks.items()
        if item_of(item) in found.items and not isinstance(mark.outcome, NotRun)
    }
    answerable = [item for item in run if found.items[item_of(item)].needed]
    all_found = {item: all(found.items[item_of(item)].found) for item in answerable}
    whole = [item for item in answerable if all_found[item]]
    missed = [item for item in answerable if not all_found[item]]

    def share(items: Iterable[str], holds: dict[str, bool]) -> Estimate:
        chosen = list(items)
        owners = [section.clusters.get(item, item) for item in chosen]
        return share_estimate([holds[item] for item in chosen], owners)

    right = {item: isinstance(mark.outcome, Right) for item, mark in run.items()}
    absent = {item: _abstained(mark) for item, mark in run.items()}
    cited = {item: _cited(found, item, mark) for item, mark in run.items()}
    return RetrievalScore(
        task=section.name,
        retriever=found.retriever,
        chunk=found.chunk,
        k=found.k,
        unit=found.unit,
        embedder=found.embedder,
        passages=sum(corpus.passages for corpus in found.corpora.values()),
        recall=_recall(section, found, list(found.items)),
        complete=share(answerable, all_found),
        right_found=share(whole, right),
        right_missed=share(missed, right),
        rightly=share((item for item in run if not found.items[item_of(item)].needed), absent),
        wrongly=share(whole, absent),
        for_want=share(missed, absent),
        cited=share((item for item in answerable if right[item]), cited),
        kinds=tuple(
            KindFound(
                kind,
                _recall(section, found, members),
                share((item for item in members if item in run), right),
            )
            for kind, members in _kinds(found)
        ),
        stages=tuple(_stages(section, found)),
    )


def _kinds(found: Retrieval) -> Iterator[tuple[str, list[str]]]:
    for kind in sorted({one.kind for one in found.items.values()}):
        yield kind, [item for item, one in found.items.items() if one.kind == kind]


def _recall(section: Section, found: Retrieval, items: Iterable[str]) -> Estimate:
    """Pool the facts of the items: each stands in a passage that was given, or in none."""
    facts = [(item, hit) for item in items for hit in found.items[item_of(item)].found]
    owners = [section.clusters.get(item, item) for item, _ in facts]
    return share_estimate([hit for _, hit in facts], owners)


def _abstained(mark: Mark) -> bool:
    return (mark.extracted.get("flexible") or "").lower() == NOT_STATED


def _cited(found: Retrieval, item: str, mark: Mark) -> bool:
    named = mark.extracted.get(SOURCES)
    return named is not None and set(named.split()) == found.items[item_of(item)].documents


def _stages(section: Section, found: Retrieval) -> Iterator[Stage]:
    corpora, items = list(found.corpora.values()), list(found.items.values())
    embedded = [one.embedding_ns for one in corpora if one.embedding_ns is not None]
    asked = [one.question_ns for one in items if one.question_ns is not None]
    yield _stage("cut into passages", _CORPUS, [one.cutting_ns for one in corpora])
    yield _stage("index", _CORPUS, [one.indexing_ns for one in corpora])
    if embedded:
        yield _stage("embed passages", _CORPUS, embedded)
    if asked:
        yield _stage("embed question", _ITEM, asked)
    yield _stage("search", _ITEM, [one.search_ns for one in items])
    answers: dict[str, int] = {}
    for attempt in section.attempts:
        if attempt.outcome.kind == "completed":
            took_ns = attempt.done_ns - attempt.sent_ns
            answers[attempt.sample] = answers.get(attempt.sample, 0) + took_ns
    yield _stage("answer", _ITEM, list(answers.values()))


def _stage(name: str, per: str, times_ns: Iterable[int]) -> Stage:
    return Stage(name, per, skewed_mean([time_ns / _NS_PER_S for time_ns in times_ns]))
