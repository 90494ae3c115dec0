"""What a dialect says that it takes of an engine profile is what its launch passes on, no more."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.engines import api
from steelyard.engines.devices import from_llama, llama_flags

# Several GPUs: how a model is split over one says nothing.
USUAL = EngineProfile(flash_attention=True, gpus=2)
# For each field a value that is not the one above.
OTHERS: dict[str, Any] = {
    "context_tokens": 8192,
    "slots": 3,
    "threads": 5,
    "batch_tokens": 1024,
    "micro_batch_tokens": 256,
    "gpu_layers": 7,
    "kv_type": "q8_0",
    "flash_attention": False,
    "extra_args": ("--poll", "10"),
    "kv_type_v": "q4_0",
    "draft_sha256": "cd" * 32,
    "gpus": 3,
    "split_mode": "layer",
}
STARTED = ("llamacpp", "mlx", "scripted", "transformers")
CONTAINED = ("ollama", "sglang", "tgi", "vllm")
# A switch for the processor alone, which --device turns.
SWITCHED = {("transformers", "gpu_layers"), ("vllm", "gpu_layers")}


def plan(engine: str, folder: Path, profile: EngineProfile) -> tuple[Any, ...]:
    (folder / "config.json").write_text(json.dumps({"eos_token_id": 2}))
    dialect = api.dialect(engine)
    able = dialect.capabilities
    runtime = "wheel" if able.formats else "container"
    artifact = Artifact("m", min(able.formats or able.image_formats), "ab" * 32)
    subject = Subject(artifact, engine, runtime, profile)
    paths = {"ab" * 32: folder, "cd" * 32: folder / "draft.gguf"}
    launched = dialect.launch(subject, Controls(), Place(("program",), paths, folder))
    return launched.argv, tuple(sorted(launched.env.items())), launched.first


@pytest.mark.parametrize("engine", [*STARTED, *CONTAINED])
@pytest.mark.parametrize("key", [field.name for field in fields(EngineProfile)])
def test_a_key_changes_the_launch_exactly_where_the_dialect_says_so(
    engine: str, key: str, tmp_path: Path
) -> None:
    usual = replace(USUAL, threads=2) if engine in CONTAINED else USUAL
    changed = replace(usual, **{key: OTHERS[key]})
    passed_on = plan(engine, tmp_path, changed) != plan(engine, tmp_path, usual)
    said = key in api.dialect(engine).capabilities.profile_keys
    assert passed_on is said or (engine, key) in SWITCHED


@pytest.mark.parametrize(
    ("device", "flags"),
    [
        (None, ["--n-gpu-layers", "20"]),
        ("cpu", ["--device", "none", "--n-gpu-layers", "0"]),
        ("cuda:1", ["--device", "CUDA1", "--n-gpu-layers", "20"]),
        ("rocm:0", ["--device", "ROCm0", "--n-gpu-layers", "20"]),
        ("vulkan:2", ["--device", "Vulkan2", "--n-gpu-layers", "20"]),
        ("metal:0", ["--n-gpu-layers", "20"]),
    ],
)
def test_a_device_is_said_in_llamacpps_words(device: str | None, flags: list[str]) -> None:
    assert list(llama_flags(device, 20)) == flags


def test_several_gpus_are_those_from_the_named_one_on_in_equal_shares() -> None:
    shares = ["--split-mode", "tensor", "--tensor-split", "1,1,1"]
    found = list(llama_flags("cuda:1", 20, 3, "tensor"))
    assert found == ["--device", "CUDA1,CUDA2,CUDA3", "--n-gpu-layers", "20", *shares]
    assert list(llama_flags(None, 20, 3, "tensor")) == ["--n-gpu-layers", "20", *shares]
    assert list(llama_flags("cpu", 20, 3, "tensor")) == ["--device", "none", "--n-gpu-layers", "0"]


def test_llamacpp_splits_tensors_with_flash_attention_only(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSubject, match="only with flash attention"):
        plan("llamacpp", tmp_path, EngineProfile(gpus=2, split_mode="tensor"))
    plan("llamacpp", tmp_path, EngineProfile(split_mode="tensor"))  # on one GPU nothing is split


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("CUDA0", "cuda:0"),
        ("ROCm1", "rocm:1"),
        ("MTL0", "metal:0"),
        ("Metal", "metal:0"),
        ("CPU", "cpu"),
    ],
)
def test_llamacpps_names_are_read_back(name: str, device: str) -> None:
    assert from_llama(name) == device
