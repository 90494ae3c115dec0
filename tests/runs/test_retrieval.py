"""Passages for a task's items: how long, from which session, and what is not found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.runs import scene
from tests.runs.scene import bench, spec_of

from steelyard.domain.errors import BadInput, EngineError, TimeOver, UnsupportedSubject
from steelyard.domain.retrieval import Retrieved
from steelyard.domain.task import NotRun, Task
from steelyard.runs.judged import judge
from steelyard.runs.retrieval import Lengths, Library
from steelyard.scripted import vectors
from steelyard.scripted.plan import Plan
from steelyard.tasks.rag_settings import RagSettings
from steelyard.tasks.registry import questions

FAST = Plan(ttft_s=0.002, gap_s=0.0005)


def by_letters(text: str, *, special: bool = False) -> Sequence[int]:
    """Take each letter for a token, each space too, and put one before all."""
    assert not special
    return [0, *text.encode()]


def nobody(text: str, *, special: bool = False) -> Sequence[int]:
    raise UnsupportedSubject(f"no route for {text}, {special}")


def test_a_text_is_as_long_as_its_words_behind_others_or_as_it_has_words() -> None:
    lengths = Lengths(by_letters)
    assert lengths.unit == "tokens"
    assert lengths("The wells, all of them.") == len(" The wells, all of them.")
    words = Lengths(nobody)
    assert (words.unit, words("The wells, all of them.")) == ("words", 5)


def test_a_fact_is_found_where_a_passage_of_its_document_holds_its_sentence() -> None:
    passages = ("D001:0-4", "D002:3-3")
    needed = ("D001:0", "D001:4", "D001:5", "D002:3", "D002:2", "D003:3")
    found = Retrieved("sum", passages, needed, 0)
    assert found.found == (True, True, False, True, False, False)
    assert found.documents == {"D001", "D002", "D003"}
    assert not Retrieved("unanswerable", passages, (), 0).found


class Planted:
    """Embeds by words, or by their letters backwards; or not at all from some text on."""

    model, where = "planted", "http://127.0.0.1:9/v1"

    def __init__(self, *, backwards: bool = False, fails_at: int | None = None) -> None:
        self._backwards, self._fails_at, self.asked = backwards, fails_at, 0

    def __call__(self, texts: Sequence[str], /) -> tuple[Sequence[Sequence[float]], int]:
        self.asked += 1
        if self.asked == self._fails_at:
            raise EngineError("the endpoint is gone")
        shown = [text[::-1] if self._backwards else text for text in texts]
        return [vectors.vector(text[: 40 if self._backwards else None]) for text in shown], 7


def hybrid(k: int) -> Task:
    return Task("rag", items=20, settings=RagSettings("hybrid", 128, k, "planted").told())


def test_a_run_that_goes_on_asks_what_it_asked_and_embeds_what_failed(tmp_path: Path) -> None:
    task = hybrid(1)
    with bench(tmp_path, FAST, spec_of(task)) as opened:
        first = judge(opened, task, library=Library(tmp_path, Planted(fails_at=7)))
    assert first.retrieval is not None
    (failed,) = first.retrieval.failed
    assert first.marks[failed].outcome == NotRun("no_passages")
    assert len(first.retrieval.items) == 19
    assert {one.question_ns for one in first.retrieval.items.values()} == {7}
    other = Planted(backwards=True)  # what it finds now is no longer what was asked
    with bench(tmp_path, FAST, spec_of(task)) as opened:
        again = judge(opened, task, library=Library(tmp_path, other))
    assert again.retrieval is not None
    assert not again.retrieval.failed
    kept = {item: one.passages for item, one in first.retrieval.items.items()}
    assert {item: again.retrieval.items[item].passages for item in kept} == kept
    assert other.asked == 2  # the passages, and the one question
    asked = scene.keys(tmp_path)
    assert len({key.sample for key in asked}) == len(asked) == 20


def test_settings_of_one_run_share_what_was_cut_and_embedded_if_anybody_embeds(
    tmp_path: Path,
) -> None:
    embed = Planted()
    one, two = hybrid(1), hybrid(5)
    with bench(tmp_path, FAST, spec_of(one)) as opened:
        library = Library(tmp_path, embed)
        found = [library.find(opened, task, questions(task)) for task in (one, two)]
        nobody_embeds = Library(tmp_path / "other")
        with pytest.raises(BadInput, match="needs an embeddings endpoint"):
            judge(opened, one, library=nobody_embeds)
    assert nobody_embeds.refusal is not None
    assert embed.asked == 21
    assert found[0].corpora == found[1].corpora
    assert found[0].dimensions == vectors.SIZE
    for item, few in found[0].items.items():
        assert found[1].items[item].passages[:1] == few.passages
        assert len(found[1].items[item].passages) == 5


def test_where_the_time_is_over_no_more_passages_are_found(tmp_path: Path) -> None:
    task, embed = hybrid(1), Planted()
    with bench(tmp_path, FAST, spec_of(task)) as opened:
        opened.ends_ns = 1
        with pytest.raises(TimeOver):
            Library(tmp_path, embed).find(opened, task, questions(task))
    assert embed.asked == 0
