"""`steelyard eval --tasks tools` on a server whose calls are planted: marks and parts, exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.test_eval import server
from tests.door import steelyard
from tests.engines.replica import Manner, replaying
from tests.tasks.called_tools import asked
from tests.tasks.planting import Planted

from steelyard.app.evals.rescoring import rescore_text
from steelyard.domain.task import Answer, Call, Task
from steelyard.tasks.tool_catalogue import EVERY

TOOLS = Task("tools", revision=2, level=2, items=36)
WORDS = ("--tasks", "tools:2", "--items", "36", "--engine", "openai")


def changed(answer: Answer, **fields: object) -> Answer:
    """Change the first call's arguments."""
    first, *others = answer.calls
    arguments = json.dumps({**json.loads(first.arguments), **fields})
    return replace(answer, calls=(replace(first, arguments=arguments), *others))


def renamed(answer: Answer) -> Answer:
    """Call another tool that takes the same arguments."""
    (call,) = answer.calls
    mine = next(tool for tool in EVERY if tool.name == call.name)
    other = next(t for t in EVERY if t.action is mine.action and t.thing != mine.thing)
    return replace(answer, calls=(replace(call, name=other.name),))


def as_text(answer: Answer) -> Answer:
    told = [{"name": c.name, "arguments": json.loads(c.arguments)} for c in answer.calls]
    return Answer(json.dumps(told[0]), "stop")


def broken(answer: Answer) -> Answer:
    first, *others = answer.calls
    return replace(answer, calls=(replace(first, arguments=first.arguments[:-1]), *others))


def invented(_: Answer) -> Answer:
    return Answer("", "stop", calls=(Call("find_everything", "{}"),))


# Of the six items of each kind: what is answered instead, how it is marked, what does not hold.
SPOILT: Mapping[tuple[str, int], tuple[Callable[[Answer], Answer], str, tuple[str, ...]]] = {
    ("simple", 0): (lambda a: changed(a, id=3), "wrong", ("right_arguments",)),
    ("simple", 1): (lambda a: changed(a, id="3"), "wrong", ("right_arguments", "schema_valid")),
    ("multiple", 0): (as_text, "call_as_text", ("through_api", "right_tool", "right_arguments")),
    ("multiple", 1): (
        invented, "wrong", ("known_tool", "right_tool", "right_arguments"),
    ),
    ("parallel", 0): (broken, "unparsable", ("schema_valid", "right_arguments")),
    ("irrelevant", 0): (invented, "wrong", ("known_tool", "called_nothing")),
    ("missing", 0): (
        lambda _: Answer("Certainly, I have done it.", "stop"), "unparsable", ("asked_for_it",),
    ),
    ("errand", 0): (
        lambda _: Answer("3001", "stop"), "unparsable",
        ("right_tool", "right_arguments", "right_state"),
    ),
}  # fmt: skip


def planted() -> tuple[Planted, Counter[str], Counter[str]]:
    """Return what the server says, how many marks of each sort that is, and what fails."""
    plan, marks, failing, turns = Planted(), Counter[str](), Counter[str](), Counter[str]()
    for item in asked(TOOLS):
        spoil, mark, parts = SPOILT.get((item.kind, turns[item.kind]), (lambda a: a, "right", ()))
        turns[item.kind] += 1
        plan.plant(item, spoil)
        marks[mark] += 1
        failing.update(parts)
    return plan, marks, failing


def test_marks_and_parts_are_those_that_were_planted_and_calls_are_kept(tmp_path: Path) -> None:
    plan, marks, failing = planted()
    with server(tmp_path / "plan", plan.answers, calls=plan.calls) as url:
        done = steelyard(tmp_path, "eval", url, *WORDS, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "tools/l2: what held of the answers" in done.stdout
    kinds = next(line for line in done.stdout.splitlines() if "right by kind" in line)
    for kind, count in {"simple": 4, "multiple": 4, "parallel": 5, "errand": 5}.items():
        assert f"{kind} {count} of 6" in kinds
    told = json.loads(rescore_text(str(tmp_path / "out"), as_json=True))
    assert told["changed"] == []
    (found,) = told["evaluation"]["tasks"]
    assert found["marks"]["right"] == marks["right"] == 28
    assert found["marks"]["wrong"] == marks["wrong"] == 4
    assert found["marks"]["invalid_why"] == {"call_as_text": 1, "unparsable": 3}
    asked_for = {"through_api": 36, "right_tool": 24, "right_arguments": 24, "right_state": 6,
                 "called_nothing": 12, "asked_for_it": 6, "known_tool": 23,
                 "schema_valid": 23}  # fmt: skip
    assert {name: part["n"] for name, part in found["parts"].items()} == asked_for
    for name, part in found["parts"].items():
        held = asked_for[name] - failing[name]
        assert part["value"]["value"] == pytest.approx(held / asked_for[name]), name
        shown = next(line.split() for line in done.stdout.splitlines() if f"  {name} " in line)
        assert shown[1] == f"{held / asked_for[name]:.1%}"
    the_record_is_what_is_marked(tmp_path)


def the_record_is_what_is_marked(folder: Path) -> None:
    """Take one call out of the stored answers: its mark alone changes."""
    record = folder / "out" / "record.json"
    kept = json.loads(record.read_text())
    attempts = kept["sections"][0]["attempts"]
    right = {
        item
        for item, mark in kept["sections"][0]["marks"].items()
        if mark["outcome"]["kind"] == "right"
    }
    lost = next(a for a in attempts if len(a.get("calls", ())) > 1 and a["sample"] in right)
    del lost["calls"][0]
    record.write_text(json.dumps(kept))
    changed = json.loads(rescore_text(str(folder / "out"), as_json=True))["changed"]
    assert [one["item"] for one in changed] == [lost["sample"]]
    assert changed[0]["is"].startswith("wrong")


@pytest.mark.full
def test_a_server_that_drops_tools_is_told_with_a_way_out_and_ends_in_three(
    tmp_path: Path,
) -> None:
    with server(tmp_path / "plan", {}, faults=("tools_ignored",)) as url:
        words = ("--tasks", "tools", "--items", "6", "--out", "out")
        done = steelyard(tmp_path, "eval", url, *words)
    assert done.returncode == 3, done.stdout
    assert "not run: 6 tools_ignored" in done.stdout
    assert "tools_prompted" in done.stdout


def test_a_model_that_is_known_to_take_no_tools_is_refused_before_anything(tmp_path: Path) -> None:
    with replaying("ollama", Manner(other={"POST /api/show": "show-no-tools.http"})) as fake:
        words = ("--engine", "ollama", "--tasks", "tools", "--items", "6")
        done = steelyard(tmp_path, "eval", fake.url, *words)
    assert done.returncode == 2, done.stdout
    assert "takes no tools" in done.stderr
    assert "tools_prompted" in done.stderr
    assert not list(tmp_path.glob("evals/*"))


def test_tools_are_shown_as_they_would_be_declared(tmp_path: Path) -> None:
    words = ("tasks", "sample", "tools", "--level", "2", "--items", "6")
    shown = steelyard(tmp_path, *words, "--answers").stdout
    first = asked(replace(TOOLS, items=6))
    assert shown.count("[tool] ") == sum(len(item.tools) for item in first)
    assert "notify?: boolean)" in shown
    rows = json.loads(steelyard(tmp_path, *words, "--json").stdout)
    assert [row["tools"] for row in rows] == [[json.loads(t) for t in item.tools] for item in first]
    assert {"id", "customer", "date", "price"} == set(rows[5]["records"][0])
