"""Find the model files of this machine: in folders, and in the Hugging Face cache.

Only headers are read, so a scan is fast; a file that cannot be used is listed with the reason and
stops nothing. Later shards, importance matrices and other GGUF files that are no language models
are passed over in silence. Not aware of engines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import SteelyardError, UnreadableModel
from steelyard.domain.subject import ArtifactFacts
from steelyard.models import artifacts, shards

_DEPTH: Final = 8
_FILES: Final = 5_000
_NOT_MODELS: Final = frozenset({"imatrix", "adapter", "mmproj", "vocab"})
_PASSED_OVER: Final = frozenset({"node_modules", "__pycache__", "proc", "sys", "dev"})


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The models, sorted by path, and the files that cannot be used with the reason."""

    models: tuple[tuple[Path, ArtifactFacts], ...]
    broken: tuple[tuple[Path, str], ...]


def scan(folders: Sequence[Path]) -> Found:
    """Read the header of every GGUF file below some folders; each file counts once."""
    models: list[tuple[Path, ArtifactFacts]] = []
    broken: list[tuple[Path, str]] = []
    seen: set[Path] = set()
    for path in _files(folders):
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        try:
            model = shards.read_model(path)
            if model.head.text("general.type") in _NOT_MODELS:
                continue
            models.append((path, artifacts.facts_of(model)))
        except SteelyardError as error:
            broken.append((path, str(error)))
    return Found(tuple(sorted(models, key=lambda pair: str(pair[0]))), tuple(sorted(broken)))


def usual_folders() -> tuple[Path, ...]:
    """Return the folders that models usually lie in, as far as they exist here."""
    home = Path.home()
    usual = (
        *(home / "models", home / "Models", home / ".lmstudio" / "models"),
        *(home / ".cache" / "lm-studio" / "models", home / ".cache" / "llama.cpp"),
        hugging_face_cache(),
    )
    return tuple(folder for folder in usual if folder.is_dir())


def hugging_face_cache() -> Path:
    """Return the folder of the Hugging Face cache, by the variables that its own library reads."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    if named := os.environ.get("HF_HOME"):
        return Path(named).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface" / "hub"


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    count = 0
    for folder in folders:
        depth = len(folder.parts)
        for root, names, files in os.walk(folder):
            at = Path(root)
            deep = len(at.parts) - depth >= _DEPTH
            names[:] = [] if deep else sorted(name for name in names if _worth_a_look(name))
            for name in sorted(files):
                if not name.endswith(".gguf") or name.startswith("."):
                    continue
                if shards.is_later_shard(Path(name)) and _first(at / name).exists():
                    continue
                yield at / name
                count += 1
                if count >= _FILES:
                    return


def _first(path: Path) -> Path:
    try:
        return shards.files_of(path)[0]
    except UnreadableModel:
        return path


def _worth_a_look(name: str) -> bool:
    return not name.startswith(".") and name not in _PASSED_OVER
