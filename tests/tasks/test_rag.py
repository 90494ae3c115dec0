"""The family `rag`: one truth, no shortcut, documents hard to search; passages, BM25, scoring."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tasks.pace import takes_under
from tests.tasks.rag_solver import facts, solve

from steelyard.domain.errors import BadInput
from steelyard.domain.retrieval import Retrieved
from steelyard.domain.task import Answer, Invalid, Mark, Right, Task, Wrong
from steelyard.tasks.bm25 import Bm25
from steelyard.tasks.corpora import Corpus, Document, Sourced, cut, furnished
from steelyard.tasks.items import Question
from steelyard.tasks.rag_settings import RagSettings
from steelyard.tasks.ranking import fused, nearest, unit_rows
from steelyard.tasks.registry import questions

LEVELS = pytest.mark.parametrize(
    "level", [1, *(pytest.param(level, marks=pytest.mark.full) for level in (2, 3))]
)
SLACK = 0.05


@cache
def items(level: int, count: int = 400) -> list[Question]:
    return questions(Task("rag", level=level, items=count))


def source(item: Question) -> Sourced:
    assert item.source is not None
    return item.source


def sentences(item: Question) -> list[str]:
    return [text for document in source(item).corpus.documents for text in document.sentences]


def words(text: str) -> int:
    return len(text.split())


@LEVELS
def test_a_second_solver_agrees_on_every_item(level: int) -> None:
    known = {item.cluster: facts(sentences(item)) for item in items(level)[::20]}
    for item in items(level):
        assert solve(known[item.cluster], source(item).question) == item.answer, item.prompt


@LEVELS
def test_the_facts_named_are_enough_and_each_of_them_is_needed(level: int) -> None:
    for item in items(level)[:120]:
        corpus = source(item).corpus
        held = [
            corpus.passage(f"{document}:{at}-{at}").text
            for document, _, at in (fact.partition(":") for fact in source(item).needed)
        ]
        assert bool(held) == (item.answer != "not stated")
        for left_out in range(len(held)):
            rest = held[:left_out] + held[left_out + 1 :]
            assert solve(facts(rest), source(item).question) == "not stated"
        if held:
            assert solve(facts(held), source(item).question) == item.answer


@LEVELS
def test_no_item_comes_twice_and_the_same_task_gives_the_same_items(level: int) -> None:
    found = items(level)
    assert len({item.id for item in found}) == len(found)
    assert len({(item.cluster, item.prompt) for item in found}) == len(found)
    again = questions(Task("rag", level=level, items=40))
    assert again == found[:40]
    assert [sentences(i) for i in again] == [sentences(i) for i in found[:40]]
    train = questions(Task("rag", level=level, items=100, split="train"))
    assert not {item.cluster for item in train} & {item.cluster for item in found}


def test_settings_change_no_item_and_name_another_section() -> None:
    plain = Task("rag", items=20)
    other = Task("rag", items=20, settings=RagSettings("hybrid", 512, 20, "m|x, y").told())
    assert questions(plain) == questions(other)
    assert plain.section == "rag/l1"
    assert other.section == "rag/l1[hybrid,512,20,m_x__y]"
    assert RagSettings.of(other) == RagSettings("hybrid", 512, 20, "m|x, y")
    with pytest.raises(BadInput, match="retriver"):
        questions(Task("rag", settings=(("retriver", "bm25"),)))
    with pytest.raises(BadInput, match="logic takes no settings"):
        questions(Task("logic", settings=(("k", "3"),)))


@LEVELS
def test_no_habit_answers_a_question(level: int) -> None:
    found = items(level, 1200)
    total = Counter(item.answer for item in found)
    assert total.most_common(1)[0][0] == "not stated"
    assert total["not stated"] / len(found) == pytest.approx(1 / 5, abs=0.001)
    # Whether it can be answered is not told by how a question begins.
    begins = Counter(" ".join(source(i).question.split()[:2]) for i in found)
    for begin, count in begins.items():
        absent = sum(
            i.answer == "not stated"
            for i in found
            if " ".join(source(i).question.split()[:2]) == begin
        )
        if count >= 100:
            assert absent / count <= 1 / 5 + SLACK + 1 / math.sqrt(count), begin
    answered = [i for i in found if i.answer != "not stated"]
    assert Counter(i.answer for i in answered).most_common(1)[0][1] / len(answered) <= SLACK
    pairs = [
        (source(i).question.split()[2], source(i).question.split()[4], i.answer)
        for i in answered
        if i.kind == "compare"
    ]
    for habit in (
        sum(first == answer for first, _, answer in pairs),
        sum(max(first, second, key=len) == answer for first, second, answer in pairs),
        sum(min(first, second) == answer for first, second, answer in pairs),
    ):
        assert abs(habit / len(pairs) - 1 / 2) <= SLACK + 1 / math.sqrt(len(pairs))


def test_the_sentences_between_state_nothing() -> None:
    for item in items(1)[::20]:
        told = facts(sentences(item))
        corpus = source(item).corpus
        assert 0.65 < len(told) / sum(8 if words_of(d) else 5 for d in corpus.documents) < 0.85


def words_of(document: Document) -> bool:
    """Whether it is a settlement's."""
    return document.sentences[0].rstrip(".").endswith(("dran", "mere", "wick", "stead"))


