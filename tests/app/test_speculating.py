"""`engines speculate` on the real engine and the bundled draft, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.llamalib import tiny


def cli(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "steelyard.cli.main", "engines", "speculate", *words]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_draft_changes_no_answer_and_its_guesses_are_counted(tmp_path: Path) -> None:
    words = ["bundled", "--prompts", "4", "--domains", "json", "--concurrency", "1,2"]
    done = cli(*words, "--json", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out" / "speculation.json").read_text())
    (domain,) = found["domains"]
    assert domain["pairs"] == 4
    assert domain["identical"]["value"]["value"] == 1.0
    assert 0.0 < domain["acceptance"]["value"]["value"] <= 1.0
    assert [level["streams"] for level in found["levels"]] == [1, 2]
    assert all(level["turns"] >= 4 for level in found["levels"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bundled", "--domains", "jsno"], "did you mean 'json'"),
        (["bundled", "--prompts", "99"], "--prompts 99"),
        (["bundled", "--concurrency", "0"], "no level"),
        (["other.gguf"], "other.gguf"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], says: str, tmp_path: Path) -> None:
    done = cli(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_draft_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    stranger = tiny.write(tmp_path / "stranger.gguf")
    done = cli("bundled", "--draft", str(stranger), cwd=tmp_path)
    assert done.returncode == 2
    assert "means nothing to the other" in done.stderr
