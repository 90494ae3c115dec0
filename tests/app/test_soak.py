"""`sweep --soak`: what was chosen is kept under load afterwards, and the reports say how it did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.app import stage
from tests.app.stage import Stage

from steelyard.domain.campaign import SOAK_REPLICA
from steelyard.store.records import read_record

ITEMS = 60
WORDS = ("--items", str(ITEMS), "--repeats", "1", "--include-polluted", "--quants", "Q4_K_M")
Swept = tuple[Stage, Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    made = stage.build(tmp_path_factory.mktemp("soaked"), items=ITEMS)
    out = made.home / "out"
    subject = f"{made.ladder}@scripted"
    return made, out, made.run("sweep", subject, *WORDS, "--soak", "2s", "--out", str(out))


def test_the_soak_is_a_run_of_its_own_on_what_was_chosen(swept: Swept) -> None:
    _, out, done = swept
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "sweep_summary.json").read_text())
    chosen = {pick["name"]: pick["label"] for pick in summary["recommendation"]}
    found = summary["soak"]["value"]
    assert found["label"] == chosen["best_value_quant"]
    assert (found["asked_s"], found["streams"], found["outcome"]) == (2.0, 2, "completed")
    assert 1.5 < found["elapsed_s"]["value"] < 5  # a busy machine ends the last answers late
    assert found["requests"] > 8
    runs = [read_record(path.parent) for path in (out / "runs").glob("*/record.json")]
    (soaked,) = [run for run in runs if run.spec.replica == SOAK_REPLICA]
    assert soaked.id == found["run_id"]
    assert soaked.spec.subject.artifact.name == f"tiny-{found['label']}.gguf"
    assert len(soaked.sections[0].attempts) == found["requests"]


def test_its_speed_is_the_scripts_speed_and_does_not_count_for_the_variant(swept: Swept) -> None:
    _, out, _ = swept
    summary = json.loads((out / "sweep_summary.json").read_text())
    found = summary["soak"]["value"]
    # 2 ms to the first of 128 tokens, one each half millisecond, by the variant's planted speed.
    speed = {"Q4_K_M": 1.5}.get(found["label"], 1.0)
    truth = 2 * 128 / ((0.002 + 127 * 0.0005) / speed)
    # A busy machine reaches less; who counted answers for tokens would find a hundredth.
    assert 0.1 * truth < found["first_third_tps"]["value"]["value"] <= 1.05 * truth
    rows = [row for row in summary["per_quant"] if row["variant"]["label"] == found["label"]]
    assert all(found["run_id"] not in row["run_ids"] for row in rows)
    (line,) = [run for run in summary["runs"] if run["role"] == "soak"]
    assert line["included"] is False


def test_every_report_tells_it_and_it_takes_its_own_phase(swept: Swept) -> None:
    _, out, done = swept
    assert "Soak of what was chosen" in done.stdout
    assert "first third, tok/s" in done.stdout
    assert "Soak of what was chosen" in (out / "summary.md").read_text()
    page = (out / "report.html").read_text()
    assert "Soak of what was chosen" in page
    assert "Output tokens a second over the soak" in page
    phases = json.loads((out / "sweep_summary.json").read_text())["phases_s"]
    assert phases["soak"] > 2.0


def test_the_soak_is_among_the_stored_runs(swept: Swept) -> None:
    made, _, _ = swept
    assert "soak" in made.run("results", "list", "--simulated").stdout


def test_a_resume_of_the_finished_sweep_does_not_soak_again(swept: Swept) -> None:
    made, out, _ = swept
    subject = f"{made.ladder}@scripted"
    again = made.run("sweep", subject, "--resume", "--include-polluted", "--out", str(out))
    assert again.returncode == 0, again.stderr
    lines = (out / "journal.jsonl").read_text().splitlines()
    assert sum('"soaked"' in line for line in lines) == 1


def test_the_plan_says_that_there_will_be_one(swept: Swept) -> None:
    made, _, _ = swept
    out = made.home / "planned"
    words = (f"{made.ladder}@scripted", *WORDS, "--soak", "--dry-run", "--out", str(out))
    planned = made.run("sweep", *words)
    assert planned.returncode == 0, planned.stderr
    assert "what is chosen is kept under load, 2 at a time for 30 min" in planned.stdout


def test_an_interrupted_sweep_says_how_to_go_on(swept: Swept) -> None:
    made, _, _ = swept
    out = made.home / "stopped"
    argv = made.argv("sweep", f"{made.ladder}@scripted", *WORDS, "--out", str(out))
    child = subprocess.Popen(
        argv,
        env=made.env,
        cwd=made.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not (out / "journal.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "the sweep was interrupted" in err
    assert f"steelyard sweep --resume --out {out}" in " ".join(err.split())
    assert "Traceback" not in err
