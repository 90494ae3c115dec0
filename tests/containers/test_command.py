"""The words of a container's command: files, users, devices, and who is still there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput
from steelyard.domain.run import Place
from steelyard.domain.subject import Artifact, Subject
from steelyard.engines import contained, digests, images
from steelyard.engines.contained import Mount
from steelyard.engines.images import ARM, X86, Image
from steelyard.platform import containers

IMAGE = Image("docker.io/some/engine", "v1", "cpu", frozenset({X86, ARM}))
SHA = "ab" * 32


def mounted(path: Path, image: Image = IMAGE, name: str = "m") -> list[Mount]:
    subject = Subject(Artifact(name, "gguf", SHA))
    return list(contained.mounts_of(image, subject, Place((), {SHA: path}, Path("/run"))))


def test_a_store_of_links_is_mounted_file_by_file(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "r1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "1a").write_text("{}")
    (snapshot / "config.json").symlink_to(blobs / "1a")
    assert mounted(snapshot) == [Mount(blobs / "1a", f"{snapshot}/config.json")]


def test_every_part_of_a_model_is_mounted(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-{n:05d}-of-00003.gguf" for n in (1, 2, 3)]
    for part in (*parts, tmp_path / "other.gguf"):
        part.write_text("")
    assert [mount.outside for mount in mounted(parts[0])] == parts


def test_a_model_lies_where_its_image_looks_for_it(tmp_path: Path) -> None:
    blob = Image("o", "v1", "cpu", path="/blobs/sha256-{sha256}")
    named = Image("o", "v1", "cpu", path="/models/{name}")
    assert mounted(tmp_path, blob)[0].inside == f"/blobs/sha256-{SHA}"
    assert mounted(tmp_path, named, "org/name")[0].inside == "/models/org--name"


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb"])
def test_a_path_that_no_list_can_hold_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be mounted"):
        _ = Mount(Path("/m") / name, "/m").option


def test_each_vendor_has_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "dev" / "dri").mkdir(parents=True)
    (tmp_path / "dev" / "kfd").touch()
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    group = str((tmp_path / "dev" / "kfd").stat().st_gid)
    assert contained.gpu_flags("docker", "cpu") == ()
    assert contained.gpu_flags("docker", "cuda") == ("--gpus", "all")
    assert contained.gpu_flags("podman", "cuda") == ("--device", "nvidia.com/gpu=all")
    dri, kfd = ("--device", "/dev/dri"), ("--device", "/dev/kfd")
    assert contained.gpu_flags("docker", "rocm", tmp_path) == (*dri, *kfd, "--group-add", group)
    assert contained.gpu_flags("podman", "vulkan", tmp_path) == (*dri, "--group-add", group)


@pytest.mark.parametrize(
    ("reference", "known", "found"),
    [
        ("docker.io/vllm/vllm-openai:v1", ["vllm/vllm-openai@sha256:" + "a" * 64], "a"),
        ("docker.io/ollama/ollama:1", ["docker.io/ollama/ollama@sha256:" + "b" * 64], "b"),
        ("localhost:5000/x:1", ["localhost:5000/x@sha256:" + "c" * 64], "c"),
        ("mine:dev", [], ""),
        ("mine:dev", ["another@sha256:" + "d" * 64], ""),
    ],
)
def test_a_digest_is_that_of_the_same_name(reference: str, known: list[str], found: str) -> None:
    assert images.digest_of(reference, known) == (f"sha256:{found * 64}" if found else "")


def test_a_pin_is_kept_and_a_broken_file_is_named(tmp_path: Path) -> None:
    assert digests.recorded("a:1", tmp_path) == ""
    digests.record("a:1", "sha256:1", "docker 28", tmp_path)
    digests.record("b:1", "sha256:2", "docker 28", tmp_path)
    assert digests.recorded("a:1", tmp_path) == "sha256:1"
    digests.path_of(tmp_path).write_text("{")
    with pytest.raises(BadInput, match=r"images\.json.*cannot be read"):
        digests.recorded("a:1", tmp_path)


def test_who_has_started_a_container_is_known_while_it_lives() -> None:
    code = "from steelyard.platform import containers; print(containers.owner())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert containers.is_left_over(said.stdout.strip())
    assert not containers.is_left_over(containers.owner())
    parts = containers.owner().split(":")
    assert not containers.is_left_over(":".join([*parts[:2], "4026531999", *parts[3:]]))
    assert not containers.is_left_over("something else")
    assert parts[3] == str(os.getpid())
