"""A hub of its own, an empty cache and an empty home for every test of this folder."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import door
from tests.hub.fake_hub import Hub, Repo, serving

REPO = "org/tiny-GGUF"
Q4, Q8 = "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"
TOKEN = "hf_right"


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve one repository with three quants, one gated, one private, and an Ollama model."""
    state = Hub(tokens={TOKEN, "hf_other"})
    state.repos[REPO] = Repo(
        {
            "README.md": b"# tiny",
            Q4: noise(300_000, 1),
            Q8: noise(500_000, 2),
            "BF16/tiny-BF16-00001-of-00002.gguf": noise(200_000, 3),
            "BF16/tiny-BF16-00002-of-00002.gguf": noise(100_000, 4),
            "mmproj-F16.gguf": noise(9_000, 5),
        }
    )
    state.repos["org/gated"] = Repo({Q4: noise(50_000, 6)}, gated="manual", members={TOKEN})
    state.repos["org/private"] = Repo({Q4: noise(50_000, 7)}, private=True, members={TOKEN})
    layers = {"model": noise(400_000, 8), "template": b"{{ .Prompt }}", "license": b"MIT"}
    state.add_model("library/tiny:latest", layers, {"file_type": "Q4_K_M"})
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving(state):
        monkeypatch.setenv("HF_ENDPOINT", state.origin)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
        monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
        yield state


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


COMMAND = (sys.executable, "-m", "steelyard.cli.main")


@pytest.fixture
def steelyard(hub: Hub) -> Callable[..., Said]:
    """Call the command in this process, with the hub's address in its environment."""
    del hub

    def call(*words: str | Path, **env: str) -> Said:
        ran = door.steelyard(Path.cwd(), *words, env={**os.environ, **env})
        return Said(ran.returncode, ran.stdout, ran.stderr)

    return call
