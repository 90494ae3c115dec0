"""Items asked several times, and answers that are tried out once nothing is timed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.runs import scene

from steelyard.domain.run import Section
from steelyard.domain.task import Answer, Ask, Item, Mark, Message, Right, Task, Trial, item_of
from steelyard.domain.workload import GenerationRequest
from steelyard.platform import clock
from steelyard.runs import judged
from steelyard.runs.bench import Bench, Key
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import questions

THRICE = Task("math_words", items=4, samples=3)


def asked(folder: Path, task: Task, known: dict[str, str]) -> Section:
    with scene.bench(
        folder, Plan(ttft_s=0.002, gap_s=0.0005, answers=known), scene.spec_of(task)
    ) as bench:
        return judged.judge(bench, task)


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Keep the seed of each request on its way out."""
    found: dict[str, int] = {}
    submit = Bench.submit

    def noted(bench: Bench, key: Key, request: GenerationRequest) -> None:
        found[key.sample] = request.seed
        submit(bench, key, request)

    monkeypatch.setattr(Bench, "submit", noted)
    return found


def test_each_sample_has_its_seed_its_attempt_and_its_mark(
    tmp_path: Path, seeds: dict[str, int]
) -> None:
    known = {scene.key_of(q.prompt): q.answer for q in questions(THRICE)}
    section = asked(tmp_path, THRICE, known)
    ids = {question.id for question in questions(THRICE)}
    assert len(section.marks) == len(section.attempts) == 12
    assert set(map(item_of, section.marks)) == ids
    assert all(mark.outcome == Right() for mark in section.marks.values())
    assert len(set(seeds.values())) == 12
    assert {section.clusters[sample] for sample in section.marks} == {
        section.clusters[item] for item in ids
    }


def test_the_first_sample_is_the_one_that_is_asked_without_repetition(
    tmp_path: Path, seeds: dict[str, int]
) -> None:
    asked(tmp_path, Task("math_words", items=4), {})
    once = dict(seeds)
    (again := tmp_path / "again").mkdir()
    asked(again, THRICE, {})
    assert {sample: seed for sample, seed in seeds.items() if sample in once} == once


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


def test_no_answer_is_tried_out_before_the_last_one_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps: list[tuple[int, str]] = []
    items: dict[str, Item] = {name: Tried(name, stamps) for name in "abcdef"}
    monkeypatch.setattr(judged, "samples", lambda *_: items)
    section = asked(tmp_path, Task("math_words", items=6), {})
    assert len(section.attempts) == len(stamps) == len(section.marks) == 6
    last = max(attempt.done_ns for attempt in section.attempts)
    assert min(at for at, _ in stamps) > last
    assert section.ended_ns == last
    assert {name.partition("_")[0] for _, name in stamps} == {"trial"}
