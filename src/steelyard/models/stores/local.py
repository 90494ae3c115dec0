"""What all stores whose files lie on this machine do alike: look into an entry, and hand it out.

Not aware of how a store names or arranges its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from steelyard.domain.errors import BadInput, SteelyardError, WrongModel
from steelyard.models import artifacts, disk, folders, gguf, safetensors, shards
from steelyard.models.stores.api import Aside, Details, Entry, Look, Progress, StoredFile, Unusable
from steelyard.platform import atomic

_CHUNK: Final = 1 << 22
_ASIDES: Final[Mapping[str, str]] = {
    "imatrix": "importance matrix",
    "adapter": "adapter",
    "mmproj": "projector",
    "vocab": "vocabulary",
}
_PROJECTORS: Final = frozenset({"clip"})


@contextmanager
def telling(unusable: list[Unusable], where: Path | str) -> Iterator[None]:
    """Let what is broken be told, and stop nothing."""
    try:
        yield
    except SteelyardError as error:
        unusable.append(Unusable(str(where), str(error)))
    except OSError as error:
        unusable.append(Unusable(str(where), f"it cannot be read: {error.strerror}"))


def look(entry: Entry, said: Mapping[str, Any] | None = None) -> Look:
    """Read the headers of an entry that is here."""
    path = located(entry)
    if entry.format == "safetensors":
        return folder_look(safetensors.read_folder(path), folders.telling(path), said)
    return gguf_look(shards.read_model(path), said)


def gguf_look(model: shards.Model, said: Mapping[str, Any] | None = None) -> Look:
    """Say what GGUF headers show."""
    if role := _aside(model.head):
        return Aside(role)
    return Details(artifacts.facts_of(model), "gguf", said or {})


def folder_look(
    model: safetensors.Model, told: folders.Telling, said: Mapping[str, Any] | None = None
) -> Look:
    """Say what the headers and small files of a folder show."""
    if not isinstance(told.config.get("model_type"), str):
        return Aside("no language model")
    sampling = {"generation": told.sampling} if told.sampling else {}
    layout = folders.layout(model.metadata)
    return Details(folders.facts_of(model, told), layout, {**sampling, **(said or {})})


def located(entry: Entry) -> Path:
    """Return where an entry of a local store lies."""
    if entry.path is None:
        raise BadInput(f"{entry.name} is not on this machine", hint="fetch it from its store first")
    return entry.path


def fetch(entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
    """Copy an entry's files into a folder, each hashed on the way and compared with its claim."""
    home = target(entry, folder)
    files = (*entry.files, *entry.beside)
    refuse_others(files, home)
    absent = [file for file in files if not (home / file.name).exists()]
    total = sum(file.size_bytes for file in absent)
    disk.require(home, total, what=entry.name)
    done = 0
    for file in absent:
        done = _copy(file, home / file.name, done, total, progress)
    return home if entry.format == "safetensors" else home / entry.files[0].name


def target(entry: Entry, folder: Path) -> Path:
    """Return the folder that an entry's files go into: one of its own for a model in many."""
    return folder / plain(entry.name) if entry.format == "safetensors" else folder


def plain(name: str) -> str:
    """Turn a store's name into one that a file may have."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-.") or "model"


def refuse_others(files: tuple[StoredFile, ...], home: Path) -> None:
    """Refuse to write over a file that holds something else."""
    for file in files:
        path = home / file.name
        if not path.exists():
            continue
        same = path.stat().st_size == file.size_bytes
        if same and file.sha256 is not None:
            same = sha256_of(path) == file.sha256
        elif same and file.path is not None:
            same = sha256_of(path) == sha256_of(file.path)
        if not same:
            raise BadInput(
                f"{path} is there already, with other bytes",
                hint="move it away, or choose another folder with --out",
            )


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """Hash a file's bytes; raise `BadInput` where it cannot be read."""
    digest, done = hashlib.sha256(), 0
    try:
        total = path.stat().st_size
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="check it") from None
    return digest.hexdigest()


def wrong(name: str, found: str, claimed: str) -> WrongModel:
    """Return the error for bytes that are not what a store claims."""
    return WrongModel(
        f"{name} is damaged: sha256 {found[:12]}…, and its store claims {claimed[:12]}…",
        hint="remove it from the store and fetch it there again",
    )


def _copy(file: StoredFile, path: Path, done: int, total: int, progress: Progress | None) -> int:
    if file.path is None:
        raise BadInput(f"{file.name} is not on this machine", hint="fetch it from its store first")
    digest = hashlib.sha256()
    with _opened(file.path) as source, atomic.replacing(path) as out:
        while chunk := source.read(_CHUNK):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        if file.sha256 is not None and digest.hexdigest() != file.sha256:
            raise wrong(file.name, digest.hexdigest(), file.sha256)
    return done


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="check it") from None


def _aside(head: gguf.Header) -> str | None:
    """Say what a GGUF file is that is no language model, or None."""
    if head.text("general.architecture") in _PROJECTORS:
        return "projector"
    return _ASIDES.get(head.text("general.type") or "")
