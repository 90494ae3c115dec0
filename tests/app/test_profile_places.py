"""What is written of a profile that was found is the profile, whatever one it began with said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steelyard.app.profiles import files, places
from steelyard.domain.subject import EngineProfile


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"kv_type": "q8_0", "kv_type_v": "q4_0", "flash_attention": True},
        {"gpu_layers": 0, "extra_args": ("--no-mmap",), "threads": 2},
    ],
)
@pytest.mark.parametrize(
    "profile",
    [
        EngineProfile(context_tokens=8192),
        EngineProfile(context_tokens=4096, kv_type="q8_0", kv_type_v="q4_0", flash_attention=True),
        EngineProfile(context_tokens=512, extra_args=("--no-mmap",), threads=3),
    ],
)
def test_a_profile_comes_back_whole_from_its_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: EngineProfile,
    before: dict[str, Any],
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    settings = places.settings_of(profile, before)
    out = tmp_path / "mine" / "found.yaml"
    runs = tmp_path / "runs"
    runs.mkdir()
    places.write(out, runs, "llamacpp", "wheel", settings, ("a comment",))
    assert files.read(out).over(EngineProfile()) == profile
