"""Models that lie in plain folders: GGUF files with their shards, and folders of safetensors.

Walks some levels deep and reads no header. A folder that is a store of another kind is named and
not walked into. Not aware of what is in the files.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.models import folders, safetensors, shards
from steelyard.models.stores import local
from steelyard.models.stores.api import Entry, Listing, Look, Progress, StoredFile, Unusable

_DEPTH: Final = 8
_FILES: Final = 5_000
_GGUF: Final = ".gguf"
_REPOSITORY: Final = "models--"
_OLLAMA: Final = frozenset({"manifests", "blobs"})
_PASSED_OVER: Final = frozenset({"node_modules", "__pycache__", "proc", "sys", "dev"})
# Weights under such a name are a model's; others may be anything (adapters, pictures, voices).
_LOOSE: Final = re.compile(r"^model(-\d{5}-of-\d{5})?\.safetensors$")


@final
class FolderStore:
    """A folder and what lies below it."""

    name: Final = "folder"

    def __init__(self, where: str | None) -> None:
        if where is None:
            raise BadInput("a folder store needs its folder", hint="name the folder")
        self._root = Path(where).expanduser()

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._root)

    def list(self) -> Listing:
        """Return what lies below the folder."""
        if not self._root.is_dir():
            raise BadInput(
                f"{self._root} is no folder", hint="name folders; they are searched deeply"
            )
        return _Walk(self._root).listing()

    def look(self, entry: Entry) -> Look:
        """Read the headers of an entry."""
        return local.look(entry)

    def locate(self, entry: Entry) -> Path:
        """Return the file or folder."""
        return local.located(entry)

    def fetch(self, entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
        """Copy an entry."""
        return local.fetch(entry, folder, progress)


@final
@dataclass(slots=True)
class _Walk:
    """One pass below a folder, and what it came upon."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    stores: list[tuple[str, Path]] = field(default_factory=list)
    files: int = 0

    def listing(self) -> Listing:
        """Walk, and return what was found."""
        depth = len(self.root.parts)
        for at_text, names, files in os.walk(self.root, onerror=self._closed):
            at = Path(at_text)
            if kind := _kind(at, names):
                self.stores.append((kind, at))
                names[:] = [name for name in names if not name.startswith(_REPOSITORY)]
                names[:] = [name for name in names if kind != "ollama" or name not in _OLLAMA]
            deep = len(at.parts) - depth >= _DEPTH
            names[:] = [] if deep else sorted(name for name in names if _worth_a_look(name))
            self._folder(at, sorted(files))
            if self.files >= _FILES:
                why = f"{_FILES} files were looked at, and there are more: name folders below it"
                self.unusable.append(Unusable(str(self.root), why))
                break
        return Listing(
            _told_apart(self.entries),
            tuple(sorted(self.unusable, key=lambda one: one.where)),
            tuple(self.stores),
        )

    def _closed(self, error: OSError) -> None:
        self.unusable.append(Unusable(str(error.filename), f"it cannot be read: {error.strerror}"))

    def _folder(self, at: Path, names: list[str]) -> None:
        shown = [name for name in names if not name.startswith(".")]
        ggufs = [at / name for name in reversed(shown) if name.endswith(_GGUF)]
        sets = {(shards.stem_of(path), path.name.rpartition("-of-")[2]): path for path in ggufs}
        for path in sorted(sets.values()):
            self.files += 1
            with local.telling(self.unusable, path):
                files = tuple(stored(file) for file in _present(shards.files_of(path)))
                name = self._name(at / shards.stem_of(path))
                self.entries.append(Entry("folder", name, "gguf", files, path=files[0].path))
        weights = [name for name in shown if name.endswith(safetensors.SUFFIX)]
        if weights:
            self.files += len(weights)
            with local.telling(self.unusable, at):
                self._safetensors(at, weights)

    def _safetensors(self, at: Path, names: list[str]) -> None:
        if (at / folders.CONFIG).is_file():
            self.entries.append(model_folder("folder", self._name(at), at))
        elif any(_LOOSE.match(name) for name in names):
            raise safetensors.unreadable(at, "no config.json lies beside its weights")

    def _name(self, path: Path) -> str:
        below = path.relative_to(self.root).as_posix()
        return self.root.resolve().name if below == "." else below


def model_folder(store: str, name: str, at: Path) -> Entry:
    """Return the entry of a folder of safetensors; raise where weights are missing."""
    files = tuple(stored(path) for path in safetensors.weight_files(at))
    rest = (path for path in folders.files_of(at) if path.suffix != safetensors.SUFFIX)
    return Entry(store, name, "safetensors", files, tuple(map(stored, rest)), path=at)


def stored(path: Path, sha256: str | None = None, name: str | None = None) -> StoredFile:
    """Return a file that is here; raise for a link that leads nowhere and for what is no file."""
    try:
        info = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise BadInput(
                f"{path.name} is a link that leads nowhere: its bytes are gone"
            ) from None
        raise BadInput(f"{path.name} is not there") from None
    if not stat.S_ISREG(info.st_mode):
        raise BadInput(f"{path.name} is not a regular file")
    return StoredFile(name or path.name, info.st_size, path, sha256)


def _present(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files; raise where one of several shards is not there."""
    absent = [path.name for path in files if not os.path.lexists(path)]
    if absent:
        raise BadInput(
            f"it is one of {len(files)} files, and {safetensors.listed(absent)} is not there",
            hint="put all shards of the model into one folder",
        )
    return files


def _kind(folder: Path, names: Iterable[str]) -> str | None:
    """Say which kind of store a folder is by the folders in it, or None for a plain one."""
    found = set(names)
    if found >= _OLLAMA:
        return "ollama"
    hub = (name for name in found if name.startswith(_REPOSITORY))
    return "huggingface" if any((folder / name / "snapshots").is_dir() for name in hub) else None


def _told_apart(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Sort entries by name; links to one model become its aliases, two of one name are told apart.

    The name of the file itself comes before those of links to it.
    """
    found: dict[tuple[Path, ...], Entry] = {}
    for entry in sorted(entries, key=lambda one: (_linked(one), one.name, str(one.path))):
        key = tuple(file.path.resolve() for file in entry.files if file.path is not None)
        if first := found.get(key):
            found[key] = replace(first, aliases=(*first.aliases, entry.name))
        else:
            found[key] = entry
    counts = Counter(entry.name for entry in found.values())
    named = (
        replace(entry, name=f"{entry.name} ({entry.files[0].name})")
        if counts[entry.name] > 1
        else entry
        for entry in found.values()
    )
    return tuple(sorted(named, key=lambda entry: entry.name))


def _linked(entry: Entry) -> bool:
    return entry.path is not None and entry.path.is_symlink()


def _worth_a_look(name: str) -> bool:
    return not name.startswith(".") and name not in _PASSED_OVER
