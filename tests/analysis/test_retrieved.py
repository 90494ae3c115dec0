"""What retrieval did for answers, counted by hand: six answerable questions and two without."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section

from steelyard.analysis.retrieval import score
from steelyard.domain.evaluation import RetrievalScore
from steelyard.domain.reading import Measured, value_of
from steelyard.domain.retrieval import Indexed, Retrieval, Retrieved
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, NotRun, Outcome, Right, Wrong

# What each was given, and what it said: its mark, its words, the documents that it names.
GIVEN = {
    "i000": (("D1:0-4",), ("D1:2",)),
    "i001": (("D1:0-4", "D2:0-4"), ("D1:0", "D2:4")),
    "i002": (("D1:0-4",), ("D1:3",)),
    "i003": (("D1:0-4",), ("D1:3", "D2:3")),  # one of two facts
    "i004": (("D3:0-4",), ("D1:3",)),
    "i005": (("D3:0-4",), ("D1:3",)),
    "i006": (("D3:0-4",), ()),  # nothing answers it
    "i007": (("D3:0-4",), ()),
}
SAID: dict[str, tuple[Outcome, str, str]] = {
    "i000": (Right(), "7", "D1"),
    "i001": (Right(), "7", "D1 D2 D9"),  # one document too many
    "i002": (Wrong(), "Not stated", ""),
    "i003": (Wrong(), "7", "D1"),
    "i004": (Wrong(), "not stated", ""),
    "i005": (NotRun("stalled"), "", ""),
    "i006": (Right(), "not stated", ""),
    "i007": (Wrong(), "7", "D3"),
}


def asked(clusters: dict[str, str] | None = None) -> Section:
    items = {
        item: Retrieved("sum" if len(needed) > 1 else "fact", passages, needed, 10**6 * (n + 1))
        for n, (item, (passages, needed)) in enumerate(GIVEN.items())
    }
    found = Retrieval("bm25", 64, 2, "words", corpora={"w": Indexed(3, 5, 1, 2)}, items=items)
    marks = {
        item: Mark(outcome, {"flexible": said, "sources": sources})
        for item, (outcome, said, sources) in SAID.items()
    }
    made = section([Said(), *[Said("w")] * 4, Said("-"), Said(), Said()])
    return replace(made, marks=marks, retrieval=found, clusters=clusters or made.clusters)


def scored(of: Section) -> RetrievalScore:
    found = score(of)
    assert found is not None
    return found


def counted(found: Estimate) -> tuple[int, int]:
    """Return how many of how many."""
    assert isinstance(found.value, Measured)
    return round(found.value.value * found.n), found.n


def test_facts_are_counted_by_fact_and_items_by_whether_all_of_theirs_were_found() -> None:
    found = scored(asked())
    assert counted(found.recall) == (5, 8)  # the item that was not run had its passages, too
    assert counted(found.complete) == (3, 5)
    assert (found.passages, found.unit) == (5, "words")


def test_right_answers_are_told_apart_by_whether_the_facts_were_there() -> None:
    found = scored(asked())
    assert counted(found.right_found) == (2, 3)
    assert counted(found.right_missed) == (0, 2)
    assert {kind.kind: counted(kind.right) for kind in found.kinds} == {
        "fact": (2, 5),
        "sum": (1, 2),
    }


def test_to_say_that_nothing_is_stated_is_right_wrong_or_for_want_of_a_passage() -> None:
    found = scored(asked())
    assert counted(found.rightly) == (1, 2)
    assert counted(found.wrongly) == (1, 3)
    assert counted(found.for_want) == (1, 2)


def test_a_source_too_many_is_no_citation_and_wrong_answers_are_not_asked_for_one() -> None:
    assert counted(scored(asked()).cited) == (1, 2)


def test_items_of_one_set_of_documents_hang_together() -> None:
    own, shared = scored(asked()), scored(asked({i: (i < "i003" and "a") or "b" for i in GIVEN}))
    for name in ("recall", "complete"):
        alone: Estimate = getattr(own, name)
        together: Estimate = getattr(shared, name)
        assert alone.value == together.value
        assert isinstance(alone.low, Measured)
        assert isinstance(together.low, Measured)
        assert together.low.value < alone.low.value - 0.05


def test_an_answer_lasts_as_long_as_all_of_its_questions_and_a_failed_one_is_no_answer() -> None:
    made = asked()
    twice = replace(made.attempts[0], ask=1)
    attempts: tuple[Attempt, ...] = (*made.attempts, twice)
    stages = {stage.name: stage for stage in scored(replace(made, attempts=attempts)).stages}
    assert stages["answer"].seconds.value == Measured(8 / 7, "derived")
    assert stages["answer"].seconds.n == 7
    assert value_of(stages["search"].seconds.value) == pytest.approx(4.5e-3)
    assert "embed question" not in stages


def test_a_task_without_documents_has_no_such_score() -> None:
    assert score(section([Said()])) is None
