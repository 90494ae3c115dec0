"""`engines cold` as a user runs it: planted times come back, what nobody sees is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.app.doors import kept, steelyard
from tests.engines import on_demand
from tests.llamalib import tiny
from tests.platform.test_pagecache import keeps

from steelyard.runs.places import SCRIPT
from steelyard.scripted import plan as plans
from steelyard.scripted.plan import Plan

LOAD_S = 0.5


def cold(folder: Path, *words: str | Path) -> Any:
    done = steelyard(folder, "engines", "cold", *words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def value(reading: Any) -> Any:
    return reading["value"]["value"] if "value" in reading else reading


def scripted(folder: Path, plan: Plan) -> str:
    model = tiny.write(folder / "m.gguf", tiny.Shape(context=4096))
    plans.write(plan, folder / SCRIPT)
    return f"{model}@scripted"


def test_a_planted_load_time_and_first_token_come_back_and_are_called_simulated(
    tmp_path: Path,
) -> None:
    subject = scripted(tmp_path, Plan(load_s=0.3, ttft_s=0.1, gap_s=0.001))
    found = cold(tmp_path, subject, "--starts", "2", "--out", tmp_path / "out")
    assert found == json.loads((tmp_path / "out" / "cold.json").read_text())
    assert found["simulated"] is True
    side = found["warm"]["value"]
    ready, port = side["ready_s"]["median"]["value"], side["port_s"]["median"]["value"]
    assert ready > 0.3
    assert port < ready - 0.1  # it takes connections while it loads
    assert 0.1 <= side["first_s"]["median"]["value"] < 0.2
    low, high = (side["first_over_warm"][bound] for bound in ("low", "high"))
    assert low["value"] <= 1.05
    assert high["value"] >= 0.95
    assert side["ready_s"]["low"]["code"] == "below_sample_floor"  # two values bound no median
    assert kept(tmp_path) == len(found["starts"]) == 4


@pytest.mark.full
def test_the_real_engine_starts_with_the_file_in_memory_and_out_of_it(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    tiny.write(model, tiny.Shape(context=1024))
    found = cold(tmp_path, model, "--starts", "2", "--words", "32")
    warm = found["warm"]["value"]
    assert warm["cached"]["lowest"]["value"] == 1.0
    assert warm["first_s"]["n"] == 2
    assert warm["ready_s"]["median"]["value"] >= warm["port_s"]["median"]["value"] > 0
    if keeps(model):
        assert found["cold"]["code"] == "not_dropped"
        return
    side = found["cold"]["value"]
    assert side["cached"]["highest"]["value"] <= 0.05
    assert side["starts"] == 2
    assert found["cold_over_warm"]["n"] == 2


@pytest.mark.parametrize("kind", ["ollama", "router"])
def test_a_server_that_loads_on_demand_is_made_to_forget_and_its_load_is_in_the_first_request(
    kind: str, tmp_path: Path
) -> None:
    with on_demand.serving(kind, load_s=LOAD_S) as server:
        found = cold(tmp_path, server.url, "--starts", "2")
        side = found["theirs"]["value"]
        unloads = [a for a in server.asked if a in ("POST /api/generate", "POST /models/unload")]
    assert len(unloads) == 3  # two that count, and one before them
    assert side["extra_s"]["value"]["value"] == pytest.approx(LOAD_S, abs=0.2)
    assert side["first_over_warm"]["value"]["value"] > 3
    assert found["cold"]["code"] == "not_ours"
    assert side["ready_s"]["median"]["code"] == "attached"
    told = side["engine_load_s"]["median"]
    assert told["value"] == LOAD_S if kind == "ollama" else told["code"] == "not_reported"


def test_a_server_that_was_started_with_its_model_is_not_measured(tmp_path: Path) -> None:
    with on_demand.serving("router", forgetful=False) as server:
        done = steelyard(tmp_path, "engines", "cold", server.url)
        assert not [each for each in server.asked if each.startswith("POST /v1")]
    assert done.code == 3
    assert "loads its model before it can be reached" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bundled", "--model", "x"], "--model is for a server at an address"),
        (["http://127.0.0.1:1", "--threads", "2"], "--threads is for an engine that is started"),
        (["none.gguf"], "there is no file none.gguf"),
        (["bundled", "--words", "4000"], "was trained for"),
        (["bundled@scriptd"], "did you mean 'scripted'"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], says: str, tmp_path: Path) -> None:
    done = steelyard(tmp_path, "engines", "cold", *words)
    assert done.code == 2
    assert says in done.err


def test_an_engine_that_does_not_come_up_ends_it_with_its_own_words(tmp_path: Path) -> None:
    subject = scripted(tmp_path, Plan(load_failure="no room for the tensors"))
    done = steelyard(tmp_path, "engines", "cold", subject, "--starts", "2")
    assert done.code == 3
    assert "no room for the tensors" in done.err


@pytest.mark.full
def test_an_interrupt_keeps_what_had_finished_and_leaves_no_process(tmp_path: Path) -> None:
    subject = scripted(tmp_path, Plan(load_s=0.2, ttft_s=0.02))
    argv = [sys.executable, "-m", "steelyard.cli.main", "engines", "cold", subject]
    process = subprocess.Popen(
        [*argv, "--starts", "50"],
        env={**os.environ, "STEELYARD_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and not kept(tmp_path):
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"interrupted after" in err
    assert kept(tmp_path) >= 1
    assert not psutil.wait_procs(started, timeout=10)[1]
