"""A store of somebody else, found by its entry point; and the documented Python, as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.stores.shelves import Goods, pulled

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "model-stores.md"
PLUGIN = """
import os
from steelyard.domain.errors import BadInput
from steelyard.models.stores.folder import FolderStore

class Mine:
    name = "mine"
    def __init__(self, where):
        where = where or os.environ.get("MINE")
        if where is None:
            raise BadInput("no usual place")
        self._folder = FolderStore(where)
        self.where = where
    def __getattr__(self, name):
        return getattr(self._folder, name)
"""


def run(home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(home.parent), "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=home,
    )


@pytest.fixture
def plugin(tmp_path: Path) -> None:
    """A package with one entry point, as an installer leaves it."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[steelyard.stores]\nmine = mine:Mine\n")


@pytest.mark.usefixtures("plugin")
def test_a_store_of_a_plug_in_takes_part_in_a_scan(home: Path, goods: Goods) -> None:
    scan = ("-m", "steelyard.cli.main", "models", "scan")
    said = run(home, *scan, MINE=str(goods.file.parent))
    assert said.returncode == 0, said.stderr
    assert f"mine  {goods.file.parent}" in said.stdout
    assert run(home, *scan).stdout.startswith("0 models")
    said = run(home, *scan, MINE=str(home / "gone"))
    assert (said.returncode, "gone is no folder" in said.stdout) == (0, True)


def test_the_python_on_the_page_runs_as_it_stands(home: Path, goods: Goods) -> None:
    pulled(home / ".ollama" / "models", "one:f16", goods.file.read_bytes())
    (home / "models").mkdir()
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    said = run(home, "-c", "\n".join(blocks))
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("one:f16")
    assert "likely" in said.stdout  # the copy in ~/models, which is a usual folder
