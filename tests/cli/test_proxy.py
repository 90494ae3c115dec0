"""`steelyard proxy` and harnesses behind it, on the scripted engine and a harness of our own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cli.conftest import Said
from tests.cli.test_eval import server

from steelyard.store.records import read_record

HARNESS = Path(__file__).with_name("harness.py")


@contextmanager
def proxy(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    argv = [sys.executable, "-m", "steelyard.cli.main", "proxy", *words]
    with subprocess.Popen(argv, stdout=-1, stderr=-1, text=True) as child:
        try:
            assert child.stderr is not None
            line = child.stderr.readline()
            found = re.search(r"http://[\d.:]+/v1", line)
            assert found is not None, line + child.stderr.read()
            yield found[0], child
        finally:
            child.kill()


def asked(url: str, **more: object) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, **more}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        data = answer.read()
    return {"raw": data} if more.get("stream") else json.loads(data)


def installed(home: Path, name: str, package: str) -> None:
    """Put a program of our own where the interpreter of the harness' environment would be."""
    folder = home / "envs" / name
    (folder / "bin").mkdir(parents=True)
    stamp = {"recipe": "of a test", "versions": {package: "0.0.1"}}
    (folder / "steelyard.json").write_text(json.dumps(stamp))
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {HARNESS} "$@"\n')
    python.chmod(0o755)


@pytest.mark.full
def test_a_recording_reads_as_a_bench_and_plays_again_byte_by_byte(
    tmp_path: Path, steelyard: Callable[..., Said]
) -> None:
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    with server(tmp_path / "engine", {}) as url, proxy(url, "--out", "rec") as (address, child):
        whole = asked(address)
        streamed = asked(address, **stream)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert "2 passed on, 2 answered, 0 failed" in out
    record = read_record(Path("rec"))
    (section,) = record.sections
    assert [a.streamed for a in section.attempts] == [False, True]
    assert {a.outcome.kind for a in section.attempts} == {"completed"}
    assert record.outcome == "completed"
    assert record.simulated
    assert Path("rec/report.html").exists()
    assert record.id[:13] in steelyard("results", "list", "--simulated").out
    with proxy("--replay", "rec") as (address, child):
        assert asked(address) == whole
        assert asked(address, **stream) == streamed
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    assert "has ended" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "stands in front of something"),
        (("http://127.0.0.1:9", "--budget", "2eur"), "'2eur' is no budget"),
        (("http://127.0.0.1:9",), "nobody listens"),
        (("bundled", "--budget", "2usd"), "bills nothing"),
        (("http://127.0.0.1:9", "--replay", "."), "takes no SUBJECT"),
        (("--replay", ".", "--timeout", "10m", "--json"), "it takes no --timeout, --json"),
        (("http://127.0.0.1:9", "--streams", "4"), "--streams is for an engine"),
        (("--replay", "."), "holds no recording"),
    ],
)
def test_a_wrong_word_is_one_clear_message(
    words: tuple[str, ...], why: str, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("proxy", *words)
    assert said.code in (2, 3)
    assert why in said.err
    assert "Traceback" not in said.err
    assert not list(Path().glob("prox*"))


def test_a_harness_that_is_not_there_says_how_to_install_it(
    steelyard: Callable[..., Said],
) -> None:
    said = steelyard("eval", "http://127.0.0.1:9", "--tasks", "lm-eval:gsm8k")
    assert said.code == 2
    assert "steelyard engines install lm-eval" in said.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--tasks", "lm-eval:a,logic"), "several runs"),
        (("--tasks", "lm-eval:a,inspect:b"), "several runs"),
        (("--tasks", "lm-eval:nowhere.yaml"), "no task file nowhere.yaml"),
        (("--tasks", "inspect:nowhere.py@x"), "no file nowhere.py"),
        (("--tasks", "inspect:a b"), "no task of Inspect"),
        (("--tasks", "lm-eval:a", "--level", "2"), "--level is for tasks of ours"),
        (("--tasks", "lm-eval:a", "--level", "1"), "--level is for tasks of ours"),
        (("--tasks", "lm-eval:a", "--temperature", "1"), "--temperature is for tasks of ours"),
        (("--tasks", "lm-eval:a", "--thinking", "1"), "--thinking is for tasks of ours"),
        (("--tasks", "lm-eval:a", "--samples", "4"), "--samples is for tasks of ours"),
        (("--tasks", "lm-eval:a", "--rag-k", "9"), "--rag-k is for the task rag"),
    ],
)
def test_what_says_nothing_to_a_harness_is_refused(
    words: tuple[str, ...], why: str, steelyard: Callable[..., Said]
) -> None:
    said = steelyard("eval", "http://127.0.0.1:9", *words)
    assert said.code == 2
    assert why in said.err


