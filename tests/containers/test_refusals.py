"""What can be wrong before a container runs: one clear message each, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.containers.setting import WHEEL, Setting

from steelyard.app.engines import containing
from steelyard.cli.main import run
from steelyard.domain.errors import BadInput, SteelyardError, TooLittleRoom
from steelyard.domain.progress import Noted


@pytest.fixture
def asked(
    docker: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run `steelyard bench WORDS` here, with the setting's tools on PATH: exit code and words."""
    for name, set_to in docker.env.items():
        monkeypatch.setenv(name, set_to)
    monkeypatch.chdir(docker.root)

    def call(*words: object) -> tuple[int, str]:
        code = run(["bench", *(str(word) for word in words), "--out", "out"])
        found = capsys.readouterr()
        assert "Traceback" not in found.err
        return code, " ".join((found.out + found.err).split())

    return call


def test_neither_tool_is_there(
    asked: Callable[..., tuple[int, str]], docker: Setting, tiny_model: Path
) -> None:
    (docker.root / "bin" / "docker").unlink()
    code, said = asked(f"{tiny_model}@llamacpp", "--runtime", "container")
    assert code == 2
    assert "neither docker nor podman is on PATH" in said
    code, said = asked(f"{tiny_model}@llamacpp", "--runtime", "podman")
    assert (code, "podman is not on PATH" in said) == (2, True)


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("daemon", 3, "docker: its daemon does not run"),
        ("permission", 3, "we may not speak to its daemon"),
        ("no-network", 3, "the registry cannot be reached"),
        ("denied", 2, "hands it out to nobody or only to those who are logged in"),
        ("full", 2, "its disk is full"),
        ("", 2, "there is no such image"),
    ],
)
def test_what_the_tool_answers_is_said_with_the_way_out(
    asked: Callable[..., tuple[int, str]],
    docker: Setting,
    tiny_model: Path,
    how: str,
    code: int,
    said: str,
) -> None:
    if how != "":
        docker.shelve_engine("llamacpp", shelf="registry.json")
    docker.fail(how)
    found, words = asked(f"{tiny_model}@llamacpp", "--runtime", "container")
    assert (found, said in words) == (code, True), words
    assert "→" in words  # a hint
    assert not (docker.root / "out").exists()
    docker.nothing_is_left()


@pytest.mark.parametrize(
    ("subject", "words", "said"),
    [
        ("{m}@llamacpp", ("--image", "a:b"), "--image is for an engine that is started in a cont"),
        ("{m}@llamacpp", ("--runtime", "docker", "--image", "-v:x"), "'-v:x' is no image"),
        ("{m}@vllm", ("--runtime", "docker"), "vllm loads safetensors; 'tiny.gguf' is gguf"),
        ("{m}@vllm", (), "add `--runtime container` to start its published image"),
        ("{m}@localai", ("--runtime", "docker"), "localai is not started here"),
        ("{m}@scripted", ("--runtime", "docker"), "no image of scripted is known here"),
        ("{m}@llamacpp", ("--runtime", "docker", "--device", "cuda"), "there is no cuda:0 here"),
        ("{m}@llamacpp", ("--runtime", "docker", "--sidecar"), "this one is in an image"),
        ("http://127.0.0.1:1", ("--runtime", "docker"), "--runtime is for an engine that is"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_fetched(
    asked: Callable[..., tuple[int, str]],
    docker: Setting,
    tiny_model: Path,
    subject: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    docker.shelve_engine("llamacpp")
    code, found = asked(subject.format(m=tiny_model), *words)
    assert (code, said in found) == (2, True), found
    assert not docker.calls("pull")
    assert not docker.calls("run")


def test_an_engine_without_an_image_for_the_processor_says_so(
    asked: Callable[..., tuple[int, str]], folder_model: Path
) -> None:
    code, said = asked(f"{folder_model}@sglang", "--runtime", "container")
    assert code == 2
    assert "the images of sglang compute on cuda, and there is none of these" in said


def test_a_daemon_on_another_machine_is_refused(
    asked: Callable[..., tuple[int, str]], docker: Setting, tiny_model: Path
) -> None:
    (docker.home / "context").write_text("ssh://user@big-machine")
    docker.shelve_engine("llamacpp")
    code, said = asked(f"{tiny_model}@llamacpp", "--runtime", "docker")
    assert (code, "the model's files are on this machine" in said) == (2, True), said


def test_an_image_that_cannot_fit_is_not_begun(
    docker: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, set_to in docker.env.items():
        monkeypatch.setenv(name, set_to)
    docker.shelve("big:v1", WHEEL, digest="sha256:" + "aa" * 32, shelf="registry.json")
    text = (docker.home / "registry.json").read_text().replace("30000000", str(1 << 60))
    (docker.home / "registry.json").write_text(text)
    with pytest.raises(TooLittleRoom, match="big:v1 needs more than"):
        containing.prepare("llamacpp", "cpu", "docker", "big:v1", lambda _: None)
    assert not docker.calls("pull")


@pytest.mark.full
def test_a_tool_that_has_no_gpu_to_give_ends_the_run_with_the_reason(
    asked: Callable[..., tuple[int, str]], docker: Setting, tiny_model: Path
) -> None:
    smi = docker.root / "bin" / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '0, NVIDIA H100, 81559, 9.0, 580.1'\n")
    smi.chmod(0o755)
    docker.calibrated()
    docker.shelve_engine("llamacpp", device="cuda")
    code, said = asked(f"{tiny_model}@llamacpp", "--runtime", "docker", "--requests", "2")
    assert code == 3
    assert "it cannot give a container the NVIDIA GPU" in said
    docker.nothing_is_left()


def test_the_list_and_the_doctor_say_which_tool_is_there(
    docker: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, set_to in docker.env.items():
        monkeypatch.setenv(name, set_to)
    assert containing.tools() == {
        "docker": "version 28.2.2",
        "podman": "not here: podman is not on PATH",
    }
    docker.fail("daemon")
    assert containing.tools()["docker"].startswith("not here: docker: its daemon does not run")


def test_a_fetch_says_how_much_it_will_be(docker: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, set_to in docker.env.items():
        monkeypatch.setenv(name, set_to)
    image = docker.shelve_engine("llamacpp", shelf="registry.json")
    told: list[object] = []
    found = containing.prepare("llamacpp", None, "container", None, told.append)
    notes = [event.text for event in told if isinstance(event, Noted)]
    assert notes[0].startswith(f"fetching {image.pinned}: 42.0 MB packed in 2 layers, more when")
    assert found.image == image.pinned
    assert not (docker.steelyard / "images.json").exists()  # the dialect's own file has the digest


def test_an_engine_is_named_that_has_no_image() -> None:
    with pytest.raises(BadInput, match="no image of mlx is known here"):
        containing.contained("mlx")
    assert set(containing.published()) == {"llamacpp", "ollama", "sglang", "tgi", "vllm"}
    assert issubclass(BadInput, SteelyardError)
