"""Models for the stores of every test of this folder, and a home without any."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.llamalib import tiny
from tests.models import forged
from tests.stores.shelves import Goods

from steelyard.cli.main import run
from steelyard.models import gguf, hf_folder, writer


def split(source: Path, folder: Path) -> tuple[Path, Path]:
    """Write a model as two files, so that llama.cpp loads them: its counts have 16 bits."""
    header, raw = gguf.read(source), source.read_bytes()
    half = len(header.tensors) // 2
    counted = forged.key("split.tensors.count", 5, struct.pack("<i", len(header.tensors)))
    paths = (folder / "two-00001-of-00002.gguf", folder / "two-00002-of-00002.gguf")
    for number, tensors in enumerate((header.tensors[:half], header.tensors[half:])):
        entries = [entry.raw for entry in header.entries.values()] if number == 0 else []
        for key, value in (("split.count", 2), ("split.no", number)):
            entries.append(forged.key(key, 2, struct.pack("<H", value)))
        rows = [writer.Row(one.name, one.shape, one.type) for one in tensors]
        with paths[number].open("wb") as out:
            out.write(writer.header([*entries, counted], rows, 32))
            for one in tensors:
                writer.write_weights(out, [raw[one.start : one.start + one.size_bytes]], 32)
    return paths


@pytest.fixture(scope="session")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Goods:
    """One GGUF file, one in two shards, and one folder of safetensors."""
    at = tmp_path_factory.mktemp("goods")
    file = tiny.write(at / "one.gguf", tiny.Shape(layers=1, context=4096))
    shards = split(tiny.write(at / "source.gguf", tiny.Shape(context=4096)), at)
    hf_folder.write(file, at / "soft", "safetensors")
    return Goods(file, shards, at / "soft")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where no model lies in any usual place."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("STEELYARD_HOME", str(folder / "steelyard"))
    return folder


@pytest.fixture
def steelyard(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run `steelyard WORDS` in this process."""

    def call(*words: str | Path) -> Said:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call
