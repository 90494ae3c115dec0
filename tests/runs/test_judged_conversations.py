"""Families that no bundled model can do, end to end: planted answers over real sockets."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.runs import scene

from steelyard.domain.errors import EngineError
from steelyard.domain.run import Section
from steelyard.domain.task import Answer, Ask, Invalid, Right, Task, Wrong
from steelyard.runs import judged
from steelyard.runs.bench import Key
from steelyard.scripted import plan as scripts
from steelyard.scripted.plan import Fault, Plan
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.registry import drawn, family

TALK = Task("multi_turn", items=6)


def planted(item: Conversation, **instead: str) -> dict[str, str]:
    """Return what the engine says to each history; `t2="…"` replaces the answer of turn 2."""
    answers: dict[str, str] = {}
    step = item.start()
    for number, turn in enumerate(item.turns, 1):
        assert isinstance(step, Ask)
        said = instead.get(f"t{number}", turn.answer)
        answers[scripts.prompt_key([(m.role, m.content) for m in step.messages])] = said
        following = item.on(Answer(said, "stop"))
        if not isinstance(following, Ask):
            break
        step = following
    return answers


def talks() -> list[Conversation]:
    return [item for item in drawn(TALK) if isinstance(item, Conversation)]


def judge(folder: Path, answers: dict[str, str], *faults: Fault, task: Task = TALK) -> Section:
    plan = Plan(ttft_s=0.002, gap_s=0.0005, answers=answers, faults=faults)
    with scene.bench(folder, plan, scene.spec_of(task)) as bench:
        return judged.judge(bench, task)


def whole() -> dict[str, str]:
    return {key: said for item in talks() for key, said in planted(item).items()}


def test_every_turn_is_asked_with_all_that_was_said_and_marked_as_planted(tmp_path: Path) -> None:
    first, second, *rest = talks()
    answers = {**planted(first, t2="nonsense"), **planted(second, t3="I saw a fog and a mist")}
    for item in rest:
        answers |= planted(item)
    section = judge(tmp_path, answers)
    assert section.marks[first.id].outcome == Wrong()
    assert section.marks[second.id].outcome == Invalid("unparsable")
    assert all(section.marks[item.id].outcome == Right() for item in rest)
    assert Counter(a.ask for a in section.attempts) == {0: 6, 1: 6, 2: 6, 3: 6}
    assert len(json.loads(section.marks[first.id].extracted["strict"] or "")) == 4


def test_a_conversation_goes_on_after_a_kill_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        judge(tmp_path, whole(), Fault("die", requests=(13,)))
    before = len([e for e in scene.sent(tmp_path) if e.failure is None])
    with scene.bench(tmp_path, Plan(), scene.spec_of(TALK)) as bench:
        ended = Counter(Key.read(e.id).sample for e in scene.sent(tmp_path) if e.failure is None)
        assert judged.answered(bench, TALK) == {item for item, asks in ended.items() if asks == 4}
        assert len(judged.answered(bench, TALK)) < len(ended)  # one that was cut is none
    section = judge(tmp_path, whole())
    assert {mark.outcome for mark in section.marks.values()} == {Right()}
    done = [e for e in scene.sent(tmp_path) if e.failure is None]
    assert len(done) == 6 * 4
    assert 0 < before < len(done)


def test_a_turn_that_breaks_off_begins_the_conversation_anew(tmp_path: Path) -> None:
    section = judge(tmp_path, whole(), Fault("disconnect", requests=(9,)))
    assert {mark.outcome for mark in section.marks.values()} == {Right()}


@pytest.mark.parametrize("name", ["business", "tools_prompted", "robustness"])
def test_other_families_run_on_the_same_road(tmp_path: Path, name: str) -> None:
    task = Task(name, items=30, revision=family(name).revision)
    found = drawn(task)
    answers: dict[str, str] = {}
    for item in found:
        if isinstance(item, Conversation):
            answers |= planted(item)
        else:
            answers[scene.key_of(item.prompt)] = item.answer
    section = judge(tmp_path, answers, task=task)
    assert section.name == f"{name}/l1"
    assert {mark.outcome for mark in section.marks.values()} == {Right()}
    assert all(all(mark.constraints.values()) for mark in section.marks.values())
