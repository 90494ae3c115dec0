"""`steelyard bench URL --engine NAME` against a server's replica in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.door import steelyard

ROOT = Path(__file__).parents[2]
SHORT = ("--requests", "10", "--prompts", "synthetic:in=40,out=8")


@contextmanager
def replica(name: str, *more: str) -> Iterator[str]:
    words = [sys.executable, "-m", "tests.engines.replica", name, *more]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return steelyard(folder, "bench", *words)


def test_a_named_server_is_measured_to_the_end(tmp_path: Path) -> None:
    with replica("ollama") as url:
        done = bench(tmp_path, url, "--engine", "ollama", *SHORT, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "ollama 0.40.12" in done.stdout
    summary = json.loads((tmp_path / "out" / "bench_summary.json").read_text())
    (one,) = summary["measurements"]
    (level,) = one["levels"]
    assert one["engine"] == "ollama"
    assert (level["counts"]["completed"], level["counts"]["failed"]) == (10, 0)
    assert level["tokens"]["output"]["value"] == 80
    assert "missing" in level["tokens"]["cost_usd"]
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.full
def test_what_was_billed_is_added_up(tmp_path: Path) -> None:
    with replica("openrouter") as url:
        done = bench(tmp_path, url, *SHORT, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "billed 0.0014 US dollars" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "vllm"), "says that it is ollama, not vllm"),
        (("--engine", "olama"), "did you mean 'ollama'"),
        (("--engine", "mlx"), "mlx is started here for a file"),
        (("--model", "llama3.3"), "did you mean 'llama3.2:latest'"),
    ],
)
def test_what_cannot_be_is_one_message_and_nothing_is_written(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with replica("ollama") as url:
        done = bench(tmp_path, url, *words, *SHORT, "--out", "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.full
def test_a_prompt_that_is_cut_in_silence_is_no_number(tmp_path: Path) -> None:
    long = ("--requests", "4", "--prompts", "synthetic:in=6000,out=8")
    with replica("ollama", "--cuts", "--context", "1024") as url:
        done = bench(tmp_path, url, "--engine", "ollama", *long, "--out", "out")
    assert "4 prompt cut" in " ".join(done.stdout.split())


@pytest.mark.parametrize("words", [("bundled@vllm",), ("bundled", "--engine", "vllm")])
def test_a_file_is_not_given_to_a_server_of_somebody_elses(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = bench(tmp_path, *words, "--out", "out")
    assert done.returncode == 2
    assert "steelyard bench http://HOST:PORT --engine vllm" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bundled@mlx", "--engine", "llamacpp"), "names the engine mlx, and --engine llamacpp"),
        (("bundled", "--engine", "mlx"), "mlx loads mlx or safetensors; 'base.gguf' is gguf"),
        (("bundled", "--engine", "lamacpp"), "did you mean 'llamacpp'"),
    ],
)
def test_of_a_file_the_option_says_what_is_to_serve_it(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = bench(tmp_path, *words, *SHORT, "--out", "out")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_file_is_benched_on_the_engine_that_the_option_names(tmp_path: Path) -> None:
    done = bench(tmp_path, "bundled", "--engine", "llamacpp", *SHORT, "--out", "out")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "bench_summary.json").read_text())
    assert summary["measurements"][0]["engine"] == "llamacpp"
