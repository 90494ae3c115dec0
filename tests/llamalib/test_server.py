"""The wheel's server behind llama-server's arguments: a real process on a real socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import ports
from tests.llamalib import tiny

from steelyard.llamalib import server

MODULE = "steelyard.llamalib.server"
LAUNCH_FROM_THREAD = """
import subprocess, sys, threading, time
def launch():
    child = subprocess.Popen([sys.executable, "-m", "steelyard.llamalib.server", *sys.argv[1:]])
    print(child.pid, flush=True)
    time.sleep(1.0)
worker = threading.Thread(target=launch)
worker.start()
worker.join()
print("joined", flush=True)
time.sleep(60)
"""


def ask(port: int, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text = answer.read().decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


def wait_ready(port: int, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if ask(port, "/health")["status"] == "ok":
                return
        time.sleep(0.02)
    raise AssertionError("the server never became ready")


@contextlib.contextmanager
def serving(model: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = ports.free()
    argv = [sys.executable, "-m", MODULE, "--model", str(model), "--port", str(port), *flags]
    child = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        wait_ready(port)
        yield child, port
    finally:
        child.kill()
        child.wait()


FULL = (
    *("--host", "127.0.0.1", "--metrics", "--threads", "1", "--threads-batch", "1"),
    *("--parallel", "2", "--no-kv-unified", "--ctx-size", "1024", "--n-gpu-layers", "0"),
    *("--fit", "off", "--batch-size", "256", "--ubatch-size", "128", "--seed", "7"),
    *("--cache-type-k", "q8_0", "--cache-type-v", "q8_0", "--flash-attn", "on"),
    *("--cpu-mask", "1", "--no-context-shift", "--cache-ram", "0", "--slots", "--no-warmup"),
)


def test_the_flags_of_the_dialect_reach_the_server(tiny_model: Path) -> None:
    with serving(tiny_model, *FULL) as (child, port):
        props = ask(port, "/props")
        assert props["total_slots"] == 2
        assert props["default_generation_settings"]["n_ctx"] == 512
        assert props["default_generation_settings"]["params"]["seed"] == 7
        assert props["model_path"] == str(tiny_model)
        assert "prompt_tokens_total" in ask(port, "/metrics")
        assert os.sched_getaffinity(child.pid) == {0}
        answer = ask(port, "/completion", {"prompt": "ab", "n_predict": 2, "temperature": 0})
        assert answer["timings"]["predicted_n"] == 2


def test_a_draft_model_is_really_used(tiny_model: Path) -> None:
    flags = ("--threads", "1", "--ctx-size", "512", "--model-draft", str(tiny_model))
    with serving(tiny_model, *flags) as (_, port):
        answer = ask(port, "/completion", {"prompt": "ab", "n_predict": 16, "temperature": 0})
        assert answer["timings"]["draft_n_accepted"] > 0


def test_a_projector_is_really_read(tiny_model: Path, tmp_path: Path) -> None:
    none = tmp_path / "projector.gguf"
    none.write_bytes(b"no projector at all")
    flags = ["--model", str(tiny_model), "--port", str(ports.free()), "--threads", "1"]
    flags += ["--ctx-size", "256", "--mmproj", str(none)]
    argv = [sys.executable, "-m", MODULE, *flags]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "failed to load multimodal model" in done.stderr


@pytest.mark.parametrize("aside", [0, 1])
def test_experts_of_the_first_layers_are_kept_on_the_processor(tmp_path: Path, aside: int) -> None:
    model = tiny.write(tmp_path / "mixture.gguf", tiny.Shape(experts=4))
    flags = ["--model", str(model), "--port", str(ports.free()), "--threads", "1"]
    flags += ["--ctx-size", "256", "--n-cpu-moe", str(aside)]
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *flags], stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        said = ""
        for line in child.stderr:
            said += line
            if "steelyard: serving" in line:
                break
        child.kill()
    assert "steelyard: serving" in said
    assert ("tensor overrides to CPU are used" in said) is bool(aside)


def test_the_pattern_names_the_first_layers_and_no_other() -> None:
    pattern = server.experts_aside(12).removesuffix("=CPU")
    assert re.search(pattern, "blk.11.ffn_down_exps.weight")
    assert not re.search(pattern, "blk.12.ffn_down_exps.weight")
    assert not re.search(pattern, "blk.1.ffn_down.weight")
    assert not re.search(pattern, "blk.1.ffn_gate_inp.weight")


def test_a_polite_stop_ends_with_zero_and_frees_the_port(tiny_model: Path) -> None:
    port = ports.free()
    flags = ["--model", str(tiny_model), "--port", str(port), "--threads", "1", "--ctx-size", "256"]
    argv = [sys.executable, "-m", MODULE, *flags]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert any("steelyard: serving" in line for line in child.stderr)
        assert ask(port, "/health")["status"] == "ok"
        child.send_signal(signal.SIGTERM)
        child.stderr.read()
        assert child.wait(timeout=10) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_killed_parent_takes_the_server_along_but_a_finished_thread_does_not(
    tiny_model: Path,
) -> None:
    port = ports.free()
    flags = ["--model", str(tiny_model), "--port", str(port), "--threads", "1", "--ctx-size", "256"]
    parent = subprocess.Popen(
        [sys.executable, "-c", LAUNCH_FROM_THREAD, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_ready(port)
    assert parent.stdout.readline() == "joined\n"
    time.sleep(0.2)
    assert ask(port, "/health")["status"] == "ok"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 5
    while time.monotonic() < end and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_file_that_is_no_model_ends_with_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    argv = [sys.executable, "-m", MODULE, "--model", str(broken), "--port", str(ports.free())]
    ended = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert b"server did not start" in ended.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ["--mirostat-lr", "1"],
        ["--parallel", "0"],
        ["--cache-type-k", "q9"],
        ["--cpu-mask", "0"],
        ["--port", "70000"],
        ["--flash-attn", "maybe"],
    ],
)
def test_a_flag_that_would_not_be_honoured_is_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        server.main(["--model", "x.gguf", *flags])
    assert refused.value.code == 2
    assert "error" in capsys.readouterr().err
