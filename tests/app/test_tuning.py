"""`tune` as a user runs it: a gain that is there becomes a profile, one that is not does not."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench

from steelyard.app.profiles import files
from steelyard.store.records import read_record

SHORT = ("--prompts", "synthetic:in=16,out=2")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


def own(bench: Bench) -> Path:
    folder = bench.home / "engine-profiles"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tune(bench: Bench, *words: str) -> tuple[int, str, str]:
    return bench.ask("tune", *words, "--folder", str(bench.work / "runs"))


def test_settings_that_change_nothing_are_not_claimed_and_nothing_is_written(bench: Bench) -> None:
    """The scripted engine plants its times whatever it is told of threads and slots."""
    code, out, err = tune(bench, "bundled@scripted", "--for", "ttft", "--budget", "8s", *SHORT)
    assert code == 1, err
    assert "No engine profile is written" in out
    assert not list(own(bench).iterdir())
    found = json.loads((bench.work / "runs" / "tuning.json").read_text())
    assert found["winner"] is None
    assert found["profile"] is None
    records = sorted((bench.work / "runs").glob("*/record.json"))
    assert records[0].parent.name == "001-baseline"
    assert all(read_record(path.parent).simulated for path in records)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("http://127.0.0.1:1",), "runs already"),
        (("bundled@llamacpp/nope",), "no engine profile 'nope'"),
        (("bundled", "--out", "x.txt"), "is no YAML file"),
        (("bundled", "--out", "none/x.yaml"), "there is no folder none"),
        (("bundled", "--device", "cdua"), "no device 'cdua'"),
        (("bundled", "--prompts", "synthetic:in=9000"), "was trained for 4,096 tokens"),
        (("bundled", "--prompts", "none.txt"), "there is no file none.txt"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_started(
    bench: Bench, words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.work)
    code, out, err = tune(bench, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert not (bench.work / "runs").exists()


def test_a_profile_that_is_there_is_not_overwritten(bench: Bench) -> None:
    path = bench.work / "mine.yaml"
    path.write_text("engine: llamacpp\n")
    code, _, err = tune(bench, "bundled", "--out", str(path))
    assert code == 2
    assert "is there already" in err
    assert path.read_text() == "engine: llamacpp\n"


@pytest.mark.full
def test_far_too_many_threads_are_found_out_and_better_ones_written(bench: Bench) -> None:
    baseline = "engine: llamacpp\nthreads: 16\nextra_args: [--poll, '0']\n"
    (own(bench) / "crowded.yaml").write_text(baseline)
    words = ("bundled@llamacpp/crowded", "--for", "ttft", "--budget", "120s", *SHORT)
    code, out, err = tune(bench, *words)
    assert code == 0, out + err
    assert "use it: steelyard bench bundled@llamacpp/bundled-ttft" in out
    written = files.read(own(bench) / "bundled-ttft.yaml")
    assert written.settings["threads"] < 16
    assert written.settings["extra_args"] == ("--poll", "0")
    assert "# Gain over the baseline: time to first token -" in written.path.read_text()
    again = bench.run("bundled@llamacpp/bundled-ttft", "--requests", "4", *SHORT)
    assert again.code == 0, again.err


@pytest.mark.full
def test_an_interrupt_keeps_the_runs_and_leaves_neither_profile_nor_process(bench: Bench) -> None:
    argv = [*bench.argv()[:3], "tune", "bundled", "--for", "ttft", "--budget", "100s", *SHORT]
    argv += ["--folder", str(bench.work / "runs")]
    process = subprocess.Popen(
        argv, env=bench.env, cwd=bench.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    runs = bench.work / "runs"
    end = time.monotonic() + 60
    while time.monotonic() < end and not (runs / "002-flash-attention-on" / "record.json").exists():
        time.sleep(0.1)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"no engine profile is written" in err
    assert read_record(runs / "001-baseline").outcome == "cancelled"
    assert read_record(runs / "002-flash-attention-on").outcome == "completed"
    assert not psutil.wait_procs(started, timeout=10)[1]
    assert not list(own(bench).iterdir())
