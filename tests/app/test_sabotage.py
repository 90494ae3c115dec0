"""Sabotage: files swapped or changed, another model served, a busy machine: caught and named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app import stage
from tests.app.stage import Stage
from tests.llamalib import tiny

ITEMS = 12
FAST = ("--items", str(ITEMS), "--repeats", "1", "--quants", "Q8_0,Q2_K")


@pytest.fixture
def made(tmp_path: Path) -> Stage:
    return stage.build(tmp_path, items=ITEMS)


def prepared(made: Stage) -> Path:
    """Plan a sweep and stop it before its first run, as a kill would."""
    out = made.home / "out"
    with subprocess.Popen(
        made.argv(
            "sweep", f"{made.ladder}@scripted", *FAST, "--include-polluted", "--out", str(out)
        ),
        env=made.env,
        cwd=made.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        journal = out / "journal.jsonl"
        until = time.monotonic() + 60
        while time.monotonic() < until and not journal.exists():
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert journal.exists()
    return out


def resumed(made: Stage, out: Path) -> subprocess.CompletedProcess[str]:
    return made.run("sweep", "--resume", "--include-polluted", "--out", str(out))


def failures(out: Path) -> dict[str, str]:
    """Return the reason of each failed run by the file it was to weigh."""
    found = {}
    for path in (out / "runs").glob("*/record.json"):
        record: dict[str, Any] = json.loads(path.read_text())
        if record["outcome"] == "failed":
            found[record["spec"]["subject"]["artifact"]["name"]] = record["reason"]
    return found


def test_two_files_swapped_under_the_sweep_are_refused_by_name(made: Stage) -> None:
    out = prepared(made)
    one, two, aside = made.file("Q8_0"), made.file("Q2_K"), made.ladder / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    resumed(made, out)
    found = failures(out)
    assert set(found) == {"tiny-Q8_0.gguf", "tiny-Q2_K.gguf"}
    assert all("is not" in why and "any more" in why for why in found.values())


def test_one_changed_byte_is_refused_by_name(made: Stage) -> None:
    out = prepared(made)
    with made.file("Q2_K").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last[0] ^ 1]))
    resumed(made, out)
    assert set(failures(out)) == {"tiny-Q2_K.gguf"}


def test_a_changed_reference_stops_everything_that_depends_on_it(made: Stage) -> None:
    out = prepared(made)
    tiny.write(made.file("F16"), stage.SHAPE, seed=9)
    done = resumed(made, out)
    assert done.returncode == 3, done.stdout
    assert "tiny-F16.gguf" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_serves_another_model_is_refused(tmp_path: Path) -> None:
    made = stage.build(
        tmp_path, items=ITEMS, variants={"*Q8_0*": {"faults": [{"kind": "wrong_model"}]}}
    )
    out = made.home / "out"
    made.run("sweep", f"{made.ladder}@scripted", *FAST, "--include-polluted", "--out", str(out))
    found = failures(out)
    assert set(found) == {"tiny-Q8_0.gguf"}
    assert "not serving" in found["tiny-Q8_0.gguf"]


def test_a_dead_engine_is_a_row_and_not_a_wrong_answer(tmp_path: Path) -> None:
    made = stage.build(
        tmp_path, items=ITEMS, variants={"*Q2_K*": {"load_failure": "out of memory"}}
    )
    out = made.home / "out"
    done = made.run(
        "sweep", f"{made.ladder}@scripted", *FAST, "--include-polluted", "--out", str(out)
    )
    assert done.returncode in (0, 1), done.stderr
    assert "out of memory" in failures(out)["tiny-Q2_K.gguf"]
    rows = json.loads((out / "sweep_summary.json").read_text())["per_quant"]
    (dead,) = [row for row in rows if row["variant"]["label"] == "Q2_K"]
    assert dead["marks"]["wrong"] == 0
    assert dead["outcome"] == "failed"


@pytest.fixture
def hog() -> Iterator[None]:
    """Keep every core busy with something that is neither ours nor the engine's."""
    burn = "while True: pass"
    cores = os.cpu_count() or 1
    busy = [
        subprocess.Popen([sys.executable, "-c", burn], start_new_session=True)
        for _ in range(2 * cores)
    ]
    yield
    for child in busy:
        child.kill()
        child.wait()


@pytest.mark.full
@pytest.mark.usefixtures("hog")
def test_a_polluted_run_is_flagged_left_out_and_an_override_says_so(made: Stage) -> None:
    out = made.home / "out"
    done = made.process("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out), timeout_s=500)
    assert done.returncode == 1, done.stderr
    summary = json.loads((out / "sweep_summary.json").read_text())
    weighed = [run for run in summary["runs"] if run["role"] in ("reference", "candidate", "aa")]
    assert {run["quality"] for run in weighed} == {"POLLUTED"}
    assert all("HIGH_CPU_SATURATION" in run["reasons"] for run in weighed)
    assert not any(run["included"] for run in weighed)
    assert any(run["answers"] for run in weighed)
    judged = [row for row in summary["per_quant"] if row["role"] == "candidate"]
    assert all(row["verdict"]["value"]["name"] for row in judged)
    assert all(row["speeds"] == [] for row in judged)
    assert "no run has a clean clock" in " ".join(done.stdout.split())
    again = made.run("report", str(out), "--include-polluted")
    said = json.loads((out / "sweep_summary.json").read_text())
    assert said["include_polluted"] is True
    for text in (
        again.stdout,
        (out / "summary.md").read_text(),
        (out / "report.html").read_text(),
    ):
        assert "polluted" in text.lower()


def test_a_sweep_in_which_only_the_canary_could_run_has_measured_nothing(tmp_path: Path) -> None:
    made = stage.build(tmp_path, items=ITEMS, faults=[{"kind": "die", "requests": [14]}])
    out = made.home / "out"
    done = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nothing could be measured" in done.stdout
