"""One tiny model for every test of this folder, and a look at what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.llamalib import tiny


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An F16 Llama of two layers with random weights."""
    return tiny.write(tmp_path_factory.mktemp("tiny") / "tiny-f16.gguf")
