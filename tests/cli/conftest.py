"""A door to knock at: the command line in this process, with a home of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli import wrong
from tests.llamalib import tiny

from steelyard.cli.main import run


@dataclass(frozen=True)
class Said:
    """What one command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, with user data and models nowhere else; put SIGTERM back."""
    folder = tmp_path / "home"
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("STEELYARD_HOME", str(folder / "steelyard"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    handler = signal.getsignal(signal.SIGTERM)
    yield folder / "steelyard"
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def steelyard(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run `steelyard WORDS` in this process."""

    def call(*words: str | Path) -> Said:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An F16 Llama of two layers with random weights and room for every task."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    return tiny.write(path, tiny.Shape(context=4096))


@dataclass(frozen=True)
class Room:
    """Where a case makes its files; `out` is the folder that must stay empty."""

    folder: Path
    good: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def at(self, name: str) -> Path:
        return self.folder / name

    def file(self) -> Path:
        """A file where a folder is wanted."""
        return wrong.letter(self.at("a-file"))


@pytest.fixture
def room(tmp_path: Path, tiny_model: Path) -> Room:
    folder = tmp_path / "work" / "room"
    folder.mkdir()
    return Room(folder, tiny_model)
