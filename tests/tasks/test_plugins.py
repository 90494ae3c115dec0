"""Families of somebody else, by their entry points: the broken ones are named and hurt nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.app.evals.tasks import list_text
from steelyard.domain.errors import BadInput
from steelyard.tasks import registry

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
