"""Engines from their images, measured from the command line; afterwards nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.containers.setting import WHEEL, Setting, eventually, kill

from steelyard.platform import containers


def value(reading: Any) -> Any:
    """Return what was measured, or fail with the reason."""
    assert "value" in reading, reading
    return reading["value"]


def last_run(docker: Setting) -> list[str]:
    """Return what was started last: where nobody lent a proof, one ran before."""
    *_, found = docker.calls("run")
    return found


def under_way(docker: Setting) -> bool:
    spool = docker.root / "out" / "spool.bin"
    return spool.exists() and spool.stat().st_size > 1000


def test_an_image_is_proved_before_it_is_timed_and_once(docker: Setting, tiny_model: Path) -> None:
    docker.shelve_engine("llamacpp")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "container", lent=False)
    assert done.returncode == 0, done.stderr
    proofs = {proof["name"]: proof for proof in docker.record()["proofs"]}
    assert proofs["arithmetic"]["passed"]
    assert "923 positions" in proofs["arithmetic"]["found"]
    first, second = docker.calls("run")
    assert any("steelyard/bundled/base.gguf" in word for word in first)
    assert any(str(tiny_model) in word for word in second)
    assert (
        docker.bench(f"{tiny_model}@llamacpp", "--runtime", "container", out="again").returncode
        == 0
    )
    assert len(docker.calls("run")) == 3
    docker.nothing_is_left()


@pytest.mark.full
def test_an_image_that_computes_something_else_is_not_timed(
    docker: Setting, tiny_model: Path
) -> None:
    image = docker.shelve_engine("llamacpp")
    other = str(files("steelyard.bundled") / "draft.gguf")
    swap = (
        "import os, sys; words = sys.argv[1:]; "
        f"words[words.index('--model') + 1] = {other!r}; "
        "os.execv(sys.executable, [sys.executable, '-m', 'steelyard.llamalib.server', *words])"
    )
    serve = [sys.executable, "-c", swap]
    docker.shelve(image.reference, serve, digest=str(image.digest))
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "container", lent=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert docker.record()["reason"].startswith("WRONG_LOGITS: 923 positions")
    docker.nothing_is_left()


def test_llamacpp_is_measured_from_its_image_with_one_port_and_no_rights(
    docker: Setting, tiny_model: Path
) -> None:
    image = docker.shelve_engine("llamacpp")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "container")
    assert done.returncode == 0, done.stderr
    record = docker.record()
    assert record["outcome"] == "completed"
    build = value(record["environment"]["engine_build"])
    assert build.startswith(f"{image.name}@{image.digest} ({image.reference}), by docker 28.2.2")
    assert {proof["name"] for proof in record["proofs"] if proof["passed"]} >= {
        *("model file", "served name", "parameters", "tensor bytes", "answering model")
    }
    assert value(value(record["vitals"])["peak_memory_bytes"]) > 1 << 20
    docker.nothing_is_left()
    words = last_run(docker)
    before = words[: words.index(f"{image.name}@{image.digest}")]
    assert [w for w in before if w.startswith("type=bind")] == [
        f"type=bind,source={tiny_model},target={tiny_model},readonly"
    ]
    (published,) = [before[at + 1] for at, word in enumerate(before) if word == "--publish"]
    host, outside, inside = published.split(":")
    assert (host, outside) == ("127.0.0.1", inside)
    assert {"--rm", "--init", "--pull=never", "--cap-drop=ALL"} <= set(before)
    assert "--security-opt=no-new-privileges" in before
    assert not any(word.startswith(("--privileged", "--network", "--gpus")) for word in before)


@pytest.mark.full
@pytest.mark.parametrize("engine", ["vllm", "sglang", "tgi"])
def test_a_folder_is_measured_from_the_image_of_another_engine(
    docker: Setting, folder_model: Path, engine: str
) -> None:
    device = "cpu" if engine == "vllm" else "cuda"
    docker.shelve_engine(engine, device=device)
    if device == "cuda":
        (docker.home / "toolkit").touch()
        smi = docker.root / "bin" / "nvidia-smi"
        smi.write_text("#!/bin/sh\necho '0, NVIDIA H100, 81559, 9.0, 580.1'\n")
        smi.chmod(0o755)
    done = docker.bench(f"{folder_model}@{engine}", "--runtime", "container")
    assert done.returncode == 0, done.stdout + done.stderr
    record = docker.record()
    codes = {caution["code"] for caution in record["cautions"]}
    assert "MISSING_EXPERIMENTAL_CONTROLS" not in codes
    (threads,) = [c for c in record["controls"] if c["name"] == "threads"]
    told = "not told how many threads" in threads["applied"]["detail"]
    assert told == (engine != "vllm")
    assert ("--gpus" in last_run(docker)) == (device == "cuda")
    (section,) = record["sections"]
    assert len(section["attempts"]) == 4
    docker.nothing_is_left()


def test_ollama_makes_its_model_of_the_mounted_file(docker: Setting, tiny_model: Path) -> None:
    docker.shelve_engine("ollama")
    done = docker.bench(f"{tiny_model}@ollama", "--runtime", "container")
    assert done.returncode == 0, done.stdout + done.stderr
    record = docker.record()
    assert {a["model"] for s in record["sections"] for a in s["attempts"]} == {"tiny:latest"}
    docker.nothing_is_left()


@pytest.mark.full
def test_podman_does_as_well(tmp_path: Path, tiny_model: Path) -> None:
    podman = Setting(tmp_path).installs("podman")
    podman.shelve_engine("llamacpp")
    done = podman.bench(f"{tiny_model}@llamacpp", "--runtime", "container")
    assert done.returncode == 0, done.stderr
    assert "by podman 4.3.1" in value(podman.record()["environment"]["engine_build"])
    podman.nothing_is_left()


# ── endings ─────────────────────────────────────────────────────────────────────────────────────


def long_bench(docker: Setting, model: Path) -> Any:
    docker.calibrated()
    docker.shelve_engine("llamacpp")
    words = ("--duration", "60s", "--prompts", "synthetic:in=32,out=8", "--out", "out")
    child = docker.begin("bench", f"{model}@llamacpp", "--runtime", "docker", *words)
    assert eventually(lambda: under_way(docker), 60), child.poll()
    return child


def test_an_interrupt_leaves_nothing(docker: Setting, tiny_model: Path) -> None:
    child = long_bench(docker, tiny_model)
    assert kill(child, signal.SIGINT) == 130
    assert not docker.states()  # gone before the command was
    # More than one where another process took the port: it is started again on a new one then.
    exits = [json.loads(path.read_text())["exit"] for path in docker.home.glob("ended-*.json")]
    assert exits
    assert 137 not in exits  # asked, not killed
    docker.nothing_is_left()


@pytest.mark.full
def test_even_a_kill_leaves_nothing(docker: Setting, tiny_model: Path) -> None:
    child = long_bench(docker, tiny_model)
    assert len(docker.states()) == 1
    kill(child, signal.SIGKILL)
    docker.nothing_is_left()


@pytest.mark.full
def test_a_container_that_dies_is_started_again(docker: Setting, tiny_model: Path) -> None:
    (docker.home / "tidies-up-slowly").touch()
    docker.shelve_engine("llamacpp")
    docker.calibrated()
    words = ("--requests", "600", "--prompts", "synthetic:in=32,out=8", "--out", "out")
    child = docker.begin("bench", f"{tiny_model}@llamacpp", "--runtime", "docker", *words)
    assert eventually(lambda: under_way(docker), 60), child.poll()
    (state,) = docker.states()
    os.kill(state["pid"], signal.SIGKILL)
    assert child.wait(90) == 0, (docker.root / "said").read_text()
    record = docker.record()
    assert len(record["deaths"]) == 1
    (section,) = record["sections"]
    assert len(section["attempts"]) == 600
    assert len(docker.calls("run")) == 2
    docker.nothing_is_left()


def test_what_an_ended_steelyard_left_is_removed_at_the_next_start(
    docker: Setting, tiny_model: Path
) -> None:
    parts = containers.owner().split(":")
    owners = {
        "dead": ":".join([*parts[:3], "4194304", "17"]),
        "before the last boot": ":".join([parts[0], "another-boot", *parts[2:]]),
        "another machine": ":".join(["elsewhere", *parts[1:]]),
        "alive": ":".join(parts),
    }
    for number, (name, owner) in enumerate(owners.items()):
        folder = docker.home / "containers" / str(number)
        folder.mkdir(parents=True)
        told = {"id": str(number), "name": name, "labels": {containers.OWNER: owner}, "pid": 0}
        (folder / "state.json").write_text(json.dumps(told))
    docker.shelve_engine("llamacpp")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "docker")
    assert done.returncode == 0, done.stderr
    assert "removed 2 containers that an ended Steelyard had left" in done.stderr
    assert sorted(state["name"] for state in docker.states()) == ["alive", "another machine"]


# ── the image ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.full
def test_a_tag_is_pinned_when_it_is_first_fetched_and_stays_so(
    docker: Setting, folder_model: Path
) -> None:
    image = docker.shelve_engine("vllm", shelf="registry.json")
    first = docker.bench(f"{folder_model}@vllm", "--runtime", "container")
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"fetching {image.reference}: 42.0 MB packed in 2 layers" in first.stderr
    assert f"{image.reference} is pinned to sha256:abab" in first.stderr
    pins = json.loads((docker.steelyard / "images.json").read_text())
    assert pins[image.reference]["digest"] == "sha256:" + "ab" * 32
    serve = json.loads((docker.home / "images.json").read_text())[image.reference]["serve"]
    docker.shelve(image.reference, serve, digest="sha256:" + "cd" * 32)  # the tag has moved
    second = docker.bench(f"{folder_model}@vllm", "--runtime", "container", out="again")
    assert second.returncode == 0, second.stderr
    build = value(docker.record("again")["environment"]["engine_build"])
    assert "@sha256:abab" in build  # what it was pinned to is fetched again
    assert docker.calls("pull")[-1] == ["pull", f"{image.name}@sha256:{'ab' * 32}"]


@pytest.mark.full
def test_an_image_of_ones_own_is_taken_as_it_is_now(docker: Setting, tiny_model: Path) -> None:
    docker.shelve("my/llama:dev", WHEEL, digest="")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "docker", "--image", "my/llama:dev")
    assert done.returncode == 0, done.stderr
    build = value(docker.record()["environment"]["engine_build"])
    assert build.startswith("sha256:1d1d")
    assert "(my/llama:dev)" in build
    assert not docker.calls("pull")


@pytest.mark.full
def test_a_profile_names_an_image(docker: Setting, tiny_model: Path) -> None:
    docker.shelve("my/llama:dev", WHEEL, digest="sha256:" + "ee" * 32)
    folder = docker.steelyard / "engine-profiles"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("engine: llamacpp\nimage: my/llama:dev\nslots: 1\n")
    done = docker.bench(f"{tiny_model}@llamacpp/mine", "--runtime", "docker")
    assert done.returncode == 0, done.stderr
    build = value(docker.record()["environment"]["engine_build"])
    assert build.startswith("my/llama@sha256:eeee")
    refused = docker.bench(f"{tiny_model}@llamacpp/mine", out="other")
    assert refused.returncode == 2
    assert "an image is for an engine that is started in a container" in refused.stderr


# ── what this machine shows ─────────────────────────────────────────────────────────────────────


@pytest.mark.full
def test_processes_in_a_virtual_machine_are_not_taken_for_ours(
    docker: Setting, tiny_model: Path
) -> None:
    (docker.home / "in-a-vm").touch()
    docker.shelve_engine("llamacpp")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "docker")
    assert done.returncode == 0, done.stderr
    vitals = docker.record()["vitals"]
    assert vitals["code"] == "elsewhere"
    assert "where we see no processes" in vitals["detail"]
    docker.nothing_is_left()


@pytest.mark.full
def test_a_port_that_is_taken_meanwhile_is_left_for_another(
    docker: Setting, tiny_model: Path
) -> None:
    (docker.home / "port-taken-once").touch()
    docker.shelve_engine("llamacpp")
    done = docker.bench(f"{tiny_model}@llamacpp", "--runtime", "docker")
    assert done.returncode == 0, done.stderr
    assert len(docker.calls("run")) == 2
    docker.nothing_is_left()


@pytest.mark.full
def test_a_spec_pins_the_container_to_its_cores(docker: Setting) -> None:
    docker.calibrated()
    docker.shelve_engine("llamacpp")
    spec = json.loads(docker.run("run", "--example").stdout)
    spec["subject"]["runtime"] = "container"
    spec["controls"]["affinity"] = [0]
    spec["tasks"], spec["workloads"] = [], spec["workloads"][:1]
    (docker.root / "spec.json").write_text(json.dumps(spec))
    done = docker.run("run", "spec.json", "--out", "out", timeout_s=200)
    assert done.returncode == 0, done.stderr
    words = last_run(docker)
    assert words[words.index("--cpuset-cpus") + 1] == "0"
    (cores,) = [c for c in docker.record()["controls"] if c["name"] == "affinity"]
    assert (cores["asked"], value(cores["applied"])) == ("0", "0")


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_only_its_owner_reads_is_read_as_its_owner(
    docker: Setting, tiny_model: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(tiny_model.read_bytes())
    own.chmod(stat.S_IRUSR)
    os.chown(own, 1234, 2345)
    docker.shelve_engine("llamacpp")
    docker.bench(f"{own}@llamacpp", "--runtime", "docker")
    words = last_run(docker)
    assert words[words.index("--user") + 1] == "1234:2345"
