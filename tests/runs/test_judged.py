"""Tasks against planted answers and planted faults: marks are what was planted, nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runs import scene

from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.run import Section
from steelyard.domain.stream import Failed
from steelyard.domain.task import NotRun, Right, Task
from steelyard.runs import judged
from steelyard.runs.bench import Key
from steelyard.scripted import truth
from steelyard.scripted.plan import Fault, Plan, share
from steelyard.tasks.registry import generate, questions

TASK = Task("reading", items=40)
SPEC = scene.spec_of(TASK)


def script(*faults: Fault, wrong_rate: float = 0.0, ttft_s: float = 0.002) -> Plan:
    return Plan(
        ttft_s=ttft_s,
        gap_s=0.0005,
        answers=scene.answers(TASK),
        wrong_rate=wrong_rate,
        faults=faults,
    )


def judge(folder: Path, plan: Plan) -> Section:
    with scene.bench(folder, plan, SPEC) as bench:
        return judged.judge(bench, TASK)


def prompts() -> dict[str, str]:
    """Return the script's key of each item's prompt, by item id."""
    return {
        item.id: scene.key_of(question.prompt)
        for item, question in zip(generate(TASK), questions(TASK), strict=True)
    }


def rights(section: Section) -> set[str]:
    return {item for item, mark in section.marks.items() if isinstance(mark.outcome, Right)}


def not_run(section: Section) -> dict[str, str]:
    return {
        item: mark.outcome.why
        for item, mark in section.marks.items()
        if isinstance(mark.outcome, NotRun)
    }


def test_marks_are_as_planted_item_by_item(tmp_path: Path) -> None:
    section = judge(tmp_path, script(wrong_rate=0.3))
    planted = {item for item, key in prompts().items() if share(0, "wrong", key) >= 0.3}
    assert 0 < len(planted) < TASK.items
    assert rights(section) == planted
    assert not_run(section) == {}
    assert set(section.marks) == set(section.clusters) == set(prompts())
    assert section.name == "reading/l1"
    assert section.streams == 2


def test_a_request_that_fails_is_not_run_and_never_wrong(tmp_path: Path) -> None:
    section = judge(tmp_path, script(Fault("http_error", rate=0.25)))
    planted = {item for item, key in prompts().items() if share(0, "http_error", key) < 0.25}
    assert 0 < len(planted) < TASK.items
    assert set(not_run(section)) == planted
    assert rights(section) == set(prompts()) - planted
    # Each was given a second chance before it was given up.
    failed = Counter(a.sample for a in section.attempts if isinstance(a.outcome, Failed))
    assert failed == dict.fromkeys(planted, 2)


@pytest.mark.parametrize("kind", ["disconnect", "error_in_stream", "truncated"])
def test_a_request_that_breaks_off_once_is_asked_again(tmp_path: Path, kind: str) -> None:
    section = judge(tmp_path, script(Fault(kind, requests=(3,))))  # type: ignore[arg-type]
    assert rights(section) == set(prompts())
    again = [attempt for attempt in section.attempts if attempt.tries]
    assert len(again) == 1
    assert len(section.attempts) == TASK.items + 1


def test_the_engines_death_ends_the_task_and_a_resume_asks_only_the_rest(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="died in the middle"):
        judge(tmp_path, script(Fault("die", requests=(12,))))
    before = scene.sent(tmp_path)
    whole = {exchange.id for exchange in before if exchange.failure is None}
    assert 0 < len(whole) < TASK.items
    with scene.bench(tmp_path, script(), SPEC) as bench:
        assert judged.answered(bench, TASK) == {Key.read(each).sample for each in whole}
        assert not judged.answered(bench, replace(TASK, samples=2))
    section = judge(tmp_path, script())
    assert rights(section) == set(prompts())
    asked = [exchange.id for exchange in scene.sent(tmp_path)[len(before) :]]
    assert len(asked) == TASK.items - len(whole)
    assert whole.isdisjoint(asked)


def test_answers_to_items_that_are_not_asked_any_more_are_not_dropped(tmp_path: Path) -> None:
    judge(tmp_path, script())
    sent = scene.sent(tmp_path)
    first = Key.read(sent[0].id).sample
    others = [replace(each, id=each.id.replace(first, "0" * 32)) for each in sent]
    with scene.bench(tmp_path, script(), SPEC, known=others) as bench:
        for go_on in (judged.answered, judged.judge):
            with pytest.raises(BadInput, match=f"1 of {TASK.items} items"):
                go_on(bench, TASK)


def test_one_stalled_request_is_asked_again_and_a_silent_engine_ends_the_task(
    tmp_path: Path,
) -> None:
    once, dead = tmp_path / "once", tmp_path / "dead"
    once.mkdir()
    dead.mkdir()
    with scene.bench(once, script(Fault("stall", requests=(3,))), SPEC, stall_s=0.3) as bench:
        assert rights(judged.judge(bench, TASK)) == set(prompts())
    with (
        scene.bench(dead, script(Fault("stall", rate=1.0)), SPEC, stall_s=0.3) as bench,
        pytest.raises(EngineError, match="fell silent: 3 requests"),
    ):
        judged.judge(bench, TASK)
    assert len(scene.sent(dead)) < TASK.items


def test_a_resume_of_a_finished_task_sends_nothing_and_finds_the_same(tmp_path: Path) -> None:
    first = judge(tmp_path, script(wrong_rate=0.3))
    before = len(scene.sent(tmp_path))
    again = judge(tmp_path, script())
    assert len(scene.sent(tmp_path)) == before == TASK.items
    assert again.marks == first.marks
    assert again.attempts == first.attempts


def test_time_between_two_sessions_is_not_the_tasks(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        judge(tmp_path, script(Fault("die", requests=(12,)), ttft_s=0.02))
    section = judge(tmp_path, script(ttft_s=0.02))
    spent = sum(a.done_ns - a.sent_ns for a in section.attempts)
    between = max(a.sent_ns for a in section.attempts) - min(a.sent_ns for a in section.attempts)
    # Two at a time: about half of what the requests took, and never the engine's second start.
    assert section.ended_ns - section.started_ns <= min(spent, between)


def test_another_repeat_has_seeds_of_its_own_and_the_same_repeat_the_same(tmp_path: Path) -> None:
    def seeds(name: str, repeat: int) -> dict[str, int | None]:
        folder = tmp_path / name
        folder.mkdir()
        with scene.bench(folder, script(), replace(SPEC, repeat=repeat)) as bench:
            judged.judge(bench, TASK)
        known = truth.read(folder / "truth.jsonl")
        found = {Key.read(one.id).sample: truth.number_of(one) for one in scene.sent(folder)}
        return {item: known[n].seed for item, n in found.items() if n is not None}

    first, again, second = seeds("a", 0), seeds("b", 0), seeds("c", 1)
    assert len(first) == len(set(first.values())) == TASK.items
    assert first == again
    assert first.keys() == second.keys()
    assert set(first.values()).isdisjoint(second.values())


def test_a_task_asked_in_parts_lasts_as_long_as_its_parts() -> None:
    """A part whose answers were all known begins at no time of its own."""

    def part(started_s: float, ended_s: float) -> Section:
        at = round(started_s * 1e9), round(ended_s * 1e9)
        return Section("logic/l1", "task", "completed", *at, ())

    known, first, second = part(0, 4), part(50_000, 50_003), part(50_100, 50_101)
    for parts in ([known, first, second], [first, second, known], [second, known, first]):
        (whole,) = judged.joined(parts)
        assert whole.ended_ns - whole.started_ns == 8_000_000_000
        assert whole.ended_ns == second.ended_ns