@pytest.mark.parametrize(
    ("level", "least"),
    [
        (1, (0.15, 0.45, 0.8)),
        pytest.param(2, (0.15, 0.4, 0.7), marks=pytest.mark.full),
        pytest.param(3, (0.1, 0.35, 0.7), marks=pytest.mark.full),
    ],
)
def test_documents_are_neither_trivial_nor_hopeless_to_search(
    level: int, least: tuple[float, float, float]
) -> None:
    hits: dict[int, list[bool]] = {1: [], 5: [], 20: []}
    shelves = {}
    for item in items(level):
        if item.cluster not in shelves:
            passages = cut(source(item).corpus, 128, words)
            shelves[item.cluster] = passages, Bm25([p.text for p in passages])
        passages, index = shelves[item.cluster]
        ranked = [passages[at].name for at in index.ranked(source(item).question)]
        for k in hits:
            hits[k] += Retrieved(item.kind, tuple(ranked[:k]), source(item).needed, 0).found
    recall = [sum(found) / len(found) for found in hits.values()]
    assert recall == sorted(recall)
    assert all(share > bound for share, bound in zip(recall, least, strict=True)), recall
    assert recall[0] < 0.4
    assert recall[2] < 0.95


def test_a_set_of_400_takes_well_under_two_seconds_of_one_core() -> None:
    assert takes_under(1.5, lambda: questions(Task("rag", items=400, seed=5)))


# ── the mark ────────────────────────────────────────────────────────────────────────────────


def marked(kind: str, said: str, finish: str = "stop") -> tuple[Question, Mark]:
    item = next(item for item in items(1) if item.kind == kind)
    text = said.format(a=item.answer, d=", ".join(f.partition(":")[0] for f in source(item).needed))
    mark = item.on(Answer(text, finish))
    assert isinstance(mark, Mark)
    return item, mark


@pytest.mark.parametrize("kind", ["lookup", "two_hop", "compare", "sum"])
def test_a_perfect_answer_is_right_and_its_sources_are_read(kind: str) -> None:
    item, mark = marked(kind, "It is told there.\nAnswer: {a}\nSources: {d}")
    assert mark.outcome == Right()
    assert mark.constraints == {"answer_form": True, "sources_form": True}
    held = {fact.partition(":")[0] for fact in source(item).needed}
    assert set((mark.extracted["sources"] or "").split()) == held


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("Answer: not stated\nSources: none", True),
        ("The passages do not say.\nAnswer: Not stated.\nSources: none", True),
        ("Answer: unknown\nSources: none", False),
        ("Answer: this is not mentioned in the passages\nSources: none", False),
        ("The answer is not stated in the passages.", False),
    ],
)
def test_abstaining_is_right_where_nothing_answers_and_wrong_elsewhere(
    said: str, form: bool
) -> None:
    _, mark = marked("unanswerable", said)
    assert (mark.outcome, mark.constraints["answer_form"]) == (Right(), form)
    _, mark = marked("lookup", said)
    assert mark.outcome == Wrong()
    assert mark.extracted["flexible"] == "not stated"


