"""Find the GGUF files of this machine: in folders, the Hugging Face cache, and Ollama's store.

Only headers are read, so a scan is fast; a file that cannot be used is listed with the reason and
stops nothing. Importance matrices and other GGUF files that are no language models are passed over
in silence. What several kinds of stores hold, `models.stores.scanning` says. Not aware of engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.domain.subject import ArtifactFacts
from steelyard.models.stores import places, scanning
from steelyard.models.stores.folder import FolderStore

hugging_face_cache = places.hugging_face_cache


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The models, sorted by path, and the files that cannot be used with the reason."""

    models: tuple[tuple[Path, ArtifactFacts], ...]
    broken: tuple[tuple[Path, str], ...]


def scan(folders: Sequence[Path]) -> Found:
    """Read the header of every GGUF file below some folders; each file counts once."""
    there = [FolderStore(str(folder)) for folder in folders if folder.is_dir()]
    scanned = scanning.scan(there)
    models = [
        (one.entry.path, one.details.facts)
        for one in scanned.found
        if one.entry.path is not None and one.entry.format == "gguf"
    ]
    broken = [(Path(one.where), one.why) for one in scanned.unusable]
    return Found(tuple(sorted(models, key=lambda pair: str(pair[0]))), tuple(sorted(broken)))


def usual_folders() -> tuple[Path, ...]:
    """Return the folders that models usually lie in, as far as they exist here."""
    stores = (hugging_face_cache(), places.ollama_store())
    return (*places.usual_folders(), *(store for store in stores if store.is_dir()))
