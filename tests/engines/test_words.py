"""The child that tells tokens: one answer a question, and no child is left."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.platform.test_process import eventually_gone

from steelyard.domain.errors import DialectError, EngineError
from steelyard.engines.words import Words

ECHO = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    bad = asked.get("text") == "bad"
    said = {"error": "no such text"} if bad else {"pid": os.getpid(), **asked}
    print(json.dumps(said), flush=True)
"""


def words(source: str, folder: Path) -> Words:
    return Words((sys.executable, "-I", "-c", source), {}, folder / "tokenizer.log")


def test_one_child_answers_every_question_and_ends_with_the_engine(tmp_path: Path) -> None:
    child = words(ECHO, tmp_path)
    first, second = child.ask({"text": "a"}), child.ask({"text": "b"})
    assert first["pid"] == second["pid"]
    assert second["text"] == "b"
    child.stop()
    assert eventually_gone([first["pid"]])
    child.stop()  # twice is no harm


def test_its_own_error_is_passed_on_and_it_goes_on(tmp_path: Path) -> None:
    child = words(ECHO, tmp_path)
    with pytest.raises(DialectError, match="no such text"):
        child.ask({"text": "bad"})
    assert child.ask({"text": "good"})["text"] == "good"
    child.stop()


def test_a_child_that_ends_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    child = words("raise SystemExit('no tokenizer here')", tmp_path)
    with pytest.raises(EngineError, match="gave no answer") as caught:
        child.ask({"text": "a"})
    assert "tokenizer.log" in caught.value.hint
    assert "no tokenizer here" in (tmp_path / "tokenizer.log").read_text()