def test_sources_decide_nothing_and_are_found_behind_the_answer_too() -> None:
    _, mark = marked("lookup", "Answer: {a} [D999]")
    assert (mark.outcome, mark.extracted["sources"]) == (Right(), "D999")
    _, mark = marked("lookup", "Answer: {a}")
    assert (mark.outcome, mark.extracted["sources"]) == (Right(), "")
    _, mark = marked("unanswerable", "Answer: 3\nSources: D001")
    assert mark.outcome == Wrong()
    _, mark = marked("lookup", "fog, mist and haze")
    assert (mark.outcome, mark.extracted["sources"]) == (Invalid("unparsable"), None)
    _, mark = marked("lookup", "Let us see what D001 says. Ans", "length")
    assert mark.outcome == Invalid("truncated")


# ── passages and rankings ───────────────────────────────────────────────────────────────────


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), longest=st.integers(1, 100))
def test_passages_are_whole_sentences_in_order_and_as_long_as_they_may_be(
    lengths: list[int], longest: int
) -> None:
    texts = tuple(" ".join([f"w{at}"] * length) for at, length in enumerate(lengths))
    corpus = Corpus((Document("D001", texts),))
    passages = cut(corpus, longest, words)
    assert " ".join(p.text for p in passages) == " ".join(texts)
    spans = [tuple(map(int, p.name.partition(":")[2].split("-"))) for p in passages]
    for passage, (first, last) in zip(passages, spans, strict=True):
        assert words(passage.text) <= longest or first == last
        assert corpus.passage(passage.name) == passage
    for passage, (_, (following, _)) in zip(passages, pairwise(spans), strict=False):
        assert words(passage.text) + lengths[following] > longest


def test_bm25_is_the_formula_of_robertson_and_zaragoza() -> None:
    texts = ["the red cat", "the red dog and the red cow", "a horse of course in the red barn"]
    lengths, mean = [3, 7, 8], 6.0

    def worth(word: str, at: int) -> float:
        count = texts[at].split().count(word)
        having = sum(word in text.split() for text in texts)
        rarity = math.log(1 + (3 - having + 0.5) / (having + 0.5))
        return rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * lengths[at] / mean))

    for question in ("red cat", "horse red", "cow", "the", "red red dog"):
        scores = [sum(worth(word, at) for word in question.split()) for at in range(3)]
        found = Bm25(texts).scores(question)
        assert [found.get(at, 0.0) for at in range(3)] == pytest.approx(scores)
        wanted = sorted((at for at in range(3) if scores[at]), key=lambda at: -scores[at])
        assert Bm25(texts).ranked(question) == wanted, question
    assert Bm25(texts).ranked("zebra") == []


def test_vectors_are_ranked_by_cosine_and_two_rankings_by_reciprocal_rank() -> None:
    rows = unit_rows([[3, 0], [1, 1], [0, 9], [0, 0]])
    assert nearest(rows, unit_rows([[5, 4]])[0]) == [1, 0, 2, 3]
    # 1/61 + 1/63 for the first, 1/62 + 1/61 for the second, 1/62 for the third.
    assert fused([0, 1], [1, 2, 0]) == [1, 0, 2]
    # The first of one ranking alone (1/61) is beaten by the 61st of both (2/121), not by the 63rd.
    for rank, first in ((61, 1), (63, 0)):
        left = [0, *range(100, 98 + rank), 1]
        right = [*range(200, 199 + rank), 1]
        both = [at for at in fused(left, right) if at < 2]
        assert both[0] == first


def test_a_question_stands_behind_its_passages_with_the_numbers_of_their_documents() -> None:
    corpus = Corpus((Document("D007", ("A.", "B.")), Document("D009", ("C.",))))
    shown = furnished("Who?", [corpus.passage("D009:0-0"), corpus.passage("D007:0-1")])
    assert shown.endswith("\n\n[D009] C.\n\n[D007] A. B.\n\nWho?")
