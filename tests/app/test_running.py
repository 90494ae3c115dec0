"""`run`: a second run measures anew, and what another run left behind is never taken over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.app import stage
from tests.app.stage import Stage

from steelyard.domain.codec import encode
from steelyard.domain.run import Controls, RunSpec
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.workload import Workload
from steelyard.models import artifacts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return stage.build(tmp_path_factory.mktemp("running"), items=1)


def spec_file(made: Stage, name: str, controls: Controls) -> Path:
    """Write a spec of one short workload on the scripted engine."""
    subject = Subject(
        artifacts.fingerprint(made.file("Q8_0")),
        "scripted",
        "scripted",
        EngineProfile(context_tokens=512),
    )
    path = made.home / name
    path.write_text(encode(RunSpec(subject, controls, (Workload("interactive", 16, 4, 2),))))
    return path


def sent_of(text: str) -> list[int]:
    record = json.loads(text)
    return [attempt["sent_ns"] for attempt in record["sections"][0]["attempts"]]


def test_the_same_spec_run_twice_is_measured_twice(made: Stage) -> None:
    spec = str(spec_file(made, "twice.json", Controls()))
    model = ("--model", str(made.ladder), "--json")
    first, second = (made.run("run", spec, *model) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert not set(sent_of(first.stdout)) & set(sent_of(second.stdout))


def test_a_folder_with_a_finished_run_is_not_run_over(made: Stage) -> None:
    spec = str(spec_file(made, "once.json", Controls(seed=1)))
    words = ("run", spec, "--model", str(made.ladder), "--out", str(made.home / "once"))
    assert made.run(*words).returncode == 0
    again = made.run(*words)
    assert again.returncode == 2
    assert "holds a finished run" in again.stderr


def test_half_a_run_of_another_spec_is_not_gone_on_with(made: Stage) -> None:
    out = made.home / "half"
    out.mkdir()
    (out / "spec.json").write_text(spec_file(made, "other.json", Controls(seed=2)).read_text())
    spec = str(spec_file(made, "mine.json", Controls(seed=3)))
    done = made.run("run", spec, "--model", str(made.ladder), "--out", str(out))
    assert done.returncode == 2
    assert "holds another run" in done.stderr


def test_a_model_that_is_not_there_is_named(made: Stage) -> None:
    spec = str(spec_file(made, "gone.json", Controls()))
    done = made.run("run", spec, "--model", str(made.home / "gone"))
    assert done.returncode == 2
    assert f"there is no {made.home / 'gone'}" in done.stderr.replace("\n", " ")


def test_what_turns_out_to_be_impossible_in_the_middle_ends_with_exit_code_2(
    made: Stage,
) -> None:
    path = spec_file(made, "level.json", Controls(seed=5))
    spec = json.loads(path.read_text())
    path.write_text(json.dumps({**spec, "tasks": [{"family": "reading", "level": 9}]}))
    done = made.run("run", str(path), "--model", str(made.ladder))
    assert done.returncode == 2, done.stderr
    assert "bad_input: reading" in done.stdout


def test_what_a_record_tells_names_no_folder_of_this_machine(made: Stage) -> None:
    spec = str(spec_file(made, "quiet.json", Controls(seed=9)))
    done = made.run("run", spec, "--model", str(made.ladder), "--json")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    told = json.dumps([record["proofs"], record["reason"], record["log_excerpt"]])
    assert str(made.ladder) not in told
    assert str(made.home) not in told
