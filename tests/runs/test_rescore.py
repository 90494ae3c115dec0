"""Stored answers marked again: by their texts alone, the last try of each, and nothing made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.sides import run

from steelyard.domain.errors import BadInput
from steelyard.domain.run import Section
from steelyard.domain.task import Invalid, Mark, NotRun, Outcome, Right, Task, Wrong
from steelyard.runs.rescore import rescore
from steelyard.tasks.items import Question
from steelyard.tasks.registry import generate, questions

TASK = Task("math_words", items=4)
IDS = [question.id for question in questions(TASK)]
ANSWERS = [question.answer for question in questions(TASK)]


def stored(said: list[Said], before: Outcome) -> Section:
    """The four items with these answers, all of them marked alike before."""
    made = section(said, TASK.section)
    attempts = tuple(replace(a, sample=item) for a, item in zip(made.attempts, IDS, strict=True))
    marks = {item: Mark(before) for item in IDS}
    return replace(made, attempts=attempts, marks=marks, clusters={item: item for item in IDS})


def again(of: Section) -> list[Outcome]:
    (found,) = rescore(run("one", (TASK, of))).sections
    return [found.marks[item].outcome for item in IDS]


@pytest.mark.parametrize("before", [Right(), Wrong(), Invalid("unparsable")])
def test_the_text_gives_the_mark_whatever_it_was(before: Outcome) -> None:
    said = [Said(text=answer) for answer in ANSWERS]
    said[1] = Said(text=f"{ANSWERS[1]}1")
    said[2] = Said(text="no idea")
    marks: list[Outcome] = [Right(), Wrong(), Invalid("unparsable"), Right()]
    assert again(stored(said, before)) == marks


def test_of_two_tries_the_last_one_stands_in_whatever_order_they_lie() -> None:
    of = stored([Said(text=answer) for answer in ANSWERS], Wrong())
    broken = replace(of.attempts[0], text="100000")
    last = replace(of.attempts[0], tries=1)
    for tries in ((broken, last), (last, broken)):
        assert again(replace(of, attempts=(*tries, *of.attempts[1:]))) == [Right()] * 4


def test_what_was_cut_stays_cut() -> None:
    said = [Said(text=answer) for answer in ANSWERS]
    said[3] = replace(said[3], finish="length")
    marks: list[Outcome] = [Right(), Right(), Right(), Invalid("truncated")]
    assert again(stored(said, Right())) == marks


def test_an_item_that_was_not_run_is_not_run_though_a_text_is_there() -> None:
    """Another model gave it: how it is read changes nothing about that."""
    of = stored([Said(text=answer) for answer in ANSWERS], Right())
    marks = {**of.marks, IDS[2]: Mark(NotRun("other_model"))}
    assert again(replace(of, marks=marks)) == [Right(), Right(), NotRun("other_model"), Right()]


def test_a_mark_without_a_stored_answer_is_no_longer_one() -> None:
    of = stored([Said(text=answer) for answer in ANSWERS], Right())
    found = again(replace(of, attempts=of.attempts[1:]))
    assert found == [NotRun("no_stored_answer"), Right(), Right(), Right()]


def test_a_question_that_did_not_come_whole_is_still_not_run() -> None:
    """Of 4,000 tokens that were sent the server counted 5: the right text proves nothing."""
    of = stored([Said(text=answer) for answer in ANSWERS], NotRun("prompt_cut"))
    cut = replace(of.attempts[0], prompt_tokens_wanted=4000)
    assert again(replace(of, attempts=(cut, *of.attempts[1:]))) == [
        NotRun("prompt_cut"),
        *[Right()] * 3,
    ]


def asked_then(*, every: bool) -> tuple[Task, Section]:
    """Notes of which all six questions were asked, as sets once did."""
    task = Task("reading", level=2, items=12)
    items = [item for item in generate(task, every=every) if isinstance(item, Question)]
    made = section([Said(text=item.answer) for item in items], task.section)
    pairs = zip(made.attempts, items, strict=True)
    attempts = tuple(replace(attempt, sample=item.id) for attempt, item in pairs)
    marks = {item.id: Mark(Wrong()) for item in items}
    return task, replace(made, attempts=attempts, marks=marks, clusters={i: i for i in marks})


def test_a_set_that_asked_all_of_a_passage_is_marked_whole() -> None:
    task, of = asked_then(every=True)
    (found,) = rescore(run("one", (task, of))).sections
    assert found.marks.keys() == of.marks.keys()
    assert {mark.outcome for mark in found.marks.values()} == {Right()}


def test_stored_items_that_are_not_asked_any_more_are_counted_and_none_is_dropped() -> None:
    task, of = asked_then(every=False)
    of = replace(of, marks={**of.marks, "0" * 32: Mark(Wrong())})
    with pytest.raises(BadInput, match=r": 1 of 13 stored items"):
        rescore(run("one", (task, of)))
