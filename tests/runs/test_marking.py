"""A scorer that fails takes its item with it, and no other: named, kept, and marked again later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from tests.runs import scene

from steelyard.domain.task import Answer, Ask, Item, Mark, Message, NotRun, Right, Task, Trial
from steelyard.runs import judged, marking, rescore
from steelyard.runs.trials import tried
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import generate

SECRET = "the patient's name"


@final
@dataclass(frozen=True)
class Broken:
    """An item of a plug-in that stumbles over one answer."""

    id: str = "b"
    cluster: str = "b"

    def start(self) -> Ask:
        return Ask((Message("user", "?"),), 8)

    def on(self, answer: Answer) -> Mark:
        raise LookupError(answer.text)


def fails() -> Mark:
    raise ZeroDivisionError(SECRET)


def test_what_failed_and_where_is_kept_and_not_what_was_said() -> None:
    found = marking.step(Broken(), Answer(SECRET, "stop"))
    assert isinstance(found, Mark)
    assert found.outcome == NotRun("scorer_failed")
    said = found.extracted["scorer_failed"] or ""
    assert said.startswith("LookupError at test_marking.py, line ")
    assert said.endswith("in on")
    assert SECRET not in said


def test_an_answer_that_fails_when_it_is_tried_out_leaves_the_others_theirs() -> None:
    found = dict(tried({"a": Trial(fails), "b": Trial(lambda: Mark(Right()))}))
    assert found["a"].outcome == NotRun("scorer_failed")
    assert found["b"].outcome == Right()


@final
@dataclass
class Stumbling:
    """A question whose scorer fails."""

    item: Item

    @property
    def id(self) -> str:
        return self.item.id

    @property
    def cluster(self) -> str:
        return self.item.cluster

    def start(self) -> Ask:
        return self.item.start()

    def on(self, answer: Answer) -> Mark:
        raise LookupError(answer.text)


def test_the_others_are_marked_and_what_failed_is_marked_again_later(tmp_path: Path) -> None:
    task = Task("reading", items=8)
    plan = Plan(ttft_s=0.001, gap_s=0.0002, answers=scene.answers(task))
    first, *others = generate(task)
    with scene.bench(tmp_path, plan, scene.spec_of(task)) as bench:
        section = judged.judge(bench, task, [Stumbling(first), *others])
    assert section.marks[first.id].outcome == NotRun("scorer_failed")
    assert {section.marks[item.id].outcome for item in others} == {Right()}
    assert any(attempt.sample == first.id and attempt.text for attempt in section.attempts)
    again = rescore.marked(section, task)
    assert {mark.outcome for mark in again.marks.values()} == {Right()}
