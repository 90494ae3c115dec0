"""Items asked several times, and answers that are tried out once nothing is timed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.runs import scene

from steelyard.domain.run import Section
from steelyard.domain.task import Answer, Ask, Item, Mark, Message, Right, Task, Trial, item_of
from steelyard.platform import clock
from steelyard.runs import judged
from steelyard.runs.bench import Key
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import questions

THRICE = Task("math_words", items=4, samples=3)


def asked(
    folder: Path, task: Task, known: dict[str, str], items: Sequence[Item] | None = None
) -> Section:
    plan = Plan(ttft_s=0.002, gap_s=0.0005, answers=known)
    with scene.bench(folder, plan, scene.spec_of(task)) as bench:
        return judged.judge(bench, task, items)


def seeds(folder: Path) -> dict[str, int | None]:
    """Return the seed of each sample, as the engine was told it."""
    told = truth.read(folder / "truth.jsonl")
    numbers = {Key.read(one.id).sample: truth.number_of(one) for one in scene.sent(folder)}
    return {sample: told[number].seed for sample, number in numbers.items() if number is not None}


def test_each_sample_has_its_seed_its_attempt_and_its_mark(tmp_path: Path) -> None:
    known = {scene.key_of(q.prompt): q.answer for q in questions(THRICE)}
    section = asked(tmp_path, THRICE, known)
    ids = {question.id for question in questions(THRICE)}
    assert len(section.marks) == len(section.attempts) == 12
    assert set(map(item_of, section.marks)) == ids
    assert all(mark.outcome == Right() for mark in section.marks.values())
    assert seeds(tmp_path).keys() == section.marks.keys()
    assert len(set(seeds(tmp_path).values())) == 12
    assert {section.clusters[sample] for sample in section.marks} == {
        section.clusters[item] for item in ids
    }


def test_the_first_sample_is_the_one_that_is_asked_without_repetition(tmp_path: Path) -> None:
    (once := tmp_path / "once").mkdir()
    asked(once, Task("math_words", items=4), {})
    (again := tmp_path / "again").mkdir()
    asked(again, THRICE, {})
    first = seeds(once)
    assert len(first) == 4
    assert {sample: seed for sample, seed in seeds(again).items() if sample in first} == first


@dataclass
class Tried:
    """An item whose answer has to be tried out; it notes when that was, and by whom."""

    id: str
    stamps: list[tuple[int, str]]
    cluster: str = "one"

    def start(self) -> Ask:
        return Ask((Message("user", self.id),), 8)

    def on(self, _answer: Answer, /) -> Trial:
        return Trial(self.mark)

    def mark(self) -> Mark:
        self.stamps.append((clock.monotonic_ns(), threading.current_thread().name))
        return Mark(Right())


def test_no_answer_is_tried_out_before_the_last_one_has_come(tmp_path: Path) -> None:
    stamps: list[tuple[int, str]] = []
    items = [Tried(name, stamps) for name in "abcdef"]
    section = asked(tmp_path, Task("math_words", items=6), {}, items)
    assert len(section.attempts) == len(stamps) == len(section.marks) == 6
    last = max(attempt.done_ns for attempt in section.attempts)
    assert min(at for at, _ in stamps) > last
    assert section.ended_ns == last
    assert {name.partition("_")[0] for _, name in stamps} == {"trial"}
