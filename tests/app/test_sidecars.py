"""`engines bench` from subject to text, JSON and file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import proofs
from tests.llamalib import tiny

from steelyard.app.engines import sidecars
from steelyard.app.engines.sidecars import BenchOrder
from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.progress import PhaseStarted, Progress
from steelyard.domain.reading import Measured
from steelyard.runs import sidecar


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    proofs.lend(tmp_path / "home")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("bench") / "tiny.gguf")


def order(subject: Path | str, out: Path | None = None, **changes: Any) -> BenchOrder:
    asked: dict[str, Any] = {
        "threads": 1,
        "prompt": 16,
        "output": 4,
        "depths": ("0", "2000"),
        "repeats": 2,
        "runtime": "wheel",
    }
    return BenchOrder(str(subject), out=out, **{**asked, **changes})


def test_the_speeds_are_shown_and_stored_apart(model: Path, tmp_path: Path) -> None:
    events: list[Progress] = []
    said = sidecars.bench_text(order(model, tmp_path / "new"), events.append, as_json=False)
    assert said.exit_code == 0
    assert "pp16 " in said.text
    assert "tg4 " in said.text
    assert "NOT_APPLICABLE: it takes 2016 tokens, the model has 1024" in said.text
    assert PhaseStarted("raw speed", 8, "F16") in events
    found = sidecar.read(tmp_path / "new")
    assert isinstance(found, Measured)
    (one,) = found.value
    assert one.model == "tiny.gguf"
    assert len(one.sha256) == 64
    assert [speed.state for speed in one.speeds] == ["OK", "NOT_APPLICABLE"] * 2


def test_json_is_what_the_file_would_hold(model: Path) -> None:
    said = sidecars.bench_text(order(model, output=0, depths=("0",)), print, as_json=True)
    (one,) = json.loads(said.text)["sidecars"]
    assert [speed["name"] for speed in one["speeds"]] == ["pp16"]
    assert one["repeats"] == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"depths": ("0", "deep")}, "'deep' is no depth"),
        ({"depths": ("-1",)}, "'-1' is no depth"),
        ({"depths": ("1", "01")}, "twice"),
        ({"prompt": 0, "output": 0}, "nothing to time"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    model: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        sidecars.bench_text(order(model, **changes), print, as_json=False)


def test_only_files_for_llama_cpp_have_a_raw_speed(model: Path, tmp_path: Path) -> None:
    for subject in (f"{model}@scripted", "http://127.0.0.1:1", tmp_path / "gone.gguf"):
        with pytest.raises(BadInput):
            sidecars.bench_text(order(subject), print, as_json=False)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_timed(model: Path) -> None:
    events: list[Progress] = []
    with pytest.raises(SteelyardError, match="cannot be written to"):
        sidecars.bench_text(order(model, Path("/proc/steelyard")), events.append, as_json=False)
    assert events == []


def test_an_answer_without_the_speeds_ends_with_could_not_measure(
    model: Path, tmp_path: Path
) -> None:
    program = tmp_path / "llama-bench"
    program.write_text(f"#!{sys.executable}\nprint('[]')\n")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", "engines", "bench", str(model), "--json"],
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "STEELYARD_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    (one,) = json.loads(done.stdout)["sidecars"]
    assert one["program"] == "llama-bench"
    assert one["state"] == "REQUIRED_FIELD_MISSING"
