"""Pictures, sounds and films through `steelyard eval`: what arrives, and who is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.door import steelyard as typed
from tests.llamalib import projector
from tests.tasks import eyes

from steelyard.domain.task import Task
from steelyard.scripted.plan import prompt_key, told
from steelyard.tasks.registry import questions

MEDIA = ("vision", "audio", "video")
ASKED = ("--tasks", "vision:2,audio,video", "--items", "6")
TASKS = (Task("vision", level=2, items=6), Task("audio", items=6), Task("video", items=6))
FIVE = ("--tasks", "vision", "--items", "5", "--out", "out")


def planted(*tasks: Task) -> dict[str, str]:
    """Plant the right answers, each behind the bytes of its file and the question."""
    found = {}
    for task in tasks:
        for item in questions(task):
            (turn,) = item.start().messages
            files = [(shown.kind, base64.b64decode(shown.data)) for shown in turn.media]
            found[prompt_key([("user", told(turn.content, files))])] = item.answer
    return found


def seeing(folder: Path, **plan: Any) -> AbstractContextManager[str]:
    return server(folder, planted(*TASKS), **plan)


def test_files_arrive_whole_are_scored_and_marked_again_and_the_record_stays_small(
    tmp_path: Path,
) -> None:
    with seeing(tmp_path / "good") as url:
        done = typed(tmp_path, "eval", url, *ASKED, "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for task in found["tasks"]:
        marks = task["marks"]
        assert marks["right"] == 6, task
        assert marks["wrong"] == marks["not_run"] == 0
    record = (tmp_path / "out" / "record.json").read_text()
    first = questions(TASKS[0])[0].start().messages[0].media[0].data
    assert first not in record
    assert first not in (tmp_path / "out" / "spec.json").read_text()
    assert len(record) < 200_000
    assert "every mark is the same" in typed(tmp_path, "rescore", "out").stdout


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        pytest.param(
            {"takes": ("audio", "video")},
            "by its own word the model takes none",
            marks=pytest.mark.full,
        ),
        pytest.param(
            {"takes": (), "admits": False}, "image input is not supported", marks=pytest.mark.full
        ),
        ({"faults": ("media_dropped",)}, "left out in silence"),
    ],
)
def test_a_server_that_does_not_see_is_refused_before_anything_is_asked(
    plan: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with seeing(tmp_path / "blind", **plan) as url:
        done = typed(tmp_path, "eval", url, *FIVE)
    assert done.returncode == 2, done.stdout
    assert "cannot be shown pictures" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_text_model_that_is_served_here_is_refused_before_it_is_started(
    steelyard: Callable[..., Said],
) -> None:
    done = steelyard("eval", "bundled", *FIVE)
    assert done.code == 2, done.out
    assert "without a projector" in done.err
    assert "--mmproj" in done.err
    assert not Path("out").exists()


def test_samples_are_written_as_files_with_their_answers(steelyard: Callable[..., Said]) -> None:
    for name, ending in zip(MEDIA, ("png", "wav", "mov"), strict=True):
        done = steelyard("tasks", "sample", name, "--items", "6", "--out", name)
        assert done.code == 0, done.err
        listed = json.loads(Path(name, "items.json").read_text())
        assert len(listed) == 6
        for row in listed:
            file = Path(name, row["file"])
            assert file.suffix == f".{ending}"
            if name == "vision":
                assert eyes.solve(row["kind"], file.read_bytes(), row["prompt"]) == row["answer"]
    again = steelyard("tasks", "sample", "vision", "--out", "vision")
    assert (again.code, "not an empty folder" in again.err) == (2, True)
    done = steelyard("tasks", "sample", "logic", "--out", "none")
    assert (done.code, "show no pictures" in done.err) == (2, True)
    assert not Path("none").exists()
    assert "image/png" in steelyard("tasks", "show", "vision").out


@pytest.mark.full
def test_llama_cpp_itself_decodes_and_counts_every_picture(
    steelyard: Callable[..., Said], home: Path
) -> None:
    """The bundled model behind a projector of random weights: what it says is nonsense."""
    profiles = home / "engine-profiles"
    profiles.mkdir(parents=True)
    file = projector.write(Path("projector.gguf").absolute(), 256)
    told = {"engine": "llamacpp", "extra_args": ["--mmproj", str(file)]}
    (profiles / "seeing.yaml").write_text(json.dumps(told))
    words = ("--tasks", "vision,vision:3", "--items", "8", "--out", "out", "--json")
    done = steelyard("eval", "bundled@llamacpp/seeing", *words)
    assert done.code == 0, done.err
    assert [task["marks"]["not_run"] for task in json.loads(done.out)["tasks"]] == [0, 0]
    sections = json.loads(Path("out", "record.json").read_text())["sections"]
    counted = [a["usage"]["value"]["prompt_tokens"] for s in sections for a in s["attempts"]]
    assert len(counted) == 16
    assert min(counted) > projector.TOKENS
    heard = steelyard("eval", "bundled@llamacpp/seeing", "--tasks", "audio", "--items", "2")
    assert heard.code == 3
    assert "not run: 2 media_refused" in heard.out
    assert "by its own word the model takes none" in heard.err
