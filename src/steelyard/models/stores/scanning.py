"""Look into every entry of some stores, and into the stores that lie inside them.

Headers only. A model that several stores or names lead to (links, one folder named twice) counts
once. What is broken is told and stops nothing. Not aware of what is printed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.models.stores import api, local, places
from steelyard.models.stores.api import Aside, Details, Entry, Store, StoredFile, Unusable
from steelyard.models.stores.folder import FolderStore
from steelyard.models.stores.hugging_face import HuggingFaceStore
from steelyard.models.stores.ollama_store import OllamaStore

_OURS: Final = frozenset({"folder", "http", "huggingface", "ollama"})


@final
@dataclass(frozen=True, slots=True)
class Found:
    """One model of a store with what its headers say."""

    store: Store
    entry: Entry
    details: Details


@final
@dataclass(frozen=True, slots=True)
class Scanned:
    """Everything that was come upon; `asides` are entries that are no language models."""

    found: tuple[Found, ...]
    asides: tuple[tuple[Entry, str], ...]
    unusable: tuple[Unusable, ...]

    def files(self) -> tuple[StoredFile, ...]:
        """Return all files that are on this machine."""
        entries = [one.entry for one in self.found] + [entry for entry, _ in self.asides]
        return tuple(f for entry in entries for f in (*entry.files, *entry.beside) if f.path)


def usual() -> tuple[Store, ...]:
    """Return the stores of this machine: usual folders, the Hugging Face cache, Ollama's, others.

    Others are those of plug-ins that know a usual place.
    """
    found: list[Store] = [FolderStore(str(folder)) for folder in places.usual_folders()]
    if places.hugging_face_cache().is_dir():
        found.append(HuggingFaceStore(None))
    if (places.ollama_store() / "manifests").is_dir():
        found.append(OllamaStore(None))
    for kind in api.kinds():
        if kind not in _OURS:
            with contextlib.suppress(BadInput):
                found.append(api.store(kind))
    return tuple(found)


def scan(stores: Iterable[Store], *, named: bool = True) -> Scanned:
    """List every store, and look into each entry.

    A store that was `named` and is none, or does not answer, raises; a usual one is told of.
    """
    work = _Work()
    for store in stores:
        if named:
            work.store(store)
        else:
            with local.telling(work.unusable, store.where):
                work.store(store)
    return Scanned(tuple(work.found), tuple(work.asides), tuple(dict.fromkeys(work.unusable)))


def entries(stores: Iterable[Store]) -> Iterator[tuple[Store, Entry]]:
    """Yield what stores list; one that does not answer yields nothing."""
    for store in stores:
        with local.telling([], store.where):
            for entry in store.list().entries:
                yield store, entry


@final
@dataclass(slots=True)
class _Work:
    """What was come upon so far, and which bytes were looked at already."""

    found: list[Found] = field(default_factory=list)
    asides: list[tuple[Entry, str]] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    seen: set[tuple[object, ...]] = field(default_factory=set)

    def store(self, store: Store) -> None:
        """Look into one store and those inside it."""
        key = (store.name, store.where if "://" in store.where else _real(Path(store.where)))
        if key in self.seen:
            return
        self.seen.add(key)
        listing = store.list()
        self.unusable += listing.unusable
        # A store knows the several names that it has for one model; here other stores' are told.
        fresh = [entry for entry in listing.entries if _bytes_of(entry) not in self.seen]
        self.seen |= {_bytes_of(entry) for entry in fresh}
        for entry in fresh:
            where = str(entry.path or f"{store.where} {entry.name}")
            with local.telling(self.unusable, where):
                self._look(store, entry)
        for kind, path in listing.inside:
            self.store(api.store(kind, str(path)))

    def _look(self, store: Store, entry: Entry) -> None:
        match store.look(entry):
            case Aside(role=role):
                self.asides.append((entry, role))
            case Details() as details:
                self.found.append(Found(store, entry, details))


def _bytes_of(entry: Entry) -> tuple[object, ...]:
    """Return what tells an entry's bytes from others': where its files really are."""
    if any(file.path is None for file in entry.files):
        return (entry.store, entry.name, *(file.sha256 for file in entry.files))
    # Two folders may share their weights by links and differ in what lies beside them.
    files = (*entry.files, *entry.beside)
    return tuple(_real(file.path) for file in files if file.path is not None)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()
