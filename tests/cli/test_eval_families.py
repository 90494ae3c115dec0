"""The later families through `steelyard eval` and `steelyard tasks`, answers planted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.test_eval import server
from tests.door import steelyard
from tests.runs.scene import key_of
from tests.runs.test_judged_conversations import planted

from steelyard.domain.task import Task
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.registry import drawn

TALK, FORMS = Task("multi_turn", items=8), Task("robustness", items=30, revision=2)


def answered(*tasks: Task, but: str = "") -> dict[str, str]:
    """Plant the right answers; a form whose name this is gets nonsense."""
    found: dict[str, str] = {}
    for item in (item for task in tasks for item in drawn(task)):
        if isinstance(item, Conversation):
            found |= planted(item)
        else:
            wrong = but and item.kind.endswith(f"/{but}")
            found[key_of(item.prompt)] = "-7" if wrong else item.answer
    return found


@pytest.mark.full
def test_conversations_and_forms_are_asked_scored_shown_and_marked_again(tmp_path: Path) -> None:
    with server(tmp_path / "good", answered(TALK)) as url:
        done = steelyard(
            tmp_path, "eval", url, "--tasks", "multi_turn", "--items", "8", "--out", "talk"
        )
    assert done.returncode == 0, done.stderr
    assert "multi_turn/l1  100.0%" in done.stdout
    assert "every mark is the same" in steelyard(tmp_path, "rescore", "talk").stdout
    with server(tmp_path / "frail", answered(FORMS, but="json_broken")) as url:
        words = ("--tasks", "robustness", "--items", "30", "--out", "forms")
        done = steelyard(tmp_path, "eval", url, *words)
    assert done.returncode == 0, done.stderr
    broken = sum(item.kind.endswith("/json_broken") for item in drawn(FORMS))
    line = next(x for x in done.stdout.splitlines() if x.strip().startswith("json_broken"))
    assert line.split()[-3:] == [str(broken), str(broken), "0"]
    assert "spread 100.0 points" in done.stdout


def test_turns_are_sampled_with_their_answers(tmp_path: Path) -> None:
    sampled = json.loads(
        steelyard(tmp_path, "tasks", "sample", "multi_turn", "--items", "2", "--json").stdout
    )
    known = [item for item in drawn(Task("multi_turn", items=2)) if isinstance(item, Conversation)]
    assert [row["turns"] for row in sampled] == [
        [{"prompt": turn.prompt, "answer": turn.answer} for turn in item.turns] for item in known
    ]
    shown = steelyard(tmp_path, "tasks", "show", "business").stdout
    assert shown.count("→") == 18


def test_a_level_that_a_family_does_not_have_is_refused(tmp_path: Path) -> None:
    done = steelyard(tmp_path, "eval", "http://127.0.0.1:9", "--tasks", "business:4")
    assert done.returncode == 2
    assert "business has no level 4" in done.stderr
    assert "1, 2, 3" in done.stderr
    assert not list(tmp_path.glob("evals/*"))
