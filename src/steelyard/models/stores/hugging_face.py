"""Models in the Hugging Face cache: snapshots of repositories, whose files link to blobs.

A blob that a large file links to is named by its sha256: a claim, until somebody hashes it. The
same blobs under several revisions are one entry. Reads no header. Source: "Understand caching" in
the documentation of huggingface_hub.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.models import disk, folders
from steelyard.models.hub import listing
from steelyard.models.hub.listing import Globs, RemoteFile, RemoteVariant
from steelyard.models.stores import local, places
from steelyard.models.stores.api import Entry, Listing, Look, Progress, StoredFile, Unusable
from steelyard.models.stores.folder import model_folder, stored

_REPOSITORY: Final = "models--"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = ".incomplete"
_SHORT: Final = 8


@final
class HuggingFaceStore:
    """The cache of huggingface_hub."""

    name: Final = "huggingface"

    def __init__(self, where: str | None) -> None:
        self._root = places.hugging_face_cache() if where is None else Path(where).expanduser()

    @property
    def where(self) -> str:
        """The cache's folder."""
        return str(self._root)

    def list(self) -> Listing:
        """Return the models of all repositories, by `ORG/NAME:QUANT`."""
        if not self._root.is_dir():
            raise BadInput(
                f"there is no Hugging Face cache at {self._root}",
                hint="HF_HUB_CACHE or HF_HOME says where it is",
            )
        found = _Found()
        for home in sorted(self._root.glob(f"{_REPOSITORY}*")):
            found.repository(home)
        return Listing(
            tuple(sorted(found.entries.values(), key=lambda entry: entry.name)),
            tuple(sorted(found.unusable, key=lambda one: one.where)),
        )

    def look(self, entry: Entry) -> Look:
        """Read the headers of an entry."""
        return local.look(entry)

    def locate(self, entry: Entry) -> Path:
        """Return the file or folder of the snapshot."""
        return local.located(entry)

    def fetch(self, entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
        """Copy an entry out of the cache."""
        return local.fetch(entry, folder, progress)


def name_of(snapshot: Path) -> str | None:
    """Return the name of the repository that a folder is a snapshot of, or None."""
    home = snapshot.parent.parent
    if snapshot.parent.name != "snapshots" or not home.name.startswith(_REPOSITORY):
        return None
    return home.name.rpartition("--")[2]


@final
@dataclass(slots=True)
class _Found:
    """What was come upon, the entries by the bytes that they stand for."""

    entries: dict[tuple[object, ...], Entry] = field(default_factory=dict)
    unusable: list[Unusable] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def repository(self, home: Path) -> None:
        """Look into all snapshots of a repository, the one that `main` means first."""
        repo = home.name.removeprefix(_REPOSITORY).replace("--", "/")
        refs = _refs(home)
        snapshots = [path for path in (home / "snapshots").glob("*") if path.is_dir()]
        snapshots.sort(key=lambda path: (path.name != refs.get("main"), -path.stat().st_mtime_ns))
        for snapshot in snapshots:
            self._snapshot(repo, snapshot, [ref for ref, at in refs.items() if at == snapshot.name])
        for part in sorted((home / "blobs").glob(f"*{_PART}")):
            with contextlib.suppress(OSError):
                size = disk.size(part.stat().st_size)
                self.unusable.append(Unusable(str(part), f"a download of {repo} broke off: {size}"))

    def _snapshot(self, repo: str, snapshot: Path, refs: list[str]) -> None:
        files, models = [], []
        for path in (snapshot, *sorted(snapshot.rglob("*"))):
            if path.is_dir():
                models += [path] if folders.is_model(path) else []
            elif path.suffix in (".gguf", ".safetensors"):
                with local.telling(self.unusable, path):
                    name = path.relative_to(snapshot).as_posix()
                    files.append(RemoteFile(name, stored(path).size_bytes, path.resolve().name))
        for variant in listing.offer(files, repo, "main", Globs()).variants:
            if variant.format == "gguf":
                with local.telling(self.unusable, snapshot / variant.files[0].path):
                    self._add(_gguf(repo, snapshot, variant), snapshot.name, refs)
        for at in models:
            with local.telling(self.unusable, at):
                below = at.relative_to(snapshot).as_posix()
                name = repo if below == "." else f"{repo}/{below}"
                entry = model_folder("huggingface", name, at)
                weights, beside = (
                    tuple(map(_claimed, entry.files)),
                    tuple(map(_claimed, entry.beside)),
                )
                self._add(replace(entry, files=weights, beside=beside), snapshot.name, refs)

    def _add(self, entry: Entry, commit: str, refs: list[str]) -> None:
        blobs = tuple(str(file.path.resolve()) for file in entry.files if file.path is not None)
        key, words = (entry.name, *blobs), ", ".join([*refs, commit])
        if first := self.entries.get(key):
            also = f"{first.origin['revision']}; {words}"
            self.entries[key] = replace(first, origin={**first.origin, "revision": also})
            return
        if entry.name in self.names:
            entry = replace(entry, name=f"{entry.name} ({commit[:_SHORT]})")
        self.names.add(entry.name)
        self.entries[key] = replace(entry, origin={**entry.origin, "revision": words})


def _gguf(repo: str, snapshot: Path, variant: RemoteVariant) -> Entry:
    paths = [snapshot / file.path for file in variant.files]
    if variant.absent:
        raise BadInput(
            f"{variant.absent} of its {len(paths) + variant.absent} files are not there",
            hint=f"`steelyard models pull {repo}:{variant.label}` fetches them",
        )
    files = tuple(_claimed(stored(path)) for path in paths)
    name = f"{repo}:{variant.label}"
    return Entry("huggingface", name, "gguf", files, path=paths[0], origin={"repository": repo})


def _claimed(file: StoredFile) -> StoredFile:
    """Add the sha256 that the name of a file's blob claims, where it is one."""
    if file.path is None or not file.path.is_symlink():
        return file
    blob = file.path.resolve().name
    return replace(file, sha256=blob if _SHA256.fullmatch(blob) else None)


def _refs(home: Path) -> dict[str, str]:
    """Return which commit each branch or tag means."""
    found = {}
    refs = home / "refs"
    for path in sorted(refs.rglob("*")) if refs.is_dir() else ():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.is_file():
                found[path.relative_to(refs).as_posix()] = path.read_text("utf-8").strip()[:64]
    return found
