"""One tiny model, one folder of another format, and settings that are calibrated once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers import setting as settings
from tests.containers.setting import ROOT, Setting
from tests.llamalib import tiny

from steelyard.app import exporting_models  # noqa: F401 - named so that a missing one is seen at once


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An F16 Llama of two layers with random weights and room for every prompt."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    return tiny.write(path, tiny.Shape(context=4096))


@pytest.fixture(scope="session")
def folder_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a folder of safetensors."""
    path = tmp_path_factory.mktemp("folder") / "base"
    words = ["models", "export", "bundled", "--format", "safetensors", "--out", str(path)]
    subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", *words],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "STEELYARD_HOME": str(path.parent / "home")},
    )
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Setting:
    """No tool at all."""
    return Setting(tmp_path).installs()


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Setting]:
    """A docker that works and has no image yet."""
    made = Setting(tmp_path).installs("docker")
    yield made
    for state in made.states():  # of a test that failed: its servers are to fail no other
        if state["pid"]:
            os.killpg(state["pid"], signal.SIGKILL)
    known = made.steelyard / "instrument.json"
    if known.exists() and "path" not in settings.KNOWN:
        settings.KNOWN["path"] = known
