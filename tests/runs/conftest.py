"""A tiny model, its quants, and the scripted engine on a bench, for every test of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.models import ladder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An F16 Llama of two layers with random weights."""
    return tiny.write(tmp_path_factory.mktemp("tiny") / "tiny-F16.gguf", tiny.Shape(context=4096))


@pytest.fixture(scope="session")
def tiny_q2(tiny_model: Path) -> Path:
    """The same model with most of its bits gone."""
    return ladder.quantise(tiny_model, "Q2_K", tiny_model.with_name("tiny-Q2_K.gguf"))
