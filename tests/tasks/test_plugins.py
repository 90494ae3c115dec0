"""Families of somebody else, by their entry points: the broken ones are named and hurt nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from steelyard.app.evals.tasks import list_text
from steelyard.domain.errors import BadInput
from steelyard.domain.task import Answer, Right, Task, Wrong
from steelyard.tasks import registry
from steelyard.tasks.scoring import NumberScorer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "task-families.md"
MODULE = """
from steelyard.tasks.math_words import MathWords

class Mine(MathWords):
    name = "mine"

def a_dict():
    return {"name": "dictionary"}

def fails():
    raise RuntimeError("no room")
"""
POINTS = {
    "mine": "mine_tasks:Mine",
    "broken": "nomodule:X",
    "dictionary": "mine_tasks:a_dict",
    "failing": "mine_tasks:fails",
    "another": "mine_tasks:Mine",
}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with families, as an installer leaves it."""
    (tmp_path / "mine_tasks.py").write_text(MODULE)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in POINTS.items()]
    (info / "entry_points.txt").write_text("\n".join(["[steelyard.tasks]", *lines]) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("broken", "No module named 'nomodule'"),
        ("dictionary", "is no family, but a dict: it has no name"),
        ("failing", "no room"),
        ("another", "calls itself 'mine'"),
    ],
)
def test_a_broken_family_is_refused_with_its_entry_point_and_package(name: str, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        registry.family(name)
    assert f"the task family {name} ({POINTS[name]}, of mine)" in str(refused.value)
    assert why in str(refused.value)


@pytest.mark.usefixtures("plugin")
def test_the_list_shows_broken_families_with_the_reason_and_goes_on() -> None:
    listed = {line.split()[0]: line for line in list_text(as_json=False).splitlines()}
    assert "broken: the task family broken (nomodule:X, of mine)" in listed["broken"]
    assert "levels 1-3" in listed["mine"]
    rows = {row["name"]: row for row in json.loads(list_text(as_json=True))}
    assert "nomodule" in rows["broken"]["broken"]
    assert rows["mine"]["levels"]


def test_the_example_of_the_docs_makes_items_and_marks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, points = (
        re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
        for kind in ("python", "toml")
    )
    assert code is not None
    assert points is not None
    (tmp_path / "my_tasks").mkdir()
    (tmp_path / "my_tasks" / "doubles.py").write_text(code[1])
    info = tmp_path / "doubles-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: doubles\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        points[1]
        .replace('project.entry-points."steelyard.tasks"', "steelyard.tasks")
        .replace('"', "")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    items = registry.questions(Task("doubles", items=5))
    assert len({item.id for item in items}) == 5
    for item in items:
        assert isinstance(item.scorer, NumberScorer)
        assert item.on(Answer(item.answer, "stop")).outcome == Right()  # type: ignore[union-attr]
        assert item.on(Answer("1", "stop")).outcome == Wrong()  # type: ignore[union-attr]