def test_a_harness_keeps_its_own_scores_and_we_add_what_was_seen(
    tmp_path: Path, home: Path, steelyard: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(home, "lm-eval", "lm-eval")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-seen")
    for name in ("ELSEWHERE_API_KEY", "HF_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(name, "sk-never-seen")
    with server(tmp_path / "engine", {}) as url:
        said = steelyard("eval", url, "--tasks", "lm-eval:fine", "--items", "3", "--out", "run")
        told = steelyard("eval", url, "--tasks", "lm-eval:chance", "--out", "no")
        failed = steelyard("eval", url, "--tasks", "lm-eval:broken", "--out", "broken")
        spent = steelyard(
            *("eval", url, "--tasks", "lm-eval:fine", "--items", "9", "--budget", "20tok"),
            *("--out", "spent"),
        )
        shared = steelyard("proxy", url, "--host", "0.0.0.0")
    assert said.code == 0, said.err
    assert "does not get to see ELSEWHERE_API_KEY, OPENAI_API_KEY" in said.err
    described = json.loads(Path("described").read_text())
    assert described["HOME"] == os.environ["HOME"]
    assert not described.keys() & {"OPENAI_API_KEY", "HF_TOKEN", "DATABASE_URL"}
    assert "sk-never-seen" not in described.values()
    seen = json.loads(Path("run/harness/keys").read_text())
    assert (seen["ELSEWHERE_API_KEY"], seen["OPENAI_API_KEY"]) == ("", "none")
    assert "lm-eval's own scores (lm-eval 0.0.1; up to 3 items a task)" in said.out
    assert "3 passed on, 3 answered" in said.out
    record = read_record(Path("run"))
    assert Path("run").stat().st_mode & 0o077 == 0  # it holds what was asked and answered
    assert record.harness is not None
    (score,) = record.harness.scores
    assert (score.task, score.metric) == ("fine", "exact_match")
    assert not record.sections[0].marks  # its scores are no marks of ours
    assert "fine" in steelyard("results", "show", record.id).out
    assert b"sk-never-seen" not in b"".join(
        path.read_bytes() for path in Path("run").rglob("*") if path.is_file()
    )
    assert told.code == 2
    assert "log-probabilities" in told.err
    assert not Path("no").exists()
    assert failed.code == 3
    assert "exit code 7" in failed.err
    assert "there was no moon" in failed.err
    assert read_record(Path("broken")).sections[0].attempts  # what it had asked is kept
    assert spent.code == 3
    assert "tokens are spent" in spent.out
    assert read_record(Path("spent")).outcome == "failed"
    assert shared.code == 2
    assert "could spend the key" in shared.err


@pytest.mark.full
def test_an_interrupt_ends_the_harness_and_keeps_the_recording(tmp_path: Path, home: Path) -> None:
    installed(home, "inspect", "inspect-ai")
    argv = [sys.executable, "-m", "steelyard.cli.main", "eval"]
    with server(tmp_path / "engine", {}) as url:
        words = [url, "--tasks", "inspect:slow", "--out", "run"]
        with subprocess.Popen([*argv, *words], stderr=-1, text=True) as child:
            until = time.monotonic() + 30
            beside = Path("run/harness/pid")
            while not beside.exists() and time.monotonic() < until:
                time.sleep(0.05)
            pid = int(beside.read_text())
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "kept in run/" in err
    assert not psutil.pid_exists(pid)
    record = read_record(Path("run"))
    assert record.outcome == "cancelled"
    assert len(record.sections[0].attempts) == 1
    assert Path("run/harness.log").exists()
