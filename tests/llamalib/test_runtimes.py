"""The two ways to llama.cpp: which build they say they are, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.reading import Measured, Missing
from steelyard.llamalib import library, runtimes


def test_the_wheel_says_version_and_hash() -> None:
    runtime = runtimes.find("wheel")
    build = runtime.describe()
    assert build.sha256 == Measured(library.sha256(), source="client")
    assert str(build).startswith("wheel: xllamacpp 20")
    assert "llama.cpp" in str(build)
    assert "CPU" in build.facts["llama_print_system_info"]
    assert runtime.server() == (sys.executable, "-m", "steelyard.llamalib.server")


def test_an_unknown_runtime_suggests_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="nativ") as refused:
        runtimes.find("nativ")
    assert "'native'" in refused.value.hint


def test_native_programs_are_found_on_path_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="llama-server on PATH"):
        runtimes.native().server()
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho 'version: 5678 (abcdef)' >&2\n")
    program.chmod(0o755)
    assert runtimes.native().server() == (str(program),)
    build = runtimes.native().describe()
    assert build.version == Measured("llama.cpp 5678 (abcdef)", source="engine")
    program.write_text("#!/bin/sh\necho hello\n")
    assert isinstance(runtimes.native().describe().version, Missing)
