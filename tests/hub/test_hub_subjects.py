"""`hf:ORG/NAME:QUANT` wherever a model is named: fetched once, then as good as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hub.conftest import Said
from tests.hub.fake_hub import Hub, Repo
from tests.llamalib import tiny

from steelyard.app import subjects
from steelyard.models import ladder

REPO = "org/real-GGUF"
SUBJECT = f"hf:{REPO}:F16,Q8_0"


@pytest.fixture
def real(hub: Hub, tmp_path: Path) -> Hub:
    """A hub with two quants of a model that an engine can load."""
    folder = tmp_path / "made"
    folder.mkdir()
    source = tiny.write(folder / "real-F16.gguf", tiny.Shape(context=4096))
    ladder.quantise(source, "Q8_0", folder / "real-Q8_0.gguf")
    hub.repos[REPO] = Repo({path.name: path.read_bytes() for path in folder.glob("*.gguf")})
    return hub


def test_what_was_fetched_is_a_ladder_of_its_own(real: Hub, steelyard: Callable[..., Said]) -> None:
    assert steelyard("models", "pull", f"{REPO}:F16,Q8_0").code == 0
    assert steelyard("sweep", SUBJECT, "--dry-run", HF_HUB_OFFLINE="1").code == 0
    shown = json.loads(steelyard("models", "show", SUBJECT, "--json").out)
    assert [row["variant"]["label"] for row in shown] == ["F16", "Q8_0"]
    chosen = subjects.choose(f"{SUBJECT}@llamacpp")
    assert (chosen.model, chosen.ladder, len(chosen.files)) == ("real-GGUF", True, 2)
    # The link, not what it leads to: there no name says which quant or shard it is.
    assert {path.name for path, _ in chosen.files} == {"real-F16.gguf", "real-Q8_0.gguf"}
    assert len(real.sent) == 2
