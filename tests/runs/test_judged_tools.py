"""Tools over real sockets: what is planted is what is marked, and a server without them is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runs import scene
from tests.tasks.planting import Planted

from steelyard.domain.run import Section
from steelyard.domain.task import Invalid, NotRun, Right, Task
from steelyard.engines.scripted import Scripted
from steelyard.runs import judged, tool_check
from steelyard.scripted.plan import Fault, Plan
from steelyard.tasks.registry import generate

TOOLS = Task("tools", revision=2, items=12)


def judge(folder: Path, *faults: Fault) -> Section:
    planted = Planted()
    for item in generate(TOOLS):
        planted.plant(item)
    plan = Plan(0.001, gap_s=0.0001, answers=planted.answers, calls=planted.calls, faults=faults)
    with scene.bench(folder, plan, scene.spec_of(TOOLS)) as bench:
        return judged.judge(bench, TOOLS)


def test_calls_in_pieces_and_their_results_lead_to_right_marks(tmp_path: Path) -> None:
    section = judge(tmp_path)
    assert {mark.outcome for mark in section.marks.values()} == {Right()}
    assert Counter(a.ask for a in section.attempts) == {0: 12, 1: 2, 2: 2}
    called = [a for a in section.attempts if a.calls]
    assert len(called) == 2 * 3 + 2 * 2
    assert all(attempt.finish_reason == "tool_calls" for attempt in called)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("calls_as_text", "call_as_text"),
        pytest.param("calls_broken", "unparsable", marks=pytest.mark.full),
    ],
)
def test_a_parser_that_fails_is_named_and_nothing_else_is(
    fault: str, why: str, tmp_path: Path
) -> None:
    section = judge(tmp_path, Fault(fault))  # type: ignore[arg-type]
    found = Counter(mark.outcome for mark in section.marks.values())
    assert found == {Invalid(why): 8, Right(): 4}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "why"),
    [("tools_refused", "no_tools"), ("tools_ignored", "tools_ignored")],
)
def test_a_server_without_tools_is_asked_no_item(fault: str, why: str, tmp_path: Path) -> None:
    section = judge(tmp_path, Fault(fault))  # type: ignore[arg-type]
    assert {mark.outcome for mark in section.marks.values()} == {NotRun(why)}
    assert len(section.marks) == 12
    assert not section.attempts
    assert len(scene.keys(tmp_path)) <= 2


def test_a_server_that_counts_nothing_is_believed(tmp_path: Path) -> None:
    section = judge(tmp_path, Fault("tools_ignored"), Fault("missing_usage"))
    assert {mark.outcome for mark in section.marks.values()} == {Right()}


def test_a_dialect_without_tools_is_sent_none() -> None:
    class Bare:
        capabilities = replace(Scripted.capabilities, tool_calls=False)

    class Bench:
        dialect = Bare()

    (item, *_) = generate(TOOLS)
    assert tool_check.barrier(Bench(), item.start()) == "no_tools"  # type: ignore[arg-type]


def test_whether_tools_come_through_is_found_out_once_for_all_parts(tmp_path: Path) -> None:
    items, planted = generate(TOOLS), Planted()
    for item in items:
        planted.plant(item)
    plan = Plan(0.001, gap_s=0.0001, answers=planted.answers, calls=planted.calls)
    with scene.bench(tmp_path, plan, scene.spec_of(TOOLS)) as bench:
        judged.judge(bench, TOOLS, items[:6])
        learned_ns = bench.prelude_ns
        judged.judge(bench, TOOLS, items[6:])
        assert bench.prelude_ns == learned_ns > 0
        assert len(bench.marks[TOOLS.section]) == 12
    assert sum(key.section == "tool_check" for key in scene.keys(tmp_path)) == 2
