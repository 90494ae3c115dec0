"""A training may stop anywhere and goes on as if it had not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.forge.small import TINY, trainer

from steelyard.domain.errors import BadInput
from steelyard.forge import checkpoint
from steelyard.forge.recipes import BASE, SMOKE
from steelyard.forge.train import Crew, Progress, Trainer, append_log, document_mask, train

SMOKE_LOSS_BOUND = 1.8  # nats an answer token; untrained above 7, 1.34 when last measured


def test_a_resumed_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, first = trainer(tmp_path / "whole"), trainer(tmp_path / "broken")
    assert train(whole, threads=1)
    left = iter([False, False, False, True])
    assert not train(first, threads=1, stop=lambda: next(left))
    second = trainer(tmp_path / "broken")
    assert second.resume()
    assert second.step == 3
    assert train(second, threads=1)
    assert second.tokens == whole.tokens
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).save()
    with pytest.raises(BadInput, match="another recipe"):
        checkpoint.load(BASE, tmp_path)
    with pytest.raises(BadInput, match="another recipe"):
        Trainer(SMOKE, tmp_path, compiled=False).resume()


def test_the_rate_warms_up_stays_and_falls_to_nothing(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    rates = []
    for step in range(TINY.steps):
        made.step = step
        rates.append(made.rate())
    assert rates == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]


def test_a_decay_that_is_asked_for_by_file_begins_at_once(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    (tmp_path / "decay").write_text("0.0001")
    assert train(made, threads=1)
    assert (made.decay_from, made.step) == (1, 2)
    assert not (tmp_path / "decay").exists()


def test_a_position_sees_its_own_document_only() -> None:
    mask = document_mask(torch.tensor([[0, 0, 1, 1]]))[0, 0]
    assert mask.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, True, True],
    ]


def test_the_crew_tries_each_size_and_keeps_the_faster_one() -> None:
    crew = Crew(2)
    took = {1: 5, 2: 9}
    used = []
    for _ in range(16):
        used.append(crew.before())
        crew.after(used[-1], took[used[-1]])
    assert used == [1, 2] + [1] * 14


def test_the_log_keeps_the_later_of_two_lines_of_one_step(tmp_path: Path) -> None:
    for loss in (3.0, 2.0):
        append_log(tmp_path, Progress(20, 5000, 1.0, loss, None, 1.0, None))
    assert [line["loss"] for line in checkpoint.read_log(tmp_path)] == [2.0]


def test_sigterm_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "steelyard.forge.train", "--recipe", "smoke", "--eager"]
    argv += ["--folder", str(tmp_path), "--threads", "1", "--steps", "5000"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
        log = tmp_path / "tokenizer.json"
        until = time.monotonic() + 60
        while not log.exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(3)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(timeout=60) == 143
    assert (tmp_path / "checkpoint.pt").exists()
    assert not (tmp_path / "checkpoint.tmp").exists()


@pytest.mark.full
def test_ninety_seconds_of_training_learn_something(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "steelyard.forge.train", "--recipe", "smoke", "--eager"]
    subprocess.run([*argv, "--folder", str(tmp_path)], check=True, capture_output=True, timeout=400)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == SMOKE.steps
    assert log[-1]["loss"] < SMOKE_LOSS_BOUND < log[0]["loss"]
